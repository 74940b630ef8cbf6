'use strict';

// What rotate, list, info, kill by id, maxSessions, lifetime and sliding leave in Redis, and what they do there,
// command by command, as another client sees it.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');
const { idOf, indexKey, routeOf, sessionKey } = require('./support/keys.js');
const { commandsDuring } = require('./support/monitor.js');
const { waitUntil } = require('./support/redis-server.js');
const { freshName, onRedis } = require('./support/targets.js');

const OWNER = 'alice';

onRedis((open, server) => {
  function fresh(options) {
    const { sessions, redis } = open(options);
    const app = freshName();
    const owner = { app, ownerId: OWNER };
    const create = (more) => sessions.create({ ...owner, data: { a: 1 }, duration: 600, ...more });
    const keyOf = (token) => sessionKey(app, OWNER, token);
    const aboutOf = async (token) => JSON.parse((await redis.get(keyOf(token))).split('\n')[0]);
    return { sessions, redis, app, owner, create, keyOf, aboutOf, index: indexKey(app, OWNER) };
  }

  const watched = (app, act) => commandsDuring(server(), app, act);

  describe('line 1 of a record', () => {
    test('says for how long a use extends the session, in milliseconds, and when its lifetime ends', async () => {
      const { create, aboutOf } = fresh();
      const rows = [
        [{}, {}],
        [{ sliding: true }, { sliding: 600_000 }],
        [{ lifetime: 3600 }, { life: 3_600_000 }],
        [
          { sliding: true, lifetime: 3600 },
          { sliding: 600_000, life: 3_600_000 },
        ],
        [{ sliding: true, duration: Infinity }, {}],
        [{ lifetime: Infinity, maxSessions: 5 }, {}],
      ];
      for (const [given, expected] of rows) {
        const { createdAt, endsAt, ...others } = await aboutOf(await create(given));
        const { life, ...rest } = expected;
        assert.deepEqual(others, rest, JSON.stringify(given));
        assert.equal(endsAt && endsAt - createdAt, life, JSON.stringify(given));
      }
    });

    test('stays the same through rotate, refresh, update and an extension, and a fold keeps its fields', async () => {
      const { sessions, redis, app, create, keyOf, aboutOf } = fresh();
      let token = await create({ sliding: true, lifetime: 3600 });
      const about = await aboutOf(token);
      token = await sessions.rotate({ app, token });
      assert.equal(await sessions.refresh({ app, token, duration: 60 }), true);
      assert.equal(await sessions.update({ app, token, data: { b: 1 } }), true);
      await waitUntil(async () => (await redis.pttl(keyOf(token))) > 100_000, 'it to be extended');
      assert.deepEqual(await aboutOf(token), about);
      const big = 'x'.repeat(1000);
      for (let n = 0; n < 20; n++) await sessions.update({ app, token, data: { big } });
      const folded = async () => (await aboutOf(token)).folds && (await aboutOf(token));
      const { size, folds, ...kept } = await waitUntil(folded, 'the updates to be folded');
      assert.deepEqual(kept, about);
      assert.ok(size > 1000 && folds > 0);
    });

    test('has at most 200 bytes, with all fields and the largest numbers', async () => {
      const { redis, create, keyOf } = fresh();
      const token = await create({ sliding: true, duration: 1e12, lifetime: 4e12 });
      const [line] = (await redis.get(keyOf(token))).split('\n');
      assert.ok(line.length + ',"size":,"folds":'.length + 2 * 16 <= 200, line);
    });
  });

  describe('expiry', () => {
    test('rotate keeps it to the millisecond, in the session, its score and its index', async () => {
      const { sessions, redis, app, create, keyOf, index } = fresh();
      for (const duration of [600, Infinity]) {
        const token = await create({ duration });
        await create({ duration: 60 });
        const at = async (key) => [
          await redis.call('PEXPIRETIME', key).catch(() => undefined),
          await redis.call('PEXPIRETIME', index).catch(() => undefined),
        ];
        const [before, score] = [await at(keyOf(token)), await redis.zscore(index, idOf(token))];
        const rotated = await sessions.rotate({ app, token });
        assert.deepEqual(await at(keyOf(rotated)), before);
        assert.equal(await redis.zscore(index, idOf(rotated)), score);
        assert.equal(await redis.zscore(index, idOf(token)), null);
        assert.equal(await redis.exists(keyOf(token)), 0);
      }
    });

    test('a lifetime cuts the duration, refresh and extensions, to the millisecond', async () => {
      const { sessions, redis, app, create, keyOf, aboutOf, index } = fresh();
      const token = await create({ lifetime: 300, sliding: true });
      const { createdAt, endsAt } = await aboutOf(token);
      assert.equal(endsAt, createdAt + 300_000);
      const score = async () => Number(await redis.zscore(index, idOf(token)));
      assert.equal(await score(), endsAt, 'a duration beyond the lifetime');
      for (const duration of [60, 600, Infinity]) {
        assert.equal(await sessions.refresh({ app, token, duration }), true);
        assert.ok((await score()) <= endsAt, `refresh to ${duration}`);
      }
      assert.equal(await score(), endsAt);
      await waitUntil(async () => (await redis.pttl(keyOf(token))) > 100_000, 'it to be extended');
      assert.equal(await score(), endsAt);
      assert.ok((await redis.pttl(keyOf(token))) <= 300_000);
    });

    test('info and list tell the expiry and the creation that Redis has', async () => {
      const { sessions, redis, app, owner, create, aboutOf, index } = fresh();
      for (const duration of [60, Infinity]) {
        const token = await create({ duration });
        const { createdAt } = await aboutOf(token);
        const score = Number(await redis.zscore(index, idOf(token)));
        const info = await sessions.info({ app, token });
        const [listed] = (await sessions.list({ ...owner, token })).filter((each) => each.current);
        for (const { createdAt: created, expiresAt } of [info, listed]) {
          assert.equal(Number(created), createdAt);
          if (duration === Infinity) assert.equal(expiresAt, undefined);
          else assert.ok(Math.abs(Number(expiresAt) - score) <= 1, `${expiresAt - score} ms`);
        }
      }
    });
  });

  describe('each call is one script on one slot, and does', () => {
    const s = ':s:';
    const o = ':o:';
    const pointers = ':p:';
    /** @type {[string, (given: any) => Promise<any>, [string, ...string[]][]][]} */
    const ROWS = [
      [
        'info',
        ({ sessions, app, tokens }) => sessions.info({ app, token: tokens[0] }),
        [
          ['get', s],
          ['pexpiretime', s],
        ],
      ],
      [
        'list',
        ({ sessions, owner }) => sessions.list({ ...owner, limit: 2 }),
        [
          ['zrange', o],
          ['zrange', pointers],
          ['getrange', s],
          ['getrange', s],
        ],
      ],
      [
        'rotate',
        ({ sessions, app, tokens }) => sessions.rotate({ app, token: tokens[0] }),
        [
          ['exists', s],
          ['zscore', o],
          ['zadd', o],
          ['rename', s, s],
          ['zrem', o],
        ],
      ],
      [
        'kill by id',
        ({ sessions, owner, tokens }) => sessions.kill({ ...owner, id: idOf(tokens[0]) }),
        [
          ['zscore', o],
          ['del', s],
          ['zrem', o],
          ['zrange', o],
          ['pexpireat', o],
        ],
      ],
      [
        'killAll except',
        ({ sessions, owner, tokens }) => sessions.killAll({ ...owner, except: tokens[1] }),
        [
          ['type', o],
          ['zscore', o],
          ['zcard', o],
          ['zrange', o],
          ['strlen', s],
          ['strlen', s],
          ['del', s, s],
          ['zrem', o],
          ['exists', pointers],
        ],
      ],
      [
        'create with maxSessions',
        ({ create }) => create({ duration: 900, maxSessions: 3 }),
        [
          ['zadd', o],
          ['set', s],
          ['zcard', o],
          ['zrange', o],
          ['zrange', o],
          ['pexpireat', o],
          ['zcount', o],
          ['zrange', o],
          ['strlen', s],
          ['del', s],
          ['zrem', o],
        ],
      ],
    ];
    for (const [name, call, expected] of ROWS) {
      test(`${name}: ${expected.map(([command]) => command).join(', ')}`, async () => {
        const given = fresh();
        const { app, create, redis } = given;
        const tokens = [];
        for (const duration of [600, 700, 800]) tokens.push(await create({ duration }));
        const hasExpireTime = await redis.call('PEXPIRETIME', 'none').catch(() => undefined);
        const all = await watched(app, () => call({ ...given, tokens }));
        assert.deepEqual(
          all.filter(({ sent }) => sent).map(({ name: sent }) => sent),
          ['evalsha'],
        );
        const inside = all.filter(({ sent, name: each }) => !sent && each !== 'time');
        const wanted = expected.map(([command, ...keys]) =>
          command === 'pexpiretime' && hasExpireTime === undefined
            ? ['pttl', ...keys]
            : [command, ...keys],
        );
        assert.deepEqual(
          inside.map(({ name: each, keys }) => [
            each,
            ...keys.map((key) => key.match(/:[sop]:/)[0]),
          ]),
          wanted,
        );
        const prefix = `spots:{${routeOf(app, OWNER)}:${app}}:`;
        for (const key of all.flatMap(({ keys }) => keys)) assert.ok(key.startsWith(prefix), key);
      });
    }

    test('a get of a sliding session: one GET, and behind it one script, only when it is due', async () => {
      const { sessions, redis, app, create, keyOf } = fresh();
      const token = await create({ sliding: true });
      const count = async (act) => (await watched(app, act)).filter(({ name }) => name !== 'pttl');
      await redis.pexpire(keyOf(token), 100_000);
      const first = await count(async () => {
        await sessions.get({ app, token });
        await waitUntil(
          async () => (await redis.pttl(keyOf(token))) > 100_000,
          'it to be extended',
        );
      });
      const sent = first.filter((each) => each.sent).map(({ name }) => name);
      assert.deepEqual(sent, ['get', 'evalsha']);
      const lengths = first.filter(({ name }) => name === 'getrange');
      assert.ok(lengths.length <= 2, 'it reads no more than the first line');
      assert.ok(!first.some(({ sent: of, name }) => !of && name === 'get'));
      // Nine tenths of it are left, and this process knows it.
      const later = await count(async () => {
        for (let n = 0; n < 50; n++) await sessions.get({ app, token });
      });
      assert.deepEqual(
        later.map(({ name }) => name),
        Array(50).fill('get'),
      );
      // Another process asks once, and the script writes nothing.
      const other = open().sessions;
      await redis.config('RESETSTAT');
      await other.get({ app, token });
      const asked = async () => (await server().commandStats()).evalsha === 1;
      await waitUntil(asked, 'it to ask');
      const stats = await server().commandStats();
      assert.deepEqual([stats.zadd, stats.pexpireat, stats.get], [undefined, undefined, 1]);
    });
  });
});
