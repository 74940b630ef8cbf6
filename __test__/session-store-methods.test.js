'use strict';

// The methods of `req.session` in express-session with SessionStore: destroy, regenerate, reload, save and touch.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');
const { Browser, run, writesOf } = require('./support/web.js');
const { forEachExpress } = require('./support/web-suites.js');

const login = (request, response) => {
  request.session.user = 'ada';
  response.json(request.session.id);
};
const show = (request, response) =>
  response.json({ id: request.session.id, user: request.session.user ?? null });

forEachExpress((place, start) => {
  /** Starts a server with one more route. */
  const open = async (t, act, { store = place.newStore(), ...options } = {}) => {
    const url = await start(t, { store, ...options }, { '/login': login, '/': show, '/act': act });
    return { browser: new Browser(url), store };
  };

  describe('destroy', () => {
    test('ends the session, with a callback or without', async (t) => {
      const { browser, store } = await open(t, async (request, response) => {
        if (request.query.quietly) request.session.destroy();
        else await run(request.session, 'destroy');
        response.json(request.session === undefined);
      });
      for (const query of ['', '?quietly=1']) {
        const id = await browser.json('/login');
        assert.equal(await browser.json(`/act${query}`), true);
        const { id: newId, user } = await browser.json('/');
        assert.ok(newId !== id && user === null);
        assert.equal(await store.length(), 0);
      }
    });

    for (const [what, act] of Object.entries({
      destroy: (session) => run(session, 'destroy'),
      regenerate: (session) => run(session, 'regenerate'),
    })) {
      test(`the session never writes again after ${what}, loaded or new`, async (t) => {
        const { browser, store } = await open(t, async (request, response) => {
          const { session } = request;
          await act(session);
          session.user = 'eve';
          await run(session, 'save');
          response.json(session.id);
        });
        assert.equal(await store.get(await browser.json('/act')), undefined, 'a new one');
        const id = await browser.json('/login');
        assert.equal(await browser.json('/act'), id);
        assert.equal(await store.get(id), undefined, 'a loaded one');
      });
    }

    test('a save that is under way does not survive it', async (t) => {
      const { browser, store } = await open(t, async (request, response) => {
        const { session } = request;
        session.user = 'eve';
        await Promise.all([run(session, 'save'), run(session, 'destroy')]);
        response.json({});
      });
      await browser.json('/act');
      assert.equal(await store.length(), 0);
    });
  });

  describe('regenerate', () => {
    test('gives a new id, ends the old session and takes nothing over', async (t) => {
      const { browser, store } = await open(t, async (request, response) => {
        const { id } = request.session;
        await run(request.session, 'regenerate');
        const { user } = request.session;
        request.session.fresh = true;
        response.json([id, request.session.id, user ?? null]);
      });
      const id = await browser.json('/login');
      const [oldId, newId, user] = await browser.json('/act');
      assert.ok(oldId === id && newId !== id && user === null);
      assert.equal(await store.get(id), undefined);
      assert.equal((await store.get(newId)).fresh, true);
      assert.equal((await browser.json('/')).id, newId);
    });

    for (const saveUninitialized of [false, true]) {
      test(`that fails leaves the browser its session: saveUninitialized: ${saveUninitialized}`, async (t) => {
        const store = place.newStore({ touchAfter: 0 });
        const act = async (request, response) => {
          const { session } = request;
          const error = await run(session, 'regenerate').catch((error) => error);
          const isSame = request.session === session;
          // A login that does not look at the error must not log in whoever knows the old id.
          if (request.query.careless) request.session.user = 'eve';
          response.status(500).json([error.message, isSame]);
        };
        const { browser } = await open(t, act, { store, saveUninitialized });
        const id = await browser.json('/login');
        store.destroy = (_sid, callback) => callback(new Error('boom'));
        const writes = writesOf(t, place.sessions);
        for (const path of ['/act', '/act?careless=1']) {
          const { text, setCookies } = await browser.get(path);
          assert.deepEqual([JSON.parse(text), setCookies], [['boom', true], []]);
        }
        assert.deepEqual(writes, []);
        delete store.destroy;
        assert.deepEqual(await browser.json('/'), { id, user: 'ada' });
        assert.equal(await store.length(), 1);
      });
    }
  });

  describe('reload', () => {
    test('gives what is in the store, and what is changed after it is saved', async (t) => {
      const { browser, store } = await open(t, async (request, response) => {
        const stored = await store.get(request.session.id);
        await store.set(request.session.id, Object.assign(stored, { other: 'request' }));
        request.session.user = 'forgotten';
        await run(request.session, 'reload');
        request.session.mine = true;
        response.json(request.session);
      });
      const id = await browser.json('/login');
      const { user, other } = await browser.json('/act');
      assert.deepEqual([user, other], ['ada', 'request']);
      const session = await store.get(id);
      assert.deepEqual([session.user, session.other, session.mine], ['ada', 'request', true]);
    });

    test('is an error if the session is gone', async (t) => {
      const { browser, store } = await open(t, async (request, response) => {
        await store.clear();
        await run(request.session, 'reload');
        response.json({});
      });
      await browser.json('/login');
      const { status, text } = await browser.get('/act');
      assert.deepEqual([status, text], [500, 'failed to load session']);
      assert.equal(await store.length(), 0);
    });
  });

  describe('save', () => {
    test('can be called twice, and while one is under way: the last state is kept', async (t) => {
      const { browser, store } = await open(t, async (request, response) => {
        const { session } = request;
        const saves = [];
        for (const n of [1, 2, 3]) {
          session.n = n;
          if (n === 2) session.two = true;
          if (n === 3) delete session.two;
          saves.push(run(session, 'save'));
        }
        await Promise.all(saves);
        const { n, two } = await store.get(session.id);
        session.n = 4;
        response.json([n, two ?? null]);
      });
      for (const before of [async () => {}, () => browser.json('/login')]) {
        await before();
        assert.deepEqual(await browser.json('/act'), [3, null]);
        const [{ n }] = await store.all();
        assert.equal(n, 4);
        await store.clear();
      }
    });

    test('writes what the session held when it was called', async () => {
      const store = place.newStore();
      const session = { cookie: {}, n: 1, list: [1] };
      const saved = [store.set('s', session)];
      Object.assign(session, { n: 2, late: true });
      session.list.push(2);
      saved.push(store.set('s', session));
      session.list.push(3);
      await saved[0];
      await saved[1];
      const { cookie: _cookie, ...data } = await store.get('s');
      assert.deepEqual(data, { n: 2, late: true, list: [1, 2] });
    });
  });

  describe('a session without a base', () => {
    test('replaces what is there', async () => {
      const store = place.newStore();
      await store.set('s', { cookie: {}, a: 1, b: 1 });
      await store.set('s', { cookie: {}, a: 2 });
      assert.deepEqual(await store.get('s'), { cookie: {}, a: 2 });
    });

    test('has one once it is written, so that it keeps what others write then', async () => {
      const store = place.newStore();
      const session = { cookie: {}, a: 1 };
      await store.set('s', session);
      const other = await store.get('s');
      await store.set('s', Object.assign(other, { b: 1 }));
      await store.set('s', Object.assign(session, { a: 2 }));
      assert.deepEqual(await store.get('s'), { cookie: {}, a: 2, b: 1 });
      await store.destroy('s');
      await store.set('s', Object.assign(session, { a: 3 }));
      assert.equal(await store.get('s'), undefined);
    });

    test('may be frozen, or have got its base from a session with another id', async () => {
      const store = place.newStore();
      await store.set('s', Object.freeze({ cookie: {}, a: 1 }));
      await store.set('s', Object.freeze({ cookie: {}, b: 1 }));
      const loaded = await store.get('s');
      assert.deepEqual(loaded, { cookie: {}, b: 1 });
      await store.set('another', Object.assign(loaded, { c: 1 }));
      assert.deepEqual(await store.get('another'), { cookie: {}, b: 1, c: 1 });
    });

    test('may have got its base from a store of another app', async () => {
      const [store, other] = [place.newStore(), place.newStore()];
      await store.set('s', { cookie: {}, a: 1 });
      const loaded = await store.get('s');
      await other.set('s', Object.assign(loaded, { b: 1 }));
      assert.deepEqual(await other.get('s'), { cookie: {}, a: 1, b: 1 });
      assert.deepEqual(await store.get('s'), { cookie: {}, a: 1 });
    });
  });

  describe('a session that did not change', () => {
    const values = {
      text: 'x',
      at: new Date(0),
      list: [1],
      not: Number.NaN,
      none: null,
      gone: undefined,
    };

    test('is not written, also if JSON wrote its values as others', async () => {
      const store = place.newStore();
      const session = { cookie: { path: '/', maxAge: undefined }, ...values };
      await store.set('s', session);
      const loaded = await store.get('s');
      // What would change if the whole session were written.
      const other = await store.get('s');
      await store.set('s', { ...other, text: 'y', at: 1, list: [2], not: 2, none: 2 });
      await store.set(
        's',
        Object.assign(loaded, { cookie: { path: '/', x: undefined }, ...values }),
      );
      const { cookie: _cookie, ...data } = await store.get('s');
      assert.deepEqual(data, { text: 'y', at: 1, list: [2], not: 2, none: 2 });
    });
  });
});
