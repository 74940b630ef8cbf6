'use strict';

// How much one user or one session may cost the others: the size of data, the length of a record, the
// work of one step. Measured in commands and bytes, not in time.

const assert = require('node:assert/strict');
const { beforeEach, describe, test } = require('node:test');
const { indexKey, sessionKey } = require('./support/keys.js');
const { forEachTarget, freshName, onRedis } = require('./support/targets.js');
const { waitUntil } = require('./support/wait-until.js');

const times = (count, make) => Array.from({ length: count }, (_, n) => make(n));
const sizeOf = (data) => Buffer.byteLength(JSON.stringify(data));
const OWNER = 'alice';

forEachTarget((_target, open) => {
  describe('data that updates make larger', () => {
    const maxDataSize = 4096;
    const begin = async (data = {}) => {
      const { sessions } = open({ maxDataSize });
      const app = freshName();
      const token = await sessions.create({ app, ownerId: OWNER, data, duration: 600 });
      return {
        update: (patch) => sessions.update({ app, token, data: patch }),
        read: async () => (await sessions.get({ app, token }))?.data,
      };
    };
    const assertTooLarge = (error) => {
      assert.equal(error.name, 'SpotsSessionsError');
      assert.equal(error.code, 'ERR_SESSIONS_TOO_LARGE');
      assert.match(error.message, /8192 bytes of JSON, twice maxDataSize: nothing was done/);
      return true;
    };

    test('is accepted up to twice maxDataSize, and refused beyond it', async () => {
      for (const length of [10, 100, 1000, 4000]) {
        const { update, read } = await begin();
        const expected = {};
        for (let n = 0; ; n++) {
          const patch = { [`key ${n}`]: 'x'.repeat(length) };
          const larger = { ...expected, ...patch };
          try {
            assert.equal(await update(patch), true);
          } catch (error) {
            assertTooLarge(error);
            assert.ok(sizeOf(larger) > 2 * maxDataSize, `${sizeOf(larger)} bytes are refused`);
            break;
          }
          Object.assign(expected, patch);
          assert.ok(sizeOf(expected) <= 2 * maxDataSize, `${sizeOf(expected)} bytes are taken`);
        }
        assert.deepEqual(await read(), expected, 'nothing was done');
      }
    });

    test('can still be replaced or deleted when it is full', async () => {
      const { update, read } = await begin();
      const expected = {};
      for (let n = 0; n < 8; n++) expected[`key ${n}`] = 'x'.repeat(1000);
      for (const [key, value] of Object.entries(expected)) await update({ [key]: value });
      await assert.rejects(update({ more: 'x'.repeat(1000) }), assertTooLarge);
      const change = async (patch) => {
        assert.equal(await update(patch), true);
        for (const [key, value] of Object.entries(patch)) {
          if (value === null) delete expected[key];
          else expected[key] = value;
        }
        assert.deepEqual(await read(), expected);
      };
      // Replacements of the same size, then smaller ones, then deletions, also of absent keys.
      for (let n = 0; n < 20; n++) await change({ [`key ${n % 8}`]: `${n}`.padEnd(1000, 'y') });
      await change({ 'key 0': 'y'.repeat(900) });
      await change(Object.fromEntries(times(100, (n) => [`nothing ${n}`, null])));
      for (let n = 0; n < 8; n++) await change({ [`key ${n}`]: null });
      await change({ again: 'x'.repeat(4000) });
    });

    test('stays bounded when 50 updates race, and each acts or is refused as a whole', async () => {
      for (const length of [100, 300, 3900]) {
        const { update, read } = await begin({ first: true });
        const patches = times(50, (n) => ({ [`key ${n}`]: 'x'.repeat(length) }));
        const ends = await Promise.allSettled(patches.map(update));
        const expected = { first: true };
        for (const [n, { status, value, reason }] of ends.entries()) {
          if (status === 'fulfilled') {
            assert.equal(value, true);
            Object.assign(expected, patches[n]);
          } else assertTooLarge(reason);
        }
        const data = await read();
        const sorted = (object) => Object.entries(object).sort();
        assert.deepEqual(sorted(data), sorted(expected));
        assert.ok(sizeOf(data) <= 2 * maxDataSize);
        const refused = ends.filter(({ status }) => status === 'rejected').length;
        const fits = sizeOf({ first: true, ...Object.assign({}, ...patches) }) <= 2 * maxDataSize;
        assert.equal(refused === 0, fits, `${refused} are refused`);
        if (!fits) assert.ok(sizeOf(data) + length + 20 > 2 * maxDataSize, 'there was room');
        // Deletions are never refused, not even in a race.
        const deletions = patches.map((patch) => ({ [Object.keys(patch)[0]]: null }));
        assert.ok((await Promise.all(deletions.map(update))).every((done) => done === true));
        assert.deepEqual(await read(), { first: true });
      }
    });
  });

  test('a burst of updates of one session acts in order, and each get sees the update before it', async () => {
    const { sessions } = open();
    const app = freshName();
    const token = await sessions.create({ app, ownerId: OWNER, data: { n: -1 }, duration: 600 });
    const calls = [];
    for (let n = 0; n < 1000; n++) {
      calls.push(sessions.update({ app, token, data: { n, [`key ${n % 10}`]: 'x'.repeat(40) } }));
      if (n % 10 === 9) calls.push(sessions.get({ app, token }));
    }
    const answers = await Promise.all(calls);
    const seen = answers.filter((answer) => answer !== true).map(({ data }) => data.n);
    assert.equal(seen.length, 100);
    assert.deepEqual(
      seen,
      [...seen].sort((a, b) => a - b),
      'in their order',
    );
    // Also on a Cluster, because no slot moves.
    assert.deepEqual(
      seen,
      times(100, (n) => 10 * n + 9),
    );
    assert.equal((await sessions.get({ app, token })).data.n, 999);
  });
});

