'use strict';

// The option `prefix`: what all keys begin with. It separates instances, and access rights can name it.

const assert = require('node:assert/strict');
const { before, describe, test } = require('node:test');
const { idOf, ownersOnOneRoute, sessionKey } = require('./support/keys.js');
const { forEachTarget, freshName, onRedis } = require('./support/targets.js');
const { waitUntil } = require('./support/wait-until.js');

const ownerId = 'alice';

const PREFIXES = [
  ['a word', 'team:'],
  ['the empty prefix', ''],
  ['a pattern', '*'],
  ['question marks and classes', '?[a-z]\\'],
  ['other scripts and a space', 'é 🙂:'],
  ['a line break, NUL and quotes', '\r\n\0"\'%'],
  ['256 bytes', `${'x'.repeat(255)}:`],
];

/** Everything that an instance can do, with sessions of one owner. Nothing is left. */
async function useAll(sessions, app) {
  const create = (more) =>
    sessions.create({ app, ownerId, data: { a: 1 }, duration: 600, ...more });
  const token = await create({ sliding: true, lifetime: 6000, maxSessions: 5 });
  const call = { app, token };
  assert.deepEqual(await sessions.get(call), { ownerId, data: { a: 1 } });
  assert.equal(await sessions.refresh({ ...call, duration: 60 }), true);
  await sessions.get(call);
  await waitUntil(async () => {
    const { createdAt, expiresAt } = await sessions.info(call);
    return expiresAt - createdAt >= 600_000;
  }, 'the extension');
  const x = 'x'.repeat(5000);
  assert.equal(await sessions.update({ ...call, data: { x } }), true);
  assert.equal((await sessions.info(call)).id, idOf(token));
  const fresh = await sessions.rotate(call);
  const [listed] = await sessions.list({ app, ownerId, token: fresh });
  assert.deepEqual([listed.current, listed.data], [true, { a: 1, x }]);
  const other = await create({ maxSessions: 1 });
  assert.equal(await sessions.get({ app, token: fresh }), undefined);
  assert.equal(await sessions.kill({ app, ownerId, id: idOf(other) }), true);
  const [kept] = await Promise.all([create(), create(), create()]);
  assert.equal(await sessions.killAll({ app, ownerId, except: kept }), true);
  assert.equal(await sessions.kill({ app, token: kept }), true);
  await create({ duration: Infinity });
  assert.equal(await sessions.killAll({ app, ownerId }), true);
  await sessions.ping();
}

forEachTarget((target, open) => {
  describe('an instance with a prefix', () => {
    for (const [label, prefix] of PREFIXES) {
      test(`can do everything, and all its keys begin with it: ${label}`, async () => {
        const { sessions, redis } = open({ prefix });
        const app = freshName();
        if (redis) {
          const token = await sessions.create({ app, ownerId, duration: 600 });
          const key = sessionKey(app, ownerId, token).replace(/^spots:/, () => prefix);
          assert.equal(await redis.exists(key), 1);
          const keys = await redis.keys(`*${app}*`);
          assert.equal(keys.length, 2);
          assert.ok(keys.every((each) => each.startsWith(`${prefix}{`)));
          assert.equal(await sessions.killAll({ app, ownerId }), true);
        }
        await useAll(sessions, app);
        if (redis) assert.deepEqual(await redis.keys(`*${app}*`), []);
      });
    }
  });

  if (target === 'memory') return;

  describe('instances with different prefixes', () => {
    const all = [];
    before(() => {
      for (const prefix of [
        undefined,
        ...PREFIXES.map(([, each]) => each),
        'tea',
        'team',
        'team:x',
      ])
        all.push(open({ prefix }).sessions);
    });

    test('do not see each other, although app, owner and token are the same', async () => {
      const app = freshName();
      const tokens = await Promise.all(
        all.map((sessions, n) => sessions.create({ app, ownerId, data: { n }, duration: 600 })),
      );
      for (const [n, sessions] of all.entries()) {
        const token = tokens[n];
        assert.deepEqual((await sessions.get({ app, token })).data, { n });
        const listed = await sessions.list({ app, ownerId });
        assert.deepEqual(
          listed.map(({ id }) => id),
          [idOf(token)],
        );
        for (const other of all) {
          if (other === sessions) continue;
          assert.equal(await other.get({ app, token }), undefined);
          assert.equal(await other.info({ app, token }), undefined);
          assert.equal(await other.rotate({ app, token }), undefined);
          assert.equal(await other.refresh({ app, token, duration: 60 }), false);
          assert.equal(await other.update({ app, token, data: { n: 'other' } }), false);
          assert.equal(await other.kill({ app, token }), false);
          assert.equal(await other.kill({ app, ownerId, id: idOf(token) }), false);
        }
      }
      for (const [n, sessions] of all.entries()) {
        await sessions.create({ app, ownerId, duration: 600, maxSessions: 1 });
        assert.equal(await sessions.killAll({ app, ownerId }), true);
        assert.equal(await sessions.get({ app, token: tokens[n] }), undefined);
        const left = await Promise.all(all.map((each) => each.list({ app, ownerId })));
        assert.equal(left.flat().length, all.length - n - 1);
      }
    });
  });

  test('owners on one route keep apart with a prefix, too', async () => {
    const { sessions } = open({ prefix: '*' });
    const app = freshName();
    const [one, near] = ownersOnOneRoute(app);
    const mine = await sessions.create({ app, ownerId: one, duration: 600 });
    const theirs = await sessions.create({ app, ownerId: near, duration: 600 });
    assert.equal(await sessions.kill({ app, ownerId: one, id: idOf(theirs) }), false);
    assert.equal(await sessions.killAll({ app, ownerId: one }), true);
    assert.equal(await sessions.get({ app, token: mine }), undefined);
    assert.notEqual(await sessions.get({ app, token: theirs }), undefined);
  });
});

onRedis((open, server) => {
  test('a user who may use ~team:* alone can do everything with this prefix, and nothing with another', async () => {
    const { redis } = open();
    await redis.call('ACL', 'SETUSER', 'team', 'on', '>password', '+@all', '~team:*');
    await redis.call('ACL', 'LOG', 'RESET');
    const login = { username: 'team', password: 'password' };
    const { host, port } = server();
    const at = (prefix) => open({ connectionString: { host, port, ...login }, prefix }).sessions;
    await useAll(at('team:'), freshName());
    assert.deepEqual(await redis.call('ACL', 'LOG'), []);
    const app = freshName();
    for (const prefix of [undefined, '', 'team', 'x', 'Team:']) {
      const call = at(prefix).create({ app, ownerId, duration: 600 });
      await assert.rejects(call, { code: 'ERR_SESSIONS_REDIS', redisCode: 'NOPERM' });
    }
    assert.deepEqual(await redis.keys(`*${app}*`), []);
  });
});
