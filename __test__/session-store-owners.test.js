'use strict';

// Whose sessions are: what `list`, `kill` and `killAll` of the instance do with the sessions of SessionStore.

const assert = require('node:assert/strict');
const { before, describe, test } = require('node:test');
const { setImmediate } = require('node:timers/promises');
const foreign = require('../lib/foreign.js');
const { SessionStore } = require('../lib/session-store.js');
const { tokenOf } = require('../lib/session-store/names.js');
const { forEachTarget, freshName } = require('./support/targets.js');
const { waitUntil } = require('./support/wait-until.js');
const { Browser, run, startFastify } = require('./support/web.js');
const { forEachExpress, inMemoryAndOnServer } = require('./support/web-suites.js');

const ownerId = (session) => session.userId;

forEachTarget((_target, open) => {
  let sessions;
  before(() => {
    ({ sessions } = open());
  });
  /** A store of an app of its own. */
  function newStore(more) {
    const app = freshName();
    return { app, store: new SessionStore({ sessions, app, ownerId, ...more }) };
  }
  const listOf = async (app, owner) =>
    (await sessions.list({ app, ownerId: owner })).map(({ data }) => data.name).sort();
  /** Loads a session, changes it and saves it. */
  async function change(store, sid, changes) {
    const session = await store.get(sid);
    await store.set(sid, Object.assign(session, changes));
    return session;
  }

  // After a save that has failed, express-session touches the session of the request, which has other data.
  test('a touch gives a session no owner that its stored data does not name', async () => {
    const { app, store } = newStore({ touchAfter: 0 });
    const cookie = () => ({ originalMaxAge: 60_000, expires: new Date(Date.now() + 60_000) });
    await store.set('of 42', { cookie: cookie(), userId: 42, name: 'of 42' });
    await store.set('visitor', { cookie: cookie(), name: 'visitor' });
    const loggedOut = await store.get('of 42');
    delete loggedOut.userId;
    const loggedIn = await store.get('visitor');
    loggedIn.userId = 42;
    for (const [sid, session] of [
      ['of 42', loggedOut],
      ['visitor', loggedIn],
    ]) {
      session.cookie = cookie();
      await store.touch(sid, session);
    }
    assert.deepEqual(await listOf(app, 42), ['of 42']);
    assert.equal(await sessions.killAll({ app, ownerId: '42' }), true);
    assert.equal(await store.get('of 42'), undefined);
    assert.equal((await store.get('visitor')).userId, undefined);
  });

  test('a session that was stored without its owner gets it at its next use, without a warning', async () => {
    const { app, store: old } = newStore({ ownerId: undefined });
    const store = new SessionStore({ sessions, app, ownerId });
    const warnings = [];
    store.on('warning', (warning) => warnings.push(warning));
    for (const name of ['touched', 'changed'])
      await old.set(name, { cookie: {}, userId: 42, name });
    await store.touch('touched', await store.get('touched'));
    await change(store, 'changed', { more: true });
    assert.deepEqual(await listOf(app, 42), ['changed', 'touched']);
    await setImmediate();
    assert.deepEqual(warnings, []);
  });

  describe('the sessions of an owner', () => {
    test('are listed with their public ids, ended by one, and all at once', async () => {
      const { app, store } = newStore();
      for (const name of ['phone', 'laptop', 'tablet']) {
        await store.set(name, { cookie: {}, userId: 42, name });
      }
      await store.set('other', { cookie: {}, userId: 43, name: 'other' });
      await store.set('nobody', { cookie: {}, name: 'nobody' });
      assert.deepEqual(await listOf(app, 42), ['laptop', 'phone', 'tablet']);

      const [{ id, data }] = await sessions.list({ app, ownerId: '42', limit: 1 });
      assert.ok((await store.ids()).includes(id));
      assert.equal(await sessions.kill({ app, ownerId: '43', id }), false, 'not by another owner');
      assert.equal(await sessions.kill({ app, ownerId: '42', id }), true);
      assert.equal(await store.get(data.name), undefined);

      assert.equal(await sessions.killAll({ app, ownerId: '42' }), true);
      assert.deepEqual(await listOf(app, 42), []);
      assert.equal((await store.get('other')).name, 'other');
      assert.equal((await store.get('nobody')).name, 'nobody');
      assert.equal(await store.length(), 2);
    });

    test('are nobody’s for undefined, null and an empty text, and those of numbers, bigints and texts', async () => {
      const { app, store } = newStore();
      for (const userId of [undefined, null, '']) {
        await store.set(freshName(), { cookie: {}, userId, name: 'nobody' });
      }
      for (const userId of [7, '7'])
        await store.set(freshName(), { cookie: {}, userId, name: 'a' });
      const big = newStore({ ownerId: () => 7n });
      await big.store.set('s', { cookie: {}, name: 'big' });
      assert.deepEqual(await listOf(app, '7'), ['a', 'a']);
      assert.deepEqual(await listOf(big.app, '7'), ['big']);
    });

    test('end with them: the limit of the instance holds for the store', async () => {
      const { sessions: limited } = open({ maxSessions: 2 });
      const app = freshName();
      const store = new SessionStore({ sessions: limited, app, ownerId });
      for (const sid of ['a', 'b', 'c']) await store.set(sid, { cookie: {}, userId: 1, name: sid });
      assert.equal((await limited.list({ app, ownerId: '1' })).length, 2);
      assert.equal((await store.get('c')).name, 'c');
    });

    test('are not counted by `create({ maxSessions })`, nor ended for it', async () => {
      const { app, store } = newStore();
      const sids = ['phone', 'laptop', 'tablet'];
      for (const name of sids) await store.set(name, { cookie: {}, userId: 42, name });
      const login = (name) =>
        sessions.create({ app, ownerId: '42', data: { name }, duration: 60, maxSessions: 1 });
      const first = await login('first');
      assert.deepEqual(await listOf(app, 42), ['first', 'laptop', 'phone', 'tablet']);
      await login('second');
      assert.deepEqual(await listOf(app, 42), ['laptop', 'phone', 'second', 'tablet']);
      assert.equal(await sessions.get({ app, token: first }), undefined);
      for (const sid of sids) assert.equal((await store.get(sid)).name, sid);
    });
  });

  describe('a session that gets another owner', () => {
    test('is found by the new one from then on, with what was changed', async () => {
      const { app, store } = newStore();
      await store.set('s', { cookie: {}, name: 'mine' });
      await change(store, 's', { userId: 1 });
      assert.deepEqual(await listOf(app, 1), ['mine']);
      await change(store, 's', { userId: 2, name: 'yours' });
      assert.deepEqual([await listOf(app, 1), await listOf(app, 2)], [[], ['yours']]);
      await sessions.killAll({ app, ownerId: '1' });
      assert.equal((await store.get('s')).name, 'yours');
      await sessions.killAll({ app, ownerId: '2' });
      assert.equal(await store.get('s'), undefined);
    });

    test('is nobody’s again if it loses its owner', async () => {
      const { app, store } = newStore();
      await store.set('s', { cookie: {}, userId: 1, name: 'mine' });
      await change(store, 's', { userId: undefined });
      assert.deepEqual(await listOf(app, 1), []);
      await sessions.killAll({ app, ownerId: '1' });
      assert.equal((await store.get('s')).name, 'mine');
    });

    test('keeps its creation and its end', async () => {
      const { app, store } = newStore();
      const expires = new Date(Date.now() + 100_000);
      await store.set('s', { cookie: { expires } });
      const { cookie } = await store.get('s');
      await change(store, 's', { userId: 1 });
      const [session] = await sessions.list({ app, ownerId: '1' });
      assert.deepEqual(session.expiresAt, cookie.expires);
    });

    test('is not taken away by a slow request that saw no owner yet', async () => {
      const { app, store } = newStore();
      await store.set('s', { cookie: {}, name: 'mine' });
      const slow = await store.get('s');
      await change(store, 's', { userId: 1 });
      await store.set('s', Object.assign(slow, { seen: true }));
      assert.deepEqual(await listOf(app, 1), ['mine']);
      const { userId, seen } = await store.get('s');
      assert.deepEqual([userId, seen], [1, true]);
    });

    test('belongs to the last of several claims at the same time, with its data', async () => {
      const { app, store } = newStore();
      await store.set('s', { cookie: {} });
      store.on('gone', assert.fail);
      const owners = [1, 2, 3, 4];
      const loaded = await Promise.all(owners.map(() => store.get('s')));
      const changes = owners.map((userId) => ({ userId, [`seen by ${userId}`]: true }));
      await Promise.all(loaded.map((each, n) => store.set('s', Object.assign(each, changes[n]))));
      const { cookie: _cookie, userId, ...seen } = await store.get('s');
      assert.equal(Object.keys(seen).length, owners.length, 'the other changes are all kept');
      const lists = await Promise.all(owners.map((owner) => listOf(app, owner)));
      assert.deepEqual(
        lists.map(({ length }) => length),
        owners.map((owner) => (owner === userId ? 1 : 0)),
      );
    });

    test('is claimed by a touch, too, for example once the option is set', async () => {
      const { app, store } = newStore({ ownerId: undefined });
      await store.set('s', { cookie: {}, userId: 1, name: 'mine' });
      assert.deepEqual(await listOf(app, 1), []);
      const later = new SessionStore({ sessions, app, ownerId });
      later.on('warning', assert.fail);
      await later.touch('s', await later.get('s'));
      assert.deepEqual(await listOf(app, 1), ['mine']);
    });

    test('is not claimed by a touch of a session that was not loaded', async () => {
      const { app, store } = newStore();
      await store.set('s', { cookie: {}, userId: 1, name: 'mine' });
      await store.touch('s', { cookie: {}, userId: 2 });
      assert.deepEqual([await listOf(app, 1), await listOf(app, 2)], [['mine'], []]);
    });

    test('stays gone if it was killed meanwhile', async () => {
      const { app, store } = newStore();
      await store.set('s', { cookie: {}, userId: 1 });
      const slow = await store.get('s');
      await sessions.killAll({ app, ownerId: '1' });
      const gone = [];
      store.on('gone', (id) => gone.push(id));
      await store.set('s', Object.assign(slow, { userId: 2 }));
      await waitUntil(() => gone.length > 0, 'the event');
      assert.match(gone[0], /^[\w-]{28}$/);
      assert.deepEqual([await store.get('s'), await listOf(app, 2)], [undefined, []]);
    });
  });

  for (const [write, changes] of Object.entries({ change: { n: 1 }, login: { userId: 2 } })) {
    test(`a session that expires while a request has it stays gone after a ${write}, and \`gone\` reports it`, async () => {
      const { app, store } = newStore();
      await store.set('s', { cookie: {} });
      const [id] = await store.ids();
      const slow = await store.get('s');
      await foreign.refresh(sessions, { app, token: tokenOf('s'), durationMs: 5 });
      await waitUntil(async () => (await store.get('s')) === undefined, 'its end');
      const gone = [];
      store.on('gone', (id) => gone.push(id));
      await store.set('s', Object.assign(slow, changes));
      await waitUntil(() => gone.length > 0, 'the event');
      assert.deepEqual(gone, [id]);
      assert.deepEqual([await store.get('s'), await listOf(app, 2)], [undefined, []]);
    });
  }

  describe('the options of the instance', () => {
    test('`lifetime` holds for visitors and owners: no use goes beyond it', async () => {
      const { sessions: limited } = open({ lifetime: 60 });
      const app = freshName();
      const store = new SessionStore({ sessions: limited, app, ownerId, duration: 3600 });
      for (const userId of [undefined, 1]) {
        await store.set('s', { cookie: {}, userId });
        await store.touch('s', await store.get('s'));
        await store.set('s', Object.assign(await store.get('s'), { n: 1 }));
        const found = await foreign.load(limited, { app, token: tokenOf('s') });
        const life = found.expiresAt.getTime() - found.createdAt.getTime();
        assert.ok(life > 50_000 && life <= 60_002, `${life} ms`);
      }
    });

    test('`sliding` does not hold: a session that is read all the time ends', async () => {
      const { sessions: sliding } = open({ sliding: true });
      const store = new SessionStore({ sessions: sliding, app: freshName(), duration: 0.3 });
      await store.set('s', { cookie: {} });
      await waitUntil(async () => (await store.get('s')) === undefined, 'the end');
    });
  });

  test('a result of `ownerId` that is no name, and what it throws, are errors of the request', async () => {
    const boom = new Error('boom');
    const results = [true, false, {}, [], Symbol('s'), () => 1, Number.NaN, Promise.resolve('1')];
    for (const result of results) {
      const { store } = newStore({ ownerId: () => result });
      const error = await store.set('s', { cookie: {} }).catch((error) => error);
      assert.match(error.message, /`ownerId`/);
      assert.equal(error.status, undefined);
      assert.equal(await store.get('s'), undefined);
    }
    const { store } = newStore({
      ownerId: () => {
        throw boom;
      },
    });
    await assert.rejects(store.set('s', { cookie: {} }), boom);
  });
});