onRedis((open, server) => {
  const stats = async () => (await server().commandStats()) ?? {};
  /** Members of an owner's index whose sessions have ended. */
  const plantExpired = (redis, app, count) =>
    redis.eval(
      `for n = 1, ARGV[1] do redis.call('ZADD', KEYS[1], n, 'expired-' .. n) end
       redis.call('PEXPIRE', KEYS[1], 3600000)`,
      ...[1, indexKey(app, OWNER), count],
    );
  /** Sessions of an owner, written without calls. */
  const plantSessions = async (redis, app, count, size) => {
    const index = indexKey(app, OWNER);
    const prefix = sessionKey(app, OWNER, '').slice(0, -22);
    await redis.eval(
      `local record = '{"createdAt":1}\\n"${OWNER}"\\n{"x":"' .. string.rep('x', ARGV[3]) .. '"}'
       local time = redis.call('TIME')
       local now = time[1] * 1000
       for n = 1, ARGV[2] do
         local id = string.format('%022d', n)
         redis.call('SET', ARGV[1] .. id, record, 'PX', 3600000)
         redis.call('ZADD', KEYS[1], now + 3600000, id)
       end
       redis.call('PEXPIRE', KEYS[1], 3600000)`,
      ...[1, index, prefix, count, size],
    );
  };

  describe('a burst on one session', () => {
    test('makes the server send no more bytes for each call, however many calls there are', async () => {
      const sent = async (redis) => {
        const text = await redis.info('stats');
        return Number(text.match(/total_net_output_bytes:(\d+)/)[1]);
      };
      const measure = async (count) => {
        const { sessions, redis } = open({ commandTimeout: 60_000 });
        const app = freshName();
        const data = Object.fromEntries(times(10, (n) => [`key ${n}`, 'x'.repeat(40)]));
        const token = await sessions.create({ app, ownerId: OWNER, data, duration: 600 });
        const before = await sent(redis);
        const longest = [];
        const calls = times(count, (n) => {
          const patch = { [`key ${n % 10}`]: `${n}`.padEnd(40, 'y') };
          return [sessions.update({ app, token, data: patch }), sessions.get({ app, token })];
        });
        const watch = Promise.all(
          times(50, () => redis.strlen(sessionKey(app, OWNER, token)).then((n) => longest.push(n))),
        );
        const ends = await Promise.all(calls.flat());
        await watch;
        assert.equal(ends.at(-1).data[`key ${(count - 1) % 10}`], `${count - 1}`.padEnd(40, 'y'));
        const most = Math.max(...longest, await redis.strlen(sessionKey(app, OWNER, token)));
        assert.ok(most < 32 * 1024, `the record had ${most} bytes`);
        return ((await sent(redis)) - before) / count;
      };
      const few = await measure(1000);
      const many = await measure(8000);
      assert.ok(many < 2 * few + 1000, `${few} bytes a call of 1,000, ${many} of 8,000`);
    });

    test('from several instances is folded, and no update is lost', async () => {
      const app = freshName();
      const instances = times(4, () => open().sessions);
      const [{ redis }] = [open()];
      const token = await instances[0].create({ app, ownerId: OWNER, data: {}, duration: 600 });
      const expected = {};
      let begun = 0;
      // Timing decides how often a burst is folded. Each makes the record long enough for one fold.
      const burst = async () => {
        const calls = times(500, () => {
          const n = begun++;
          expected[`key ${n % 40} of ${n % 4}`] = n;
          const data = { [`key ${n % 40} of ${n % 4}`]: n };
          return instances[n % 4].update({ app, token, data });
        });
        assert.ok((await Promise.all(calls)).every((done) => done === true));
        const [about] = (await redis.get(sessionKey(app, OWNER, token))).split('\n');
        return JSON.parse(about).folds > 3;
      };
      await waitUntil(burst, 'four folds');
      const { data } = await instances[0].get({ app, token });
      assert.deepEqual(Object.entries(data).sort(), Object.entries(expected).sort());
    });
  });

  describe('create on an index of expired members', () => {
    test('checks at most three of them, and removes these', async () => {
      const { sessions, redis } = open();
      const app = freshName();
      await plantExpired(redis, app, 100_000);
      const create = () => sessions.create({ app, ownerId: OWNER, data: {}, duration: 600 });
      await create(); // the scripts are known
      await redis.config('RESETSTAT');
      const token = await create();
      const { evalsha, exists, zrem, zremrangebyscore } = await stats();
      assert.deepEqual([evalsha, exists, zrem, zremrangebyscore], [1, 3, 3, undefined]);
      assert.equal(await redis.zcard(indexKey(app, OWNER)), 100_000 + 2 - 6);
      assert.equal(await sessions.killAll({ app, ownerId: OWNER }), true);
      assert.equal(await sessions.get({ app, token }), undefined);
      assert.deepEqual(await redis.keys(`*${app}*`), []);
    });

    test('checks at most 100 of them for all creates that share a script', async () => {
      const { sessions, redis } = open();
      const app = freshName();
      await plantExpired(redis, app, 10_000);
      const create = () => sessions.create({ app, ownerId: OWNER, data: {}, duration: 600 });
      await create();
      await redis.config('RESETSTAT');
      await Promise.all(times(320, create));
      const { evalsha, exists } = await stats();
      assert.ok(exists <= 100 * evalsha && exists <= 3 * 320, `${exists} in ${evalsha} scripts`);
    });

    test('removes all of them in the end', async () => {
      const { sessions, redis } = open();
      const app = freshName();
      await plantExpired(redis, app, 300);
      await Promise.all(
        times(200, () => sessions.create({ app, ownerId: OWNER, data: {}, duration: 600 })),
      );
      assert.equal(await redis.zcard(indexKey(app, OWNER)), 200);
    });
  });

  describe('killAll', () => {
    beforeEach(() => open().redis.flushall());

    test('of 400,000 sessions is one call of steps of 100, each of which renews its deadline', async () => {
      const { sessions, redis } = open({ commandTimeout: 2000 });
      const app = freshName();
      for (let part = 0; part < 4; part++) {
        // In four parts, because one script for all would take too long on a busy machine.
        const name = `${part}`;
        await redis.eval(
          `local time = redis.call('TIME')
           for n = 1, 100000 do
             local id = ARGV[2] .. string.format('%021d', n)
             redis.call('SET', ARGV[1] .. id, '{}\\n"${OWNER}"\\n{}', 'PX', 3600000)
             redis.call('ZADD', KEYS[1], time[1] * 1000 + 3600000, id)
           end`,
          ...[1, indexKey(app, OWNER), sessionKey(app, OWNER, '').slice(0, -22), name],
        );
      }
      assert.equal(await redis.dbsize(), 400_001);
      await redis.config('RESETSTAT');
      let isOver = false;
      const killed = sessions.killAll({ app, ownerId: OWNER }).finally(() => {
        isOver = true;
      });
      // Other calls are answered meanwhile, and creates at a normal rate do not keep it from ending.
      let created = 0;
      while (!isOver) {
        await sessions.create({ app, ownerId: OWNER, data: {}, duration: 600 });
        assert.equal(await sessions.get({ app, token: 'the token of nobody' }), undefined);
        created++;
      }
      assert.equal(await killed, true);
      assert.ok((await redis.dbsize()) <= created + 1, 'what was there is gone');
      const { evalsha } = await stats();
      const steps = evalsha - created;
      assert.ok(steps >= 4000 && steps <= 4000 + created + 1, `${steps} steps`);
      await sessions.killAll({ app, ownerId: OWNER });
      assert.equal(await redis.dbsize(), 0);
    });

    test('takes steps of 8 MiB if sessions are large', async () => {
      const { sessions, redis } = open();
      const app = freshName();
      await plantSessions(redis, app, 100, 1024 * 1024);
      await redis.config('RESETSTAT');
      assert.equal(await sessions.killAll({ app, ownerId: OWNER }), true);
      const { evalsha } = await stats();
      assert.equal(evalsha, Math.ceil(100 / 8), '8 sessions of 1 MiB each reach 8 MiB');
      assert.equal(await redis.dbsize(), 0);
    });

    test('reads no record, not even a foreign value under the key of a session', async () => {
      const { sessions, redis } = open();
      const app = freshName();
      await plantSessions(redis, app, 250, 100);
      await redis.lpush(sessionKey(app, OWNER, 'x'), 'a list');
      await redis.zadd(indexKey(app, OWNER), 5, sessionKey(app, OWNER, 'x').slice(-22));
      await redis.config('RESETSTAT');
      assert.equal(await sessions.killAll({ app, ownerId: OWNER }), true);
      const { get, getrange, evalsha, del } = await stats();
      assert.deepEqual([get, getrange, evalsha, del], [undefined, undefined, 3, 3]);
      assert.equal(await redis.dbsize(), 0);
    });
  });
});
