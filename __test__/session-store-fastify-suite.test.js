'use strict';

// @fastify/session with SessionStore, over HTTP: when it saves, its options, and how its methods end. The cases are those of
// its own suite, and the rules of docs/frameworks.md.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');
const { SpotsSessionsError } = require('../index.js');
const { freshName } = require('./support/targets.js');
const { waitUntil } = require('./support/wait-until.js');
const { Browser, callsOf, startFastify, writesOf } = require('./support/web.js');
const { inMemoryAndOnServer } = require('./support/web-suites.js');

const MINUTE = 60_000;
/** How far the clock of this process and that of the store may be apart, in ms. */
const CLOCKS = 10;

const boom = new Error('boom');

/** Calls a method with a callback, and resolves when that is called. */
const withCallback = (session, name, ...args) =>
  new Promise((resolve, reject) => {
    const returned = session[name](...args, (error) => (error ? reject(error) : resolve()));
    assert.equal(returned, undefined);
  });

const routes = {
  '/': (request, reply) => {
    request.session.visits = (request.session.visits ?? 0) + 1;
    reply.send({ id: request.session.sessionId, visits: request.session.visits });
  },
  '/show': (request, reply) => {
    reply.send({ id: request.session.sessionId, ...JSON.parse(JSON.stringify(request.session)) });
  },
};