forEachExpress((place, start) => {
  const routes = {
    '/guest': (request, response) => {
      request.session.cart = ['tea'];
      response.json({});
    },
    '/careless-login': (request, response) => {
      request.session.userId = '42';
      response.json({});
    },
    '/login': async (request, response) => {
      await run(request.session, 'regenerate');
      request.session.userId = '42';
      response.json({});
    },
    '/login-at-first-sight': async (request, response) => {
      request.session.cart = [];
      await run(request.session, 'save');
      request.session.userId = '42';
      response.json({});
    },
    '/': (request, response) => response.json(request.session.userId ?? null),
  };
  const open = async (t) => {
    const app = freshName();
    const store = place.newStore({ app, ownerId });
    const warnings = [];
    store.on('warning', (warning) => warnings.push(warning));
    return { app, store, warnings, url: await start(t, { store }, routes) };
  };

  test('a login without regenerate is claimed, and the store warns once', async (t) => {
    const { app, warnings, url } = await open(t);
    for (let n = 0; n < 3; n++) {
      const browser = new Browser(url);
      await browser.json('/guest');
      await browser.json('/careless-login');
    }
    assert.equal((await place.sessions.list({ app, ownerId: '42' })).length, 3);
    await waitUntil(() => warnings.length > 0, 'the warning');
    const [{ code, name, message }, ...more] = warnings;
    assert.deepEqual([code, name, more], ['SPOTS_SESSIONS_FIXATION', 'SpotsSessionsWarning', []]);
    assert.match(message, /regenerate/);
  });

  test('a login with regenerate, or in the first request, is no reason to warn', async (t) => {
    const { app, warnings, url } = await open(t);
    for (const path of ['/login', '/login-at-first-sight', '/careless-login']) {
      const browser = new Browser(url);
      if (path === '/login') await browser.json('/guest');
      await browser.json(path);
    }
    assert.equal((await place.sessions.list({ app, ownerId: '42' })).length, 3);
    assert.deepEqual(warnings, []);
  });

  test('killAll logs a user out everywhere', async (t) => {
    const { app, url } = await open(t);
    const browsers = [new Browser(url), new Browser(url)];
    for (const browser of browsers) await browser.json('/login');
    assert.deepEqual(await Promise.all(browsers.map((each) => each.json('/'))), ['42', '42']);
    await place.sessions.killAll({ app, ownerId: '42' });
    assert.deepEqual(await Promise.all(browsers.map((each) => each.json('/'))), [null, null]);
  });

  describe('an `ownerId` that throws', () => {
    const boom = new Error('boom');
    const open = async (t) => {
      const store = place.newStore({
        ownerId: ({ userId }) => {
          if (userId === 'eve') throw boom;
          return userId;
        },
      });
      const errors = [];
      const more = {
        '/user': (request, response) => {
          request.session.userId = request.query.name;
          response.json({});
        },
        '/save': async (request, response) => {
          request.session.userId = 'eve';
          await run(request.session, 'save');
          response.json({});
        },
      };
      // Express logs an error that comes after the answer, except in tests.
      const before = (web) => web.set('env', 'test');
      const url = await start(t, { store }, { ...routes, ...more }, { before, errors });
      return { browser: new Browser(url), store, errors };
    };

    test('is an error of the request, and nothing is stored', async (t) => {
      const { browser, store, errors } = await open(t);
      const { status, text } = await browser.get('/save');
      assert.deepEqual([status, text, await store.length()], [500, 'boom', 0]);
      await new Browser(browser.url).get('/user?name=eve');
      await waitUntil(() => errors.length === 2, 'the error at the end of a request');
      assert.deepEqual([errors, await store.length()], [[boom, boom], 0]);
    });

    test('leaves a session that is there as it was', async (t) => {
      const { browser, errors } = await open(t);
      await browser.get('/user?name=ada');
      for (const path of ['/save', '/user?name=eve']) await browser.get(path);
      await waitUntil(() => errors.length === 2, 'the error at the end of a request');
      assert.deepEqual(errors, [boom, boom]);
      assert.equal(await browser.json('/'), 'ada');
    });
  });
});

describe('@fastify/session', () => {
  inMemoryAndOnServer((place) => {
    test('an `ownerId` that throws is an error of the request, and nothing is stored', async (t) => {
      const boom = new Error('boom');
      const store = place.newStore({
        ownerId: () => {
          throw boom;
        },
      });
      const errors = [];
      const routes = { '/': (request, reply) => reply.send({ id: request.session.sessionId }) };
      const browser = new Browser(await startFastify(t, { store }, routes, { errors }));
      const { status, setCookies } = await browser.get('/');
      // Fastify saves the session of its answer to the error, too.
      assert.deepEqual([status, setCookies, errors], [500, [], [boom, boom]]);
      assert.equal(await store.length(), 0);
    });
  });
});
