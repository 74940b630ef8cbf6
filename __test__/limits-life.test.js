'use strict';

// How much list, maxSessions and kill by id of one owner may cost the others. Measured in commands and bytes.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');
const { idOf, indexKey, sessionKey } = require('./support/keys.js');
const { freshName, onRedis } = require('./support/targets.js');

const times = (count, make) => Array.from({ length: count }, (_, n) => make(n));
const OWNER = 'alice';
const idOfNth = (n) => String(n).padStart(22, '0');

onRedis((open, server) => {
  function fresh(options) {
    const { sessions, redis } = open(options);
    const app = freshName();
    const owner = { app, ownerId: OWNER };
    return { sessions, redis, app, owner, index: indexKey(app, OWNER) };
  }

  /**
   * Writes sessions of the owner without calls, numbered from 1. They were created one ms after the other. Each expires
   * a second after the one before it, or never.
   */
  async function plant({ redis, app, index }, count, { size = 0, endless = false } = {}) {
    const prefix = sessionKey(app, OWNER, '').slice(0, -22);
    const STEP = 10_000; // One script for all would take too long on a busy machine.
    for (let first = 1; first <= count; first += STEP) {
      await redis.eval(
        `local x, now = string.rep('x', ARGV[4]), redis.call('TIME')[1] * 1000
         for n = tonumber(ARGV[2]), tonumber(ARGV[3]) do
           local id = string.format('%022d', n)
           local record = '{"createdAt":' .. 1600000000000 + n .. '}\\n"${OWNER}"\\n{"x":"' .. x .. '"}'
           if ARGV[5] == 'endless' then
             redis.call('SET', ARGV[1] .. id, record)
             redis.call('ZADD', KEYS[1], '+inf', id)
           else
             redis.call('SET', ARGV[1] .. id, record, 'PXAT', now + 3600000 + n * 1000)
             redis.call('ZADD', KEYS[1], now + 3600000 + n * 1000, id)
           end
         end`,
        ...[1, index, prefix, first, Math.min(first + STEP - 1, count), size],
        endless ? 'endless' : '',
      );
    }
  }

  /** The commands that the server carries out during a call. */
  async function costOf({ redis }, call) {
    await redis.config('RESETSTAT');
    const value = await call();
    return { value, ...(await server().commandStats()) };
  }

  describe('list', () => {
    test('of an owner with 100,000 sessions reads no more than the limit, in steps of 250', async () => {
      const given = fresh({ commandTimeout: 60_000 });
      await plant(given, 100_000);
      for (const limit of [1, 100, 1000]) {
        const cost = await costOf(given, () => given.sessions.list({ ...given.owner, limit }));
        const steps = Math.ceil(limit / 250);
        // One zrange reads the index, the other one the pointers to sessions elsewhere.
        assert.deepEqual([cost.evalsha, cost.zrange, cost.getrange], [steps, 2, limit]);
        assert.deepEqual(
          cost.value.map(({ id }) => id),
          times(limit, (n) => idOfNth(100_000 - n)),
          'those that end last, the newest first',
        );
      }
    });

    test('takes steps of 1 MiB, and reads each record once', async () => {
      const given = fresh({ commandTimeout: 60_000 });
      await plant(given, 60, { size: 256 * 1024 });
      const cost = await costOf(given, () => given.sessions.list(given.owner));
      assert.equal(cost.value.length, 60);
      assert.equal(cost.evalsha, 15, '4 records of 256 KiB reach 1 MiB');
      assert.deepEqual([cost.zrange, cost.getrange], [2, 60]);
    });

    test('of more than 16 MiB rejects after as many bytes, and a lower limit succeeds', async () => {
      const given = fresh({ commandTimeout: 60_000 });
      await plant(given, 100, { size: 512 * 1024 });
      const list = (limit) => given.sessions.list({ ...given.owner, limit });
      const cost = await costOf(given, () => list(100).catch((error) => error));
      assert.equal(cost.value.code, 'ERR_SESSIONS_TOO_LARGE');
      assert.match(cost.value.message, /limit/);
      assert.ok(cost.getrange <= 34, `${cost.getrange} records were read`);
      assert.equal((await list(31)).length, 31);
    });
  });

  describe('create with maxSessions', () => {
    const create = ({ sessions, owner }, maxSessions, more) =>
      sessions.create({ ...owner, duration: 86_400, maxSessions, ...more });
    const left = ({ redis, index }) => redis.zcard(index);

    test('ends at most 100 sessions, so lowering the limit from 1,000 to 1 takes ten creates', async () => {
      const given = fresh();
      await plant(given, 1000);
      for (let n = 1; n <= 10; n++) {
        const cost = await costOf(given, () => create(given, 1));
        // Each create adds one, and a create makes room for itself.
        assert.equal(await left(given), Math.max(1, 1000 + n - 100 * n));
        assert.ok(cost.strlen <= 100 && cost.del === 1 && cost.evalsha === 1);
        assert.equal(cost.getrange, undefined, 'no two end together, so no record is read');
        if (n < 10) assert.equal(await given.redis.zrank(given.index, idOfNth(100 * n)), null);
      }
      // Ten creates came on top of the thousand.
      await create(given, 1);
      const token = await create(given, 1);
      assert.deepEqual(await given.redis.zrange(given.index, 0, -1), [idOf(token)]);
    });

    test('ends no more than 8 MiB, and the next creates end the rest', async () => {
      const given = fresh();
      await plant(given, 20, { size: 1024 * 1024 });
      await create(given, 1);
      assert.equal(await left(given), 20 + 1 - 8);
      await create(given, 1);
      assert.equal(await left(given), 20 + 2 - 16);
      const token = await create(given, 1);
      assert.deepEqual(await given.redis.zrange(given.index, 0, -1), [idOf(token)]);
    });

    test('ends the older first if sessions end together, also if they never end', async () => {
      const given = fresh();
      await plant(given, 50, { endless: true });
      // Ids in the reverse order of creation, because the index sorts ties by id.
      const prefix = sessionKey(given.app, OWNER, '').slice(0, -22);
      for (let n = 1; n <= 50; n++) {
        const record = `{"createdAt":${1_600_000_000_100 - n}}\n"${OWNER}"\n{}`;
        await given.redis.set(prefix + idOfNth(n), record);
      }
      await create(given, 21, { duration: Infinity });
      const ids = await given.redis.zrange(given.index, 0, -1);
      assert.equal(ids.length, 21);
      assert.deepEqual(
        ids.filter((id) => id.startsWith('000')).sort(),
        times(20, (n) => idOfNth(n + 1)),
      );
    });

    test('of 10,000 on 10,000 sessions that never end compares 500 of them, in one step', async () => {
      const given = fresh({ commandTimeout: 60_000 });
      await plant(given, 10_000, { endless: true });
      const before = await costOf(given, () => create(given, 10_000, { duration: Infinity }));
      assert.equal(await left(given), 10_000);
      assert.ok(before.getrange <= 500, `${before.getrange} lines were read`);
      assert.deepEqual([before.evalsha, before.strlen, before.del], [1, 1, 1]);
      assert.ok(before.zrange <= 6, `${before.zrange} ranges`);
      assert.equal(await given.redis.exists(sessionKey(given.app, OWNER, before.value)), 1);
      // Lowering it on tied sessions stays as bounded.
      const lower = await costOf(given, () => create(given, 1, { duration: Infinity }));
      assert.equal(await left(given), 10_001 - 100);
      assert.ok(lower.getrange <= 500 && lower.strlen === 100);
    });

    test('shares no script, and creates without it still do', async () => {
      const given = fresh();
      await create(given, 5);
      const limited = await costOf(given, () => Promise.all(times(20, () => create(given, 5))));
      assert.equal(limited.evalsha, 20);
      assert.equal(await left(given), 5);
      const free = await costOf(given, () => Promise.all(times(20, () => create(given))));
      assert.ok(free.evalsha < 20, `${free.evalsha} scripts`);
    });
  });

  test('killAll except a token that is none of the owner ends all of the 101 sessions', async () => {
    const given = fresh();
    const { sessions, app, owner } = given;
    const colleague = await sessions.create({ app, ownerId: 'colleague' });
    for (const except of [colleague, 'no token']) {
      await plant(given, 101);
      assert.equal(await sessions.killAll({ ...owner, except }), true);
      assert.deepEqual(await given.redis.keys(`*:${app}}:s:*`), [
        sessionKey(app, 'colleague', colleague),
      ]);
    }
  });

  test('kill by id and rotate of an owner with 100,000 sessions touch one session', async () => {
    const given = fresh({ commandTimeout: 60_000 });
    const { sessions, app, owner } = given;
    await plant(given, 100_000);
    const token = await sessions.create(owner);
    const rotate = await costOf(given, () => sessions.rotate({ app, token }));
    assert.deepEqual([rotate.evalsha, rotate.rename, rotate.del], [1, 1, undefined]);
    const id = idOf(rotate.value);
    const kill = await costOf(given, () => sessions.kill({ ...owner, id }));
    assert.deepEqual([kill.value, kill.evalsha, kill.del], [true, 1, 1]);
    for (const { zrange = 0, getrange = 0 } of [rotate, kill]) assert.ok(zrange + getrange <= 1);
  });
});
