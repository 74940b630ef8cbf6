'use strict';

// express-session with SessionStore, over HTTP: which session a browser gets, and what is kept of it. The cases are those
// of express-session's own suite in which the store takes part.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');
const { Browser, signedCookie } = require('./support/web.js');
const { forEachExpress } = require('./support/web-suites.js');
const { waitUntil } = require('./support/wait-until.js');

const MINUTE = 60_000;

/** Counts the visits of a browser. */
function visit(request, response) {
  request.session.visits = (request.session.visits ?? 0) + 1;
  response.json({ id: request.session.id, visits: request.session.visits });
}

/** Shows the session without changing it. */
function show(request, response) {
  response.json({ ...request.session, id: request.session.id });
}

forEachExpress((place, start) => {
  describe('a browser', () => {
    test('without a cookie gets a session, and the same one with its cookie', async (t) => {
      const store = place.newStore();
      const browser = new Browser(await start(t, { store }, { '/': visit }));
      const first = await browser.json('/');
      const second = await browser.json('/');
      assert.deepEqual([first.visits, second], [1, { id: first.id, visits: 2 }]);
      assert.equal(await store.length(), 1);
    });

    test('shares no session with another browser', async (t) => {
      const store = place.newStore();
      const url = await start(t, { store }, { '/': visit });
      const [one, other] = [new Browser(url), new Browser(url)];
      const { id } = await one.json('/');
      const { id: otherId, visits } = await other.json('/');
      assert.notEqual(otherId, id);
      assert.equal(visits, 1);
      assert.equal((await one.json('/')).visits, 2);
      assert.equal(await store.length(), 2);
    });

    test('with the id of no session gets a new id, and so does one with a wrong signature', async (t) => {
      const store = place.newStore();
      const browser = new Browser(await start(t, { store }, { '/': visit }));
      const { id } = await browser.json('/');
      for (const cookie of [signedCookie('chosen-by-an-attacker'), `${signedCookie(id)}x`]) {
        browser.cookies.set('connect.sid', cookie);
        const { id: newId, visits } = await browser.json('/');
        assert.equal(visits, 1);
        assert.ok(newId !== id && newId !== 'chosen-by-an-attacker');
      }
    });

    test('gets a new session when the old one has ended after 5 ms, and nothing is left of it', async (t) => {
      const store = place.newStore();
      const options = { store, cookie: { maxAge: 5 } };
      const browser = new Browser(await start(t, options, { '/': visit }));
      const { id } = await browser.json('/');
      await waitUntil(async () => (await store.length()) === 0, 'the end of the session');
      assert.deepEqual(await store.all(), []);
      const { id: newId, visits } = await browser.json('/');
      assert.ok(newId !== id && visits === 1);
    });

    test('gets the session of any id that `genid` gives', async (t) => {
      const store = place.newStore();
      const sids = ['short', '*', 'a b/c:ü'];
      const options = { store, genid: () => sids[0] };
      const browser = new Browser(await start(t, options, { '/': visit }));
      for (; sids.length > 0; sids.shift()) {
        browser.cookies.clear();
        assert.deepEqual(await browser.json('/'), { id: sids[0], visits: 1 });
        assert.deepEqual(await browser.json('/'), { id: sids[0], visits: 2 });
      }
    });
  });

  describe('a session', () => {
    test('keeps numbers, dates as text, nested objects, null, and what is deleted stays away', async (t) => {
      const store = place.newStore();
      const routes = {
        '/make': (request, response) => {
          const cart = { items: [{ name: 'tea' }], coupon: null };
          Object.assign(request.session, { n: 1.5, at: new Date(0), cart, old: 'x', no: null });
          response.end();
        },
        '/change': (request, response) => {
          request.session.cart.items[0].name = 'coffee';
          request.session.cart.items.push({ name: 'milk' });
          request.session.n = null;
          delete request.session.old;
          response.end();
        },
        '/': show,
      };
      const browser = new Browser(await start(t, { store }, routes));
      await browser.get('/make');
      const at = '1970-01-01T00:00:00.000Z';
      const { id, cookie, ...made } = await browser.json('/');
      const cart = { items: [{ name: 'tea' }], coupon: null };
      assert.deepEqual(made, { n: 1.5, at, cart, old: 'x', no: null });
      await browser.get('/change');
      const items = [{ name: 'coffee' }, { name: 'milk' }];
      const changed = { n: null, at, cart: { items, coupon: null }, no: null, id, cookie };
      assert.deepEqual(await browser.json('/'), changed);
    });

    test('shows its data and its cookie, and nothing of the store', async (t) => {
      const keys = (request, response) => {
        request.session.a ??= 1;
        const all = [];
        for (const key in request.session) all.push(key);
        response.json([all.sort(), Reflect.ownKeys(request.session).includes('token')]);
      };
      const browser = new Browser(await start(t, { store: place.newStore() }, { '/': keys }));
      assert.deepEqual(await browser.json('/'), [['a', 'cookie'], false]);
      assert.deepEqual(await browser.json('/'), [['a', 'cookie'], false]);
    });

    test('may have names of methods in the store, and keeps its methods', async (t) => {
      const store = place.newStore();
      const browser = new Browser(await start(t, { store }, { '/': visit }));
      const { id } = await browser.json('/');
      const session = await store.get(id);
      session.save = 'no';
      session.reload = 'no';
      await store.set(id, session);
      assert.equal((await store.get(id)).save, 'no');
      assert.equal((await browser.json('/')).visits, 2);
      assert.equal((await browser.json('/')).visits, 3);
    });

    test('without a cookie in the store is an error of the request', async (t) => {
      const store = place.newStore();
      const browser = new Browser(await start(t, { store }, { '/': visit }));
      const { id } = await browser.json('/');
      const session = await store.get(id);
      delete session.cookie;
      await store.set(id, session);
      assert.equal((await browser.get('/')).status, 500);
    });

    test('keeps its maxAge, whose expires is what is left', async (t) => {
      const store = place.newStore();
      const options = { store, cookie: { maxAge: MINUTE } };
      const browser = new Browser(await start(t, options, { '/': visit, '/show': show }));
      const { id } = await browser.json('/');
      const { cookie } = await store.get(id);
      assert.ok(cookie.expires - Date.now() <= MINUTE && cookie.expires - Date.now() > 0);
      const shown = await browser.json('/show');
      assert.ok(Math.abs(shown.cookie.originalMaxAge - MINUTE) < 1000);
    });

    test('of a cookie that ends with the browser stays so', async (t) => {
      const store = place.newStore();
      const browser = new Browser(await start(t, { store }, { '/': visit, '/show': show }));
      const { id } = await browser.json('/');
      assert.equal((await store.get(id)).cookie.expires, null);
      const { cookie } = await browser.json('/show');
      assert.deepEqual([cookie.expires, cookie.originalMaxAge], [null, null]);
    });

    test('has the cookie that a request gave it: attributes, a new maxAge, or none', async (t) => {
      const store = place.newStore();
      const routes = {
        '/': visit,
        '/show': show,
        '/longer': (request, response) => {
          request.session.cookie.maxAge = 60 * MINUTE;
          response.json({});
        },
        '/until-closed': (request, response) => {
          request.session.cookie.expires = false;
          request.session.cookie.sameSite = 'strict';
          response.json({});
        },
      };
      const options = { store, cookie: { maxAge: MINUTE } };
      const browser = new Browser(await start(t, options, routes));
      const { id } = await browser.json('/');
      await browser.json('/longer');
      const { cookie } = await store.get(id);
      assert.ok(cookie.expires - Date.now() > 59 * MINUTE);
      await browser.json('/until-closed');
      const { cookie: closed } = await store.get(id);
      assert.deepEqual([closed.expires, closed.sameSite], [false, 'strict']);
      assert.equal((await browser.json('/')).visits, 2);
    });
  });

  describe('errors and events', () => {
    const boom = Object.assign(new Error('boom'), { code: 'ESTRANGE' });

    test('an error of get is one of the request, and ENOENT means a new session', async (t) => {
      const store = place.newStore();
      const browser = new Browser(await start(t, { store }, { '/': visit }));
      await browser.json('/');
      store.get = (_sid, callback) => callback(boom);
      assert.deepEqual((await browser.get('/')).text, 'boom');
      store.get = (_sid, callback) => callback(Object.assign(new Error(), { code: 'ENOENT' }));
      assert.equal((await browser.json('/')).visits, 1);
    });

    test('the store may be wrapped: its methods are found on the object at each call', async (t) => {
      const store = place.newStore();
      const calls = [];
      for (const name of ['get', 'set', 'touch', 'destroy']) {
        const method = store[name];
        store[name] = function (...args) {
          calls.push(name);
          return method.apply(this, args);
        };
      }
      const end = (request, response) => request.session.destroy(() => response.end());
      const browser = new Browser(
        await start(t, { store }, { '/': visit, '/show': show, '/end': end }),
      );
      await browser.json('/');
      await browser.json('/show');
      await browser.get('/end');
      assert.deepEqual(calls, ['set', 'get', 'touch', 'get', 'destroy']);
    });

    test('a program may take the store offline by events, as with any store', async (t) => {
      const store = place.newStore();
      const isThere = (request, response) => response.json(request.session !== undefined);
      const browser = new Browser(await start(t, { store }, { '/': isThere }));
      assert.equal(await browser.json('/'), true);
      store.emit('disconnect');
      assert.equal(await browser.json('/'), false);
      store.emit('connect');
      assert.equal(await browser.json('/'), true);
    });
  });
});
