'use strict';

// `info` and `list` on a server: their commands, the exact limit of a list, and keys that something else has changed.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');
const { idOf, indexKey, sessionKey } = require('./support/keys.js');
const { commandsIn } = require('./support/monitor.js');
const { rejection } = require('./support/rejection.js');
const { freshName, onRedis } = require('./support/targets.js');

const MIB = 2 ** 20;
const ownerId = 'alice';
const idsOf = (listed) => new Set(listed.map(({ id }) => id));

onRedis((open, server) => {
  /** Sessions of one owner on a fresh instance. */
  async function stored(count, options) {
    const { sessions, redis } = open(options);
    const app = freshName();
    const create = (data = {}) => sessions.create({ app, ownerId, data, duration: 600 });
    const tokens = [];
    for (let n = 0; n < count; n++) tokens.push(await create({ n }));
    const keyOf = (token) => sessionKey(app, ownerId, token);
    return { sessions, redis, app, create, tokens, keyOf, index: indexKey(app, ownerId) };
  }

  test('info, rotate, kill by id and a small list are one command each, which scans nothing', async () => {
    const { sessions, redis, app, tokens } = await stored(5);
    const [a, b] = tokens;
    const calls = [
      () => sessions.info({ app, token: a }),
      () => sessions.list({ app, ownerId }),
      () => sessions.rotate({ app, token: a }),
      () => sessions.kill({ app, ownerId, id: idOf(b) }),
      () => sessions.killAll({ app, ownerId, except: tokens[2] }),
    ];
    // Once before, so that the server knows the scripts.
    const other = freshName();
    const token = await sessions.create({ app: other, ownerId });
    await sessions.info({ app: other, token });
    await sessions.list({ app: other, ownerId });
    await sessions.rotate({ app: other, token });
    await sessions.kill({ app: other, ownerId, id: idOf(token) });
    await sessions.killAll({ app: other, ownerId, except: token });
    for (const call of calls) {
      await redis.config('RESETSTAT');
      const watching = await server().monitor();
      await call();
      assert.deepEqual(commandsIn(await watching.stop()), ['evalsha'], String(call));
      const stats = await server().commandStats();
      for (const name of ['keys', 'scan', 'zscan', 'eval']) assert.equal(stats[name], undefined);
    }
  });

  test('a list reads records of 5 MiB in steps of about 1 MiB, and ids alone once', async () => {
    const { sessions, redis, app, create } = await stored(0, { commandTimeout: 60_000 });
    for (let n = 0; n < 20; n++) await create({ n, text: 'x'.repeat(MIB / 4) });
    await redis.config('RESETSTAT');
    const listed = await sessions.list({ app, ownerId });
    assert.equal(idsOf(listed).size, 20);
    const { evalsha, eval: evaluated = 0, getrange, zrange } = await server().commandStats();
    assert.ok(evalsha + evaluated >= 5, `${evalsha} steps`);
    // One zrange reads the index, the other one the pointers to sessions elsewhere.
    assert.deepEqual([getrange, zrange], [20, 2]);
  });

  test('a list of exactly 16 MiB works, and one byte more rejects', async () => {
    const { sessions, redis, app, create, keyOf } = await stored(0, {
      commandTimeout: 60_000,
      maxDataSize: 8 * MIB,
    });
    const text = (bytes) => ({ text: 'x'.repeat(bytes - '{"text":""}'.length) });
    const first = await create(text(4 * MIB));
    const head = (await redis.strlen(keyOf(first))) - 4 * MIB;
    for (let n = 0; n < 2; n++) await create(text(4 * MIB));
    const last = await create(text(4 * MIB - 4 * head));
    assert.equal(await redis.strlen(keyOf(last)), 4 * MIB - 3 * head);
    assert.equal((await sessions.list({ app, ownerId })).length, 4);
    await sessions.kill({ app, token: last });
    await create(text(4 * MIB - 4 * head + 1));
    const error = await rejection(() => sessions.list({ app, ownerId }));
    assert.equal(error.code, 'ERR_SESSIONS_TOO_LARGE');
    assert.equal((await sessions.list({ app, ownerId, limit: 3 })).length, 3);
    await sessions.killAll({ app, ownerId });
  });

  test('a list leaves out a session that is in the index alone', async () => {
    const { sessions, redis, app, tokens, keyOf } = await stored(3);
    await redis.del(keyOf(tokens[1]));
    const expected = new Set([tokens[0], tokens[2]].map(idOf));
    assert.deepEqual(idsOf(await sessions.list({ app, ownerId })), expected);
    assert.equal(await sessions.kill({ app, ownerId, id: idOf(tokens[1]) }), false);
  });

  const CORRUPT = [
    ['garbage', (redis, key) => redis.set(key, 'garbage')],
    ['a list of Redis', (redis, key) => redis.del(key).then(() => redis.rpush(key, 'x'))],
    ['the record of another owner', (redis, key) => redis.set(key, '{"createdAt":1}\n"bob"\n{}')],
    ['no createdAt', (redis, key) => redis.set(key, '{}\n"alice"\n{}')],
    [
      'a createdAt that is a text',
      (redis, key) => redis.set(key, '{"createdAt":"x"}\n"alice"\n{}'),
    ],
    ['data cut off', (redis, key) => redis.set(key, '{"createdAt":1}\n"alice"\n{"a":[1')],
  ];
  for (const [label, plant] of CORRUPT) {
    test(`info and list reject with ERR_SESSIONS_CORRUPT, other calls are answered, and kill by id removes it: ${label}`, async () => {
      const { sessions, redis, app, tokens, keyOf } = await stored(3);
      await plant(redis, keyOf(tokens[1]));
      const bobs = await sessions.create({ app, ownerId: 'bob', data: { b: 1 } });
      const [info, list, good, other] = await Promise.allSettled([
        sessions.info({ app, token: tokens[1] }),
        sessions.list({ app, ownerId }),
        sessions.info({ app, token: tokens[0] }),
        sessions.list({ app, ownerId: 'bob' }),
      ]);
      assert.equal(info.reason?.code, 'ERR_SESSIONS_CORRUPT');
      assert.equal(list.reason?.code, 'ERR_SESSIONS_CORRUPT');
      assert.deepEqual(good.value.data, { n: 0 });
      assert.deepEqual(idsOf(other.value), new Set([idOf(bobs)]));
      assert.equal(await sessions.kill({ app, ownerId, id: idOf(tokens[1]) }), true);
      assert.equal((await sessions.list({ app, ownerId })).length, 2);
    });
  }

  test('killAll with except ends a session whose key holds something else', async () => {
    const { sessions, redis, app, tokens, keyOf } = await stored(3);
    await redis.set(keyOf(tokens[0]), 'garbage');
    assert.equal(await sessions.killAll({ app, ownerId, except: tokens[2] }), true);
    assert.deepEqual(await redis.keys(`*${app}*:s:*`), [keyOf(tokens[2])]);
  });

  describe('an index that is no sorted set', () => {
    test('rejects list and kill by id, ends nothing, and info still works', async () => {
      const { sessions, redis, app, tokens, index } = await stored(1);
      await redis.set(index, 'no index');
      const calls = [
        () => sessions.list({ app, ownerId }),
        () => sessions.kill({ app, ownerId, id: idOf(tokens[0]) }),
      ];
      for (const call of calls) assert.equal((await rejection(call)).code, 'ERR_SESSIONS_CORRUPT');
      assert.deepEqual((await sessions.info({ app, token: tokens[0] })).data, { n: 0 });
    });
  });
});
