'use strict';

// What `all`, `ids`, `length` and `clear` of SessionStore find among the keys of a server, and stores in several processes.

const assert = require('node:assert/strict');
const { before, describe, test } = require('node:test');
const { SessionStore } = require('../lib/session-store.js');
const { tokensOf } = require('../lib/session-store/memory-pages.js');
const { tokenOf } = require('../lib/session-store/names.js');
const { runScript } = require('./support/scripts.js');
const { forEachTarget, freshName, onRedis } = require('./support/targets.js');

const ownerId = (session) => session.userId;

/** Apps with characters that mean something in a pattern, and apps that such a pattern would find, too. */
const APPS = [
  ['shop*', 'shops'],
  ['sho?', 'shop'],
  ['[a-z]', 'b'],
  ['a\\*b', 'a*b'],
  ['a}b{c', 'a}b'],
  ['x:y}:s:z', 'x'],
  ['y', 'y}:s:z'],
  ['Zoë 🍵', 'Zoe'],
  ['line\nbreak', 'line'],
];

forEachTarget((target, open) => {
  let sessions, redis;
  before(() => {
    ({ sessions, redis } = open());
  });

  test('exactly the sessions of the app are found and cleared, whatever it is called', async () => {
    for (const apps of APPS) {
      const stores = apps.map((app) => new SessionStore({ sessions, app, ownerId }));
      for (const [n, store] of stores.entries()) {
        await store.set('anonymous', { cookie: {}, n });
        await store.set('owned', { cookie: {}, n, userId: 'ada' });
      }
      for (const [n, store] of stores.entries()) {
        assert.equal(await store.length(), 2, apps[n]);
        assert.deepEqual(
          (await store.all()).map((session) => session.n),
          [n, n],
        );
      }
      await stores[0].clear();
      assert.deepEqual(await Promise.all(stores.map((store) => store.length())), [0, 2]);
      assert.deepEqual(await sessions.list({ app: apps[0], ownerId: 'ada' }), []);
      assert.equal((await sessions.list({ app: apps[1], ownerId: 'ada' })).length, 1);
    }
  });

  test('sessions of `create` in the same app are no sessions of the store', async () => {
    const app = freshName();
    const store = new SessionStore({ sessions, app, ownerId });
    const token = await sessions.create({ app, ownerId: 'ada', data: { cookie: {} } });
    await store.set('s', { cookie: {}, userId: 'ada' });
    assert.equal(await store.length(), 1);
    await store.clear();
    assert.equal(await store.length(), 0);
    assert.equal((await sessions.get({ app, token })).ownerId, 'ada');
  });

  test('what was changed, deleted and set to null is listed so, and the ids are those of `list`', async () => {
    const app = freshName();
    const store = new SessionStore({ sessions, app, ownerId });
    await store.set('s', { cookie: { path: '/' }, a: 1, b: 1, c: 1, userId: 'ada' });
    for (const changes of [{ a: 2 }, { b: undefined, d: { e: null } }, { c: null }]) {
      const session = await store.get('s');
      await store.set('s', Object.assign(session, changes));
    }
    const [{ id, ...session }, ...more] = await store.all();
    const { cookie, userId, ...data } = session;
    assert.deepEqual([data, userId, more], [{ a: 2, c: null, d: { e: null } }, 'ada', []]);
    assert.deepEqual(cookie, { path: '/' });
    assert.equal((await sessions.list({ app, ownerId: 'ada' }))[0].id, id);
  });

  test('what `update` of the instance did to a session is listed so, too', async () => {
    const app = freshName();
    const store = new SessionStore({ sessions, app, ownerId });
    await store.set('s', { cookie: {}, a: 1, b: 1, userId: 'ada' });
    assert.equal(
      await sessions.update({ app, token: tokenOf('s'), data: { a: null, b: 2 } }),
      true,
    );
    const [{ id: _id, ...session }] = await store.all();
    assert.deepEqual(session, { cookie: {}, b: 2, userId: 'ada' });
  });

  if (target === 'memory') {
    test('tokens of sessions that have ended are forgotten', async () => {
      const app = freshName();
      const store = new SessionStore({ sessions, app });
      for (let n = 0; n < 1000; n++) await store.set(`s${n}`, { cookie: { maxAge: 1 } });
      assert.ok([...tokensOf({ sessions, app })].length < 500);
    });
  }

  if (target === 'redis') {
    test('keys of others in the place of sessions are passed over', async () => {
      const app = freshName();
      const store = new SessionStore({ sessions, app });
      await store.set('s', { cookie: {} });
      const [key] = await redis.keys(`*${app}}:s:*`);
      const name = key.slice(0, -22);
      await redis.hset(`${name}${'h'.repeat(22)}`, 'a', 1);
      await redis.set(`${name}short`, 'x');
      await redis.set(`${name}${'t'.repeat(22)}`, 'no record');
      await redis.set(`${name}${'b'.repeat(22)}`, '{"createdAt":1,"mark":"bbbbbb"}\n""\nbroken');
      assert.equal((await store.all()).length, 1);
      await redis.del(key);
      assert.deepEqual(await store.all(), []);
    });
  }
});

describe('stores with other keys', () => {
  onRedis((open) => {
    test('a store finds the sessions of its own prefix only', async () => {
      const app = freshName();
      const prefixes = ['team*:', 'teams:', ''];
      const stores = prefixes.map(
        (prefix) => new SessionStore({ sessions: open({ prefix }).sessions, app }),
      );
      for (const store of stores) await store.set('s', { cookie: {} });
      assert.deepEqual(await Promise.all(stores.map((store) => store.length())), [1, 1, 1]);
      await stores[0].clear();
      assert.deepEqual(await Promise.all(stores.map((store) => store.length())), [0, 1, 1]);
    });

    test('two processes change one session at the same time, and neither change is lost', async () => {
      const { sessions, connectionString } = open();
      const app = freshName();
      const store = new SessionStore({ sessions, app });
      await store.set('s', { cookie: {} });
      const code = `
        const { SessionStore } = require(root + '/lib/session-store.js');
        const { url, app, key } = given;
        const sessions = new SpotsSessions(url);
        const store = new SessionStore({ sessions, app });
        (async () => {
          for (let n = 0; n < 50; n++) {
            const session = await store.get('s');
            session[key] = (session[key] ?? 0) + 1;
            await store.set('s', session);
          }
          await sessions.close();
        })();`;
      const given = { url: connectionString, app };
      const keys = ['a', 'b', 'c'];
      const ends = await Promise.all(
        keys.map((key) => runScript(code, { given: { ...given, key } })),
      );
      for (const { code, stderr } of ends) assert.deepEqual([code, stderr], [0, '']);
      assert.deepEqual(await store.get('s'), { cookie: {}, a: 50, b: 50, c: 50 });
    });
  });
});
