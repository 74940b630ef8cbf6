'use strict';

// @fastify/session with SessionStore, over HTTP. The cases are those of its own suite in which the store takes part.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');
const { LETTERS } = require('../lib/letters.js');
const { partsOf } = require('../lib/operations.js');
const { freshName } = require('./support/targets.js');
const { waitUntil } = require('./support/wait-until.js');
const { Browser, startFastify } = require('./support/web.js');
const { inMemoryAndOnServer } = require('./support/web-suites.js');

const MINUTE = 60_000;

const routes = {
  '/': (request, reply) => {
    request.session.visits = (request.session.visits ?? 0) + 1;
    reply.send({ id: request.session.sessionId, visits: request.session.visits });
  },
  '/show': (request, reply) => {
    reply.send({ id: request.session.sessionId, ...JSON.parse(JSON.stringify(request.session)) });
  },
  '/change': (request, reply) => {
    const { session } = request;
    session.cart = { items: ['tea'] };
    session.set('n', null);
    session.at = new Date(0);
    delete session.visits;
    reply.send({});
  },
  '/in-place': (request, reply) => {
    request.session.cart.items.push('milk');
    reply.send({});
  },
  '/destroy': async (request, reply) => {
    await request.session.destroy();
    reply.send({ session: request.session });
  },
  '/regenerate': async (request, reply) => {
    const { sessionId } = request.session;
    await request.session.regenerate(request.query.keep?.split(','));
    reply.send({ oldId: sessionId, id: request.session.sessionId, ...request.session });
  },
  '/reload': async (request, reply) => {
    const { sessionStore, session } = request;
    const stored = await sessionStore.get(session.sessionId);
    await sessionStore.set(session.sessionId, Object.assign(stored, { other: 'request' }));
    session.visits = 'forgotten';
    await session.reload();
    request.session.mine = true;
    reply.send(request.session);
  },
  '/save-twice': async (request, reply) => {
    const { session } = request;
    session.n = 1;
    const saves = [session.save()];
    session.n = 2;
    saves.push(session.save());
    await Promise.all(saves);
    session.n = 3;
    reply.send({ isSaved: session.isSaved() });
  },
  '/careless-login': (request, reply) => {
    request.session.userId = '42';
    reply.send({});
  },
  '/login': async (request, reply) => {
    await request.session.regenerate();
    request.session.userId = '42';
    reply.send({});
  },
  '/modified': (request, reply) => {
    reply.send({ isModified: request.session.isModified() });
  },
  '/longer': (request, reply) => {
    request.session.options({ maxAge: 60 * MINUTE });
    reply.send({});
  },
};