inMemoryAndOnServer((place) => {
  /** Starts a server with more routes, and a browser on it. */
  async function open(t, { store = place.newStore(), more, errors, ...options } = {}) {
    const url = await startFastify(t, { store, ...options }, { ...routes, ...more }, { errors });
    return { store, browser: new Browser(url) };
  }
  /** When the only session of a store ends. */
  const endOf = async (store) => Number((await store.all())[0].cookie.expires);

  describe('with rolling: false', () => {
    test('only a request that changes the session saves it and gets the cookie', async (t) => {
      const more = {
        '/cart': (request, reply) => {
          request.session.cart = { cookie: 'tea' };
          reply.send({});
        },
        '/nested': (request, reply) => {
          request.session.cart.cookie = 'milk';
          reply.send({});
        },
      };
      const { store, browser } = await open(t, { rolling: false, more });
      const calls = callsOf(store);
      for (const [path, expected] of [
        ['/', ['set']],
        ['/show', ['get']],
        ['/cart', ['get', 'set']],
        ['/show', ['get']],
        ['/nested', ['get', 'set']],
        ['/show', ['get']],
      ]) {
        calls.length = 0;
        const { status, setCookies } = await browser.get(path);
        assert.deepEqual([status, calls], [200, expected], path);
        assert.equal(setCookies.length, expected.includes('set') ? 1 : 0, path);
      }
      assert.deepEqual((await browser.json('/show')).cart, { cookie: 'milk' });
    });

    test('touch() moves the end of the session of the request, and save() the stored one', async (t) => {
      const touch = (request, reply) => {
        const { cookie } = request.session;
        cookie.expires = new Date(0);
        request.session.touch();
        reply.send({ expires: cookie.expires });
      };
      const touchAndSave = async (request, reply) => {
        request.session.touch();
        await request.session.save();
        reply.send({});
      };
      const { store, browser } = await open(t, {
        store: place.newStore({ touchAfter: 0 }),
        rolling: false,
        cookie: { maxAge: MINUTE },
        more: { '/touch': touch, '/touch-and-save': touchAndSave },
      });
      await browser.json('/');
      const before = await endOf(store);
      await waitUntil(() => Date.now() > before - MINUTE + 100, 'some time');
      const asked = Date.now();
      const { expires } = await browser.json('/touch');
      assert.ok(Date.parse(expires) >= asked + MINUTE);
      assert.equal(await endOf(store), before);
      const { setCookies } = await browser.get('/touch-and-save');
      assert.equal(setCookies.length, 1, 'what is saved is sent');
      assert.ok((await endOf(store)) >= asked + MINUTE - CLOCKS);
    });
  });

  describe('a session that does not change', () => {
    for (const [label, cookie] of Object.entries({
      'that ends with the browser': {},
      'with a maxAge': { maxAge: 60 * MINUTE },
      'with a fixed end': { expires: new Date(Date.now() + 60 * MINUTE) },
    })) {
      test(`costs no write per request, although each saves it: a cookie ${label}`, async (t) => {
        const { store, browser } = await open(t, { cookie });
        const calls = callsOf(store);
        await browser.json('/');
        const writes = writesOf(t, place.sessions);
        for (let n = 0; n < 4; n++) await browser.json('/show');
        assert.deepEqual(calls, ['set', ...Array(4).fill(['get', 'set']).flat()]);
        assert.deepEqual(writes, []);
        await browser.json('/');
        assert.deepEqual(writes, ['update']);
      });
    }
  });

  describe('idGenerator', () => {
    test('gives the ids, and gets the request', async (t) => {
      const idGenerator = (request) => `*:${request.url}:${request.query.name ?? 'ü'}`;
      const { store, browser } = await open(t, { idGenerator });
      for (const [path, id] of [
        ['/', '*:/:ü'],
        ['/?name=ada', '*:/?name=ada:ada'],
      ]) {
        browser.cookies.clear();
        assert.deepEqual(await browser.json(path), { id, visits: 1 });
        assert.deepEqual(await browser.json(path), { id, visits: 2 });
        assert.equal((await store.get(id)).visits, 2);
      }
    });
  });

  describe('decryptSession', () => {
    /** Opens a session by the signed id in the query, as a handler of web sockets does, and may save it. */
    const decrypt = async (request, reply) => {
      const { sid, maxAge, save } = request.query;
      const other = { session: undefined };
      const args = [sid, other, ...(maxAge ? [{ maxAge: Number(maxAge) }] : [])];
      await withCallback(request.server, 'decryptSession', ...args);
      const { session } = other;
      if (save) {
        session.seen = true;
        await session.save();
      }
      const { originalMaxAge } = session.cookie;
      reply.send({ id: session.sessionId, visits: session.visits ?? null, originalMaxAge });
    };
    const openWith = (t, options) =>
      open(t, { saveUninitialized: false, more: { '/decrypt': decrypt }, ...options });
    /** Asks for `/decrypt` without a cookie. */
    const ask = ({ url, cookies }, query = '') =>
      new Browser(url).get(`/decrypt?sid=${inQuery(cookies.get('sessionId'))}${query}`);
    /** A signature may have a `+`, which is a space in a query. @param {string} cookie */
    const inQuery = (cookie) => encodeURIComponent(decodeURIComponent(cookie));

    test('opens a session by its signed id, which can then be saved', async (t) => {
      const { store, browser } = await openWith(t);
      const { id } = await browser.json('/');
      const { text } = await ask(browser, '&save=1');
      assert.deepEqual(JSON.parse(text), { id, visits: 1, originalMaxAge: null });
      const { visits, seen } = await store.get(id);
      assert.deepEqual([visits, seen], [1, true]);
      assert.deepEqual(await browser.json('/'), { id, visits: 2 });
    });

    test('takes options of the cookie, which the session gets when it is saved', async (t) => {
      const { store, browser } = await openWith(t);
      const { id } = await browser.json('/');
      const asked = Date.now();
      const { text } = await ask(browser, `&maxAge=${MINUTE}&save=1`);
      assert.deepEqual(JSON.parse(text), { id, visits: 1, originalMaxAge: MINUTE });
      const { cookie } = await store.get(id);
      assert.equal(cookie.originalMaxAge, MINUTE);
      const late = cookie.expires - asked - MINUTE;
      assert.ok(late >= -CLOCKS && late <= Date.now() - asked + CLOCKS, `${late} ms`);
    });

    test('gives a new session for another signature, and an error if the store fails', async (t) => {
      const { store, browser } = await openWith(t);
      const { id } = await browser.json('/');
      const calls = callsOf(store);
      browser.cookies.set('sessionId', `${browser.cookies.get('sessionId')}x`);
      const { id: newId, visits } = JSON.parse((await ask(browser)).text);
      assert.ok(newId !== id && visits === null);
      assert.deepEqual(calls, []);
      browser.cookies.set('sessionId', browser.cookies.get('sessionId').slice(0, -1));
      store.get = (_sid, callback) => callback(boom);
      const { status, text } = await ask(browser);
      assert.deepEqual([status, JSON.parse(text).message], [500, 'boom']);
    });
  });

  describe('a session that has ended by the clock of this process', () => {
    /** A store that gives sessions as if the clock of its server were late. */
    function newStore() {
      const store = place.newStore();
      const { get } = store;
      store.get = (sid, callback) =>
        get.call(store, sid, (error, session) => {
          if (session) session.cookie.expires = new Date(Date.now() - 1);
          callback(error, session);
        });
      return store;
    }
    const cookie = { maxAge: MINUTE };

    test('is destroyed, and the request gets a new one', async (t) => {
      const { store, browser } = await open(t, { store: newStore(), cookie });
      store.on('gone', assert.fail);
      const { id } = await browser.json('/');
      const calls = callsOf(store);
      const { id: newId, visits } = await browser.json('/');
      assert.ok(newId !== id && visits === 1);
      assert.deepEqual(calls, ['get', 'destroy', 'set', 'set']);
      const [session, ...others] = await store.all();
      assert.deepEqual([session.visits, others], [1, []]);
    });

    test('is an error of the request if the destroy fails', async (t) => {
      const { store, browser } = await open(t, { store: newStore(), cookie });
      await browser.json('/');
      store.destroy = (_sid, callback) => callback(boom);
      assert.equal((await browser.get('/')).status, 500);
    });
  });

  describe('the methods with a callback', () => {
    test('regenerate gives a new id, and takes over only the keys that it names', async (t) => {
      const more = {
        '/regenerate': async (request, reply) => {
          const keys = request.query.keep?.split(',');
          await withCallback(request.session, 'regenerate', ...(keys ? [keys] : []));
          routes['/show'](request, reply);
        },
      };
      const { store, browser } = await open(t, { more });
      let { id } = await browser.json('/');
      for (const [path, expected] of [
        ['/regenerate?keep=visits', 1],
        ['/regenerate', undefined],
      ]) {
        const { id: newId, visits } = await browser.json(path);
        assert.ok(newId !== id && visits === expected);
        assert.deepEqual([await store.get(id), await store.length()], [undefined, 1]);
        assert.equal((await store.get(newId)).visits, expected);
        id = newId;
      }
      store.destroy = (_sid, callback) => callback(boom);
      assert.equal((await browser.get('/regenerate')).status, 500);
    });

    test('reload gives what is in the store, and what is changed after it is saved', async (t) => {
      const more = {
        '/reload': async (request, reply) => {
          const { session } = request;
          const stored = await store.get(session.sessionId);
          await store.set(session.sessionId, Object.assign(stored, { other: 'request' }));
          session.visits = 'forgotten';
          await withCallback(session, 'reload');
          request.session.mine = true;
          routes['/show'](request, reply);
        },
        '/reload-fails': async (request, reply) => {
          store.get = (_sid, callback) => callback(boom);
          await withCallback(request.session, 'reload').finally(() => delete store.get);
          reply.send({});
        },
      };
      const { store, browser } = await open(t, { more });
      const { id } = await browser.json('/');
      const { cookie: _cookie, ...reloaded } = await browser.json('/reload');
      assert.deepEqual(reloaded, { id, visits: 1, other: 'request', mine: true });
      const { cookie: _stored, ...stored } = await store.get(id);
      assert.deepEqual(stored, { visits: 1, other: 'request', mine: true });
      assert.equal((await browser.get('/reload-fails')).status, 500);
    });

    test('save and destroy tell when they have ended', async (t) => {
      const more = {
        '/save': async (request, reply) => {
          request.session.n = 1;
          await withCallback(request.session, 'save');
          reply.send({ stored: (await store.get(request.session.sessionId)).n });
        },
        '/destroy': async (request, reply) => {
          await withCallback(request.session, 'destroy');
          reply.send({ session: request.session, length: await store.length() });
        },
      };
      const { store, browser } = await open(t, { more });
      assert.deepEqual(await browser.json('/save'), { stored: 1 });
      assert.deepEqual(await browser.json('/destroy'), { session: null, length: 0 });
    });
  });

  describe('an outage', () => {
    test('rejects save and destroy, and the session is as it was', async (t) => {
      const outage = () => {
        throw new SpotsSessionsError('ERR_SESSIONS_CONNECTION', 'an outage');
      };
      const attempt = (method) => async (request, reply) => {
        const { session } = request;
        session.visits = 'not stored';
        const error = await session[method]().catch((error) => error);
        if (request.query.careless) throw error;
        const isThere = request.session !== null;
        request.session = null; // @fastify/session saves no more
        reply.send({ error: [error.code, error.status], isThere });
      };
      const more = { '/save': attempt('save'), '/destroy': attempt('destroy') };
      const { store, browser } = await open(t, { more });
      const { id } = await browser.json('/');
      const cookies = new Map(browser.cookies);
      const writes = writesOf(t, place.sessions, outage);
      for (const path of Object.keys(more)) {
        assert.deepEqual(await browser.json(path), {
          error: ['ERR_SESSIONS_CONNECTION', 503],
          isThere: path === '/save',
        });
        const { status, setCookies } = await browser.get(`${path}?careless=1`);
        assert.deepEqual([status, setCookies], [503, []]);
      }
      assert.deepEqual([...new Set(writes)], ['update', 'kill']);
      assert.deepEqual(browser.cookies, cookies);
      t.mock.restoreAll();
      assert.equal((await store.get(id)).visits, 1);
      assert.deepEqual(await browser.json('/'), { id, visits: 2 });
    });
  });

  describe('a session that was destroyed', () => {
    /** Keeps the session of a request, ends it, and saves it then. */
    const saveAfter = (end) => async (request, reply) => {
      const { session } = request;
      session.user = 'eve';
      await end(session);
      session.late = true;
      await session.save();
      reply.send({ id: session.sessionId });
    };
    const more = {
      '/destroy': saveAfter((session) => session.destroy()),
      '/regenerate': saveAfter((session) => session.regenerate()),
    };

    for (const path of Object.keys(more)) {
      test(`never writes if it was loaded, and \`gone\` reports it: ${path}`, async (t) => {
        const { store, browser } = await open(t, { more, saveUninitialized: false });
        const { id } = await browser.json('/');
        const [publicId] = await store.ids();
        const gone = [];
        store.on('gone', (id) => gone.push(id));
        assert.deepEqual(await browser.json(path), { id });
        await waitUntil(() => gone.length > 0, 'the event');
        assert.deepEqual(gone, [publicId]);
        assert.equal(await store.get(id), undefined);
      });
    }

    // docs/frameworks.md warns of it: the store is not told which session is destroyed, only its id.
    test('is stored if it was new, and the handler saves it after that', async (t) => {
      const { store, browser } = await open(t, { more });
      const { id } = await browser.json('/destroy');
      const { user, late } = await store.get(id);
      assert.deepEqual([user, late], ['eve', true]);
    });
  });

  describe('reload of a session that was ended meanwhile', () => {
    // docs/frameworks.md warns of it.
    test('gives an empty session with the same id, which is saved and is nobody’s', async (t) => {
      const app = freshName();
      const store = place.newStore({ app, ownerId: ({ user }) => user });
      const more = {
        '/login': (request, reply) => {
          request.session.user = 'ada';
          reply.send({});
        },
        '/reload': async (request, reply) => {
          await place.sessions.killAll({ app, ownerId: 'ada' });
          await request.session.reload();
          routes['/show'](request, reply);
        },
        '/reload-with-callback': async (request, reply) => {
          await place.sessions.killAll({ app, ownerId: 'ada' });
          await withCallback(request.session, 'reload');
          routes['/show'](request, reply);
        },
      };
      const { browser } = await open(t, { store, more });
      for (const path of ['/reload', '/reload-with-callback']) {
        await browser.json('/login');
        const { id } = await browser.json('/show');
        const { cookie: _cookie, ...session } = await browser.json(path);
        assert.deepEqual(session, { id });
        const { cookie: _stored, ...stored } = await store.get(id);
        assert.deepEqual(stored, {});
        assert.deepEqual(await place.sessions.list({ app, ownerId: 'ada' }), []);
      }
    });
  });
});