inMemoryAndOnServer((place) => {
  /** Starts a server, and a browser on it. */
  async function open(t, { store = place.newStore(), more, ...options } = {}) {
    const url = await startFastify(t, { store, ...options }, { ...routes, ...more });
    return { store, browser: new Browser(url) };
  }

  describe('a session', () => {
    test('is the same with the cookie, and another one in another browser', async (t) => {
      const { store, browser } = await open(t);
      const { id } = await browser.json('/');
      assert.deepEqual(await browser.json('/'), { id, visits: 2 });
      const other = await new Browser(browser.url).json('/');
      assert.ok(other.id !== id && other.visits === 1);
      assert.equal(await store.length(), 2);
    });

    test('with the id of no session gets a new id', async (t) => {
      const { store, browser } = await open(t);
      const { id } = await browser.json('/');
      await store.clear();
      const { id: newId, visits } = await browser.json('/');
      assert.ok(newId !== id && visits === 1);
    });

    test('keeps nested objects, null and dates, and is not modified by being loaded', async (t) => {
      const { browser } = await open(t);
      await browser.json('/');
      await browser.json('/change');
      await browser.json('/in-place');
      const { id: _id, cookie: _cookie, ...data } = await browser.json('/show');
      const at = '1970-01-01T00:00:00.000Z';
      assert.deepEqual(data, { cart: { items: ['tea', 'milk'] }, n: null, at });
      assert.deepEqual(await browser.json('/modified'), { isModified: false });
    });

    test('has nothing of the store in its JSON', async (t) => {
      const { store, browser } = await open(t);
      const { id } = await browser.json('/');
      assert.deepEqual(Object.keys(await browser.json('/show')).sort(), ['cookie', 'id', 'visits']);
      assert.deepEqual(Object.keys(await store.get(id)).sort(), ['cookie', 'visits']);
    });
  });

  describe('the methods', () => {
    test('destroy ends the session', async (t) => {
      const { store, browser } = await open(t, { saveUninitialized: false });
      await browser.json('/');
      assert.deepEqual(await browser.json('/destroy'), { session: null });
      assert.equal(await store.length(), 0);
    });

    test('regenerate gives a new id and takes over only the keys that it names', async (t) => {
      const { store, browser } = await open(t);
      const { id } = await browser.json('/');
      const { oldId, id: newId, visits } = await browser.json('/regenerate?keep=visits');
      assert.ok(oldId === id && newId !== id && visits === 1);
      assert.equal(await store.get(id), undefined);
      assert.deepEqual(await browser.json('/'), { id: newId, visits: 2 });
      assert.equal((await browser.json('/regenerate')).visits, undefined);
      assert.equal(await store.length(), 1);
    });

    test('regenerate that takes over everything, the base too, makes a session of its own', async (t) => {
      const { store, browser } = await open(t);
      const { id } = await browser.json('/');
      const keep = 'visits,@spots-tech/sessions';
      const { id: newId } = await browser.json(`/regenerate?keep=${encodeURIComponent(keep)}`);
      assert.equal((await store.get(newId)).visits, 1);
      assert.equal(await store.get(id), undefined);
    });

    test('reload gives what is in the store, and what is changed after it is saved', async (t) => {
      const { store, browser } = await open(t);
      const { id } = await browser.json('/');
      const { visits, other } = await browser.json('/reload');
      assert.deepEqual([visits, other], [1, 'request']);
      const session = await store.get(id);
      assert.deepEqual([session.visits, session.other, session.mine], [1, 'request', true]);
    });

    test('save can be called twice', async (t) => {
      const { store, browser } = await open(t);
      assert.deepEqual(await browser.json('/save-twice'), { isSaved: true });
      assert.equal((await store.all())[0].n, 3);
      await browser.json('/save-twice');
      assert.equal((await store.all())[0].n, 3);
    });
  });

  describe('the options', () => {
    test('saveUninitialized: false keeps nothing until something is in it', async (t) => {
      const { store, browser } = await open(t, { saveUninitialized: false });
      assert.deepEqual((await browser.get('/show')).setCookies, []);
      assert.equal(await store.length(), 0);
      await browser.json('/');
      assert.equal(await store.length(), 1);
    });

    test('saveUninitialized: true keeps each session', async (t) => {
      const { store, browser } = await open(t);
      await browser.get('/show');
      assert.equal(await store.length(), 1);
    });

    for (const rolling of [true, false]) {
      test(`rolling: ${rolling} ${rolling ? 'lets an unchanged session live on' : 'leaves its end alone'}`, async (t) => {
        const store = place.newStore({ touchAfter: 0 });
        const { browser } = await open(t, { store, rolling, cookie: { maxAge: MINUTE } });
        await browser.json('/');
        const [{ cookie: before }] = await store.all();
        await waitUntil(() => Date.now() > Number(before.expires) - MINUTE + 20, 'some time');
        await browser.json('/show');
        const [{ cookie, visits }] = await store.all();
        const moved = cookie.expires - before.expires;
        assert.ok(rolling ? moved >= 10 : Math.abs(moved) < 10, `${moved} ms`);
        assert.equal(visits, 1);
      });
    }

    test('a cookie of express-session is understood with cookiePrefix', async (t) => {
      const { browser } = await open(t, { cookiePrefix: 's:', cookieName: 'connect.sid' });
      const { id } = await browser.json('/');
      assert.match(browser.cookies.get('connect.sid'), /^s(%3A|:)/);
      assert.deepEqual(await browser.json('/'), { id, visits: 2 });
    });
  });

  describe('the end', () => {
    test('after 5 ms there is a new session, and nothing is left of the old one', async (t) => {
      const { store, browser } = await open(t, { cookie: { maxAge: 5 }, saveUninitialized: false });
      const { id } = await browser.json('/');
      await waitUntil(async () => (await store.length()) === 0, 'the end of the session');
      const { id: newId, visits } = await browser.json('/');
      assert.ok(newId !== id && visits === 1);
    });

    test('is that of the cookie that a request gave it', async (t) => {
      const { store, browser } = await open(t, { cookie: { maxAge: MINUTE } });
      const { id } = await browser.json('/');
      await browser.json('/longer');
      assert.ok((await store.get(id)).cookie.expires - Date.now() > 59 * MINUTE);
      assert.deepEqual(await browser.json('/'), { id, visits: 2 });
      assert.ok((await store.get(id)).cookie.expires - Date.now() > 59 * MINUTE, 'it stays so');
    });

    test('is the same date for all requests with a fixed `expires`', async (t) => {
      const expires = new Date(Date.now() + 10 * MINUTE);
      const { store, browser } = await open(t, { cookie: { expires } });
      const { id } = await browser.json('/');
      const { cookie: first } = await store.get(id);
      for (let n = 2; n < 6; n++) assert.equal((await browser.json('/')).visits, n);
      assert.ok(Math.abs(first.expires - expires) < 1000);
      assert.deepEqual((await store.get(id)).cookie.expires, first.expires, 'it does not creep');
    });

    test('of a cookie that ends with the browser is not in the cookie', async (t) => {
      const { browser } = await open(t);
      await browser.json('/');
      const { setCookies } = await browser.get('/');
      assert.doesNotMatch(setCookies[0], /Expires|Max-Age/i);
    });
  });

  describe('an owner', () => {
    /** A store that knows owners, and the warnings that it emits. */
    function newStore() {
      const app = freshName();
      const store = place.newStore({ app, ownerId: (session) => session.userId });
      const warnings = [];
      store.on('warning', ({ code }) => warnings.push(code));
      const list = () => place.sessions.list({ app, ownerId: '42' });
      return { app, store, warnings, list };
    }

    test('has the sessions of a login: they are listed, and killAll logs out everywhere', async (t) => {
      const { app, store, warnings, list } = newStore();
      const { browser } = await open(t, { store });
      const browsers = [browser, new Browser(browser.url)];
      for (const each of browsers) {
        await each.json('/');
        await each.json('/login');
      }
      const [{ id }, ...others] = await list();
      assert.equal(others.length, 1);
      assert.ok((await store.ids()).includes(id));
      assert.equal(await place.sessions.killAll({ app, ownerId: '42' }), true);
      for (const each of browsers) assert.equal((await each.json('/show')).userId, undefined);
      assert.deepEqual(warnings, []);
    });

    test('gets a session at a login without regenerate, too, and the store warns once', async (t) => {
      const { store, warnings, list } = newStore();
      const { browser } = await open(t, { store });
      for (const each of [browser, new Browser(browser.url)]) {
        await each.json('/');
        await each.json('/careless-login');
        assert.equal((await each.json('/show')).userId, '42');
      }
      assert.equal((await list()).length, 2);
      await waitUntil(() => warnings.length > 0, 'the warning');
      assert.deepEqual(warnings, ['SPOTS_SESSIONS_FIXATION']);
    });

    test('ends a session that a request has loaded: it stays gone, and `gone` reports it', async (t) => {
      const { app, store, list } = newStore();
      /** Logs the user out while a request runs that changes the session. */
      const more = {
        '/slow': async (request, reply) => {
          await place.sessions.killAll({ app, ownerId: '42' });
          request.session.late = true;
          reply.send({});
        },
      };
      const { browser } = await open(t, { store, more });
      await browser.json('/login');
      const [{ id }] = await list();
      const gone = [];
      store.on('gone', (id) => gone.push(id));
      await browser.json('/slow');
      await waitUntil(() => gone.length > 0, 'the event');
      assert.deepEqual(gone, [id]);
      assert.deepEqual([await store.length(), await list()], [0, []]);
    });
  });

  describe('errors', () => {
    const boom = new Error('boom');

    test('an error of get or set is one of the request, and ENOENT means a new session', async (t) => {
      const { store, browser } = await open(t);
      await browser.json('/');
      store.set = (_sid, _session, callback) => callback(boom);
      assert.equal((await browser.get('/')).status, 500);
      delete store.set;
      store.get = (_sid, callback) => callback(boom);
      assert.equal((await browser.get('/')).status, 500);
      store.get = (_sid, callback) => callback(Object.assign(new Error(), { code: 'ENOENT' }));
      assert.equal((await browser.json('/')).visits, 1);
    });

    test('a reload that fails leaves the session as it was', async (t) => {
      const { browser } = await open(t);
      await browser.json('/');
      const { boundary } = partsOf(place.sessions);
      const { send } = boundary;
      let loads = 0;
      const failing = t.mock.method(boundary, 'send', function (letter, ...fields) {
        if (letter === LETTERS.load && ++loads === 3) return Promise.reject(boom);
        return send.call(this, letter, ...fields);
      });
      assert.equal((await browser.get('/reload')).status, 500);
      assert.equal(loads, 3, 'of the request, of the other request, and of the reload');
      failing.mock.restore();
      const { visits, other, mine } = await browser.json('/show');
      assert.deepEqual({ visits, other, mine }, { visits: 1, other: 'request', mine: undefined });
    });

    test('a regenerate whose destroy fails still makes the new session, and rejects', async (t) => {
      const { store, browser } = await open(t);
      await browser.json('/');
      store.destroy = (_sid, callback) => callback(boom);
      const { status } = await browser.get('/regenerate');
      assert.equal(status, 500);
      assert.equal(await store.length(), 2);
    });
  });
});
