'use strict';

// The invariant of the owner's index: a live session is in its index, and the index outlives it.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');
const fc = require('fast-check');
const { idOf, indexKey, ownersOnOneRoute, routeOf, sessionKey } = require('./support/keys.js');
const { waitUntil } = require('./support/redis-server.js');
const { freshName, onRedis } = require('./support/targets.js');

const OWNER = 'alice';

// In one script, so that nothing happens in between; the clock goes on, so what is compared as the
// later one is read first.
const SNAPSHOT = `
  local function now()
    local time = redis.call('TIME')
    return string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
  end
  local begin = now()
  local indexLife = redis.call('PTTL', KEYS[2])
  local sessions = {}
  for _, key in ipairs(redis.call('KEYS', KEYS[1] .. '*')) do
    sessions[#sessions + 1] = { string.sub(key, #KEYS[1] + 1), redis.call('PTTL', key) }
  end
  return { sessions, redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES'), indexLife, begin, now() }`;

/**
 * How much later than the expiry a score may be, in milliseconds: a script may read the clock again
 * after it has set the expiry.
 */
const LATE_SCORE = 1000;

/**
 * Checks the invariant for one owner and returns what is there.
 *
 * @returns {Promise<{ live: Map<string, number>, members: Map<string, number>, indexLife: number }>}
 */
async function checkIndex(redis, app, ownerId) {
  const index = indexKey(app, ownerId);
  const prefix = `spots:{${routeOf(app, ownerId)}:${app}}:s:`;
  const [sessions, range, indexLife, begin, end] = await redis.eval(SNAPSHOT, 2, prefix, index);
  const live = new Map(sessions.map(([id, pttl]) => [id, pttl === -1 ? Infinity : pttl]));
  const members = new Map();
  for (let n = 0; n < range.length; n += 2)
    members.set(range[n], range[n + 1] === 'inf' ? Infinity : Number(range[n + 1]));

  for (const [id, pttl] of live) {
    assert.ok(members.has(id), 'a live session is in the index');
    const score = members.get(id);
    // PTTL counts from when the script began, TIME tells when it was asked: a millisecond may pass.
    const expiry = Number(begin) + pttl - 1;
    assert.ok(score >= expiry, `score ${score} is before the expiry, ${expiry}`);
    if (pttl === Infinity)
      assert.equal(indexLife, -1, 'the index of an endless session never expires');
  }
  for (const [id, score] of members) {
    if (live.has(id)) continue;
    assert.ok(
      score <= Number(end) + LATE_SCORE,
      'a member without a session is one that has expired',
    );
  }
  const longest = Math.max(0, ...live.values());
  if (indexLife === -2) assert.equal(live.size, 0, 'an index is there as long as a session is');
  else if (indexLife !== -1)
    assert.ok(indexLife >= longest, `index ${indexLife} ms, session ${longest} ms`);
  return { live, members, indexLife };
}

onRedis((open, server) => {
  /** A new app on a new instance. */
  function fresh() {
    const { sessions, redis } = open();
    const app = freshName();
    const create = (duration = 600, ownerId = OWNER) =>
      sessions.create({ app, ownerId, data: {}, duration });
    const check = (ownerId = OWNER) => checkIndex(redis, app, ownerId);
    return { sessions, redis, app, create, check };
  }

  test('the invariant holds after every step of any history, and create leaves only live members', async () => {
    const durations = fc.constantFrom(0.005, 0.02, 5, 60, 3600, Infinity);
    const step = fc.oneof(
      fc.record({
        type: fc.constant('create'),
        duration: durations,
        sliding: fc.boolean(),
        lifetime: fc.constantFrom(undefined, 0.02, 60),
        maxSessions: fc.constantFrom(undefined, undefined, 1, 3),
      }),
      fc.record({ type: fc.constant('refresh'), which: fc.nat(9), duration: durations }),
      fc.record({
        type: fc.constantFrom('get', 'update', 'kill', 'rotate', 'kill by id', 'killAll except'),
        which: fc.nat(9),
      }),
      fc.constant({ type: 'killAll' }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const { sessions, app, create, check } = fresh();
        const tokens = [await create()];
        for (const { type, which = 0, ...more } of steps) {
          const nth = which % tokens.length;
          const token = tokens[nth];
          const owner = { app, ownerId: OWNER };
          if (type === 'create') tokens.push(await sessions.create({ ...owner, ...more }));
          else if (type === 'killAll') await sessions.killAll(owner);
          else if (type === 'killAll except') await sessions.killAll({ ...owner, except: token });
          else if (type === 'kill by id') await sessions.kill({ ...owner, id: idOf(token) });
          else if (type === 'rotate')
            tokens[nth] = (await sessions.rotate({ app, token })) ?? token;
          else await sessions[type]({ app, token, data: { a: 1 }, ...more });
          const { live, members, indexLife } = await check();
          if (type === 'killAll')
            assert.deepEqual([live.size, members.size, indexLife], [0, 0, -2]);
          if (type === 'killAll except')
            assert.deepEqual(
              [...live.keys()].filter((id) => id !== idOf(token)),
              [],
            );
          if (more.maxSessions) assert.ok(live.size <= more.maxSessions, `${live.size} live`);
        }
        await sessions.close();
      }),
      { numRuns: 60 },
    );
  });

  test('a score is the expiry in milliseconds: the time of creation plus the rounded duration', async () => {
    const rows = [
      [60, 60_000],
      [0.5, 500],
      [1.001, 1001], // 1.001 * 1000 is 1000.9999999999999
      [32.001, 32_001],
      [1234.5678, 1_234_568],
    ];
    for (const [duration, ms] of rows) {
      const { redis, app, create } = fresh();
      const token = await create(duration);
      const record = await redis.get(sessionKey(app, OWNER, token));
      const { createdAt } = JSON.parse(record.split('\n')[0]);
      const score = await redis.zscore(indexKey(app, OWNER), idOf(token));
      assert.equal(Number(score) - createdAt, ms);
    }
  });

  test('the next create removes the expired members, and no others', async () => {
    const { redis, app, create, check } = fresh();
    const short = await Promise.all([create(0.01), create(0.02), create(0.03)]);
    const long = await create(600);
    for (const token of short) {
      await waitUntil(
        async () => !(await redis.exists(sessionKey(app, OWNER, token))),
        'it to expire',
      );
    }
    await check();
    // The scores may be a little later than the expiry.
    await waitUntil(async () => {
      const last = await create(600);
      const { members } = await check();
      return (
        !short.some((token) => members.has(idOf(token))) &&
        members.has(idOf(long)) &&
        members.has(idOf(last))
      );
    }, 'the expired members to be dropped');
  });

  test('an index ends by itself when its last session has expired', async () => {
    const { redis, app, create, check } = fresh();
    await Promise.all([create(0.02), create(0.05), create(0.03)]);
    await waitUntil(async () => {
      const { live, indexLife } = await check();
      return live.size === 0 && indexLife === -2;
    }, 'sessions and index to end');
    assert.deepEqual(await redis.keys(`*${app}*`), []);
  });

  test('an index is gone with its last member: kill, killAll, and endless sessions', async () => {
    const { sessions, redis, app, create, check } = fresh();
    for (const duration of [600, Infinity]) {
      const token = await create(duration);
      await sessions.kill({ app, token });
      assert.equal((await check()).indexLife, -2);
      await Promise.all([create(duration), create(duration)]);
      await sessions.killAll({ app, ownerId: OWNER });
      assert.equal((await check()).indexLife, -2);
    }
    assert.deepEqual(await redis.keys(`*${app}*`), []);
  });

  test('a short session does not shorten an index, in whatever order they come', async () => {
    for (const order of [
      [600, 50],
      [50, 600],
      [50, 600, 20],
      [Infinity, 50],
      [50, Infinity],
    ]) {
      const { create, check } = fresh();
      for (const duration of order) await create(duration);
      const { indexLife, live } = await check();
      assert.equal(live.size, order.length);
      if (order.includes(Infinity)) assert.equal(indexLife, -1);
      else assert.ok(indexLife > 500_000);
    }
  });

  test('an index expires again after its session without an expiry has ended', async () => {
    const endings = {
      kill: ({ sessions, app }, token) => sessions.kill({ app, token }),
      'a refresh to a finite life': ({ sessions, app }, token) =>
        sessions.refresh({ app, token, duration: 60 }),
    };
    for (const [label, end] of Object.entries(endings)) {
      const context = fresh();
      await context.create(600);
      const endless = await context.create(Infinity);
      assert.equal((await context.check()).indexLife, -1);
      assert.equal(await end(context, endless), true);
      const { indexLife } = await context.check();
      assert.ok(indexLife > 0, `${label}: ${indexLife}`);
    }
  });

  test('kills that share a script give each index the expiry of its remaining sessions', async () => {
    const { sessions, redis, app, create, check } = fresh();
    const owners = {
      shorter: [50, 600],
      expiring: [Infinity, 600, Infinity],
      gone: [Infinity, 600],
    };
    const killed = { shorter: [600], expiring: [Infinity], gone: [Infinity, 600] };
    const tokens = [await create(600, 'first'), await create(600, 'second')];
    for (const [owner, durations] of Object.entries(owners)) {
      for (const duration of durations) {
        const token = await create(duration, owner);
        if (killed[owner].includes(duration)) tokens.push(token);
      }
    }
    await redis.config('RESETSTAT');
    const answers = await Promise.all(tokens.map((token) => sessions.kill({ app, token })));
    assert.ok(answers.every((answer) => answer === true));
    const { evalsha } = await server().commandStats();
    assert.ok(evalsha < tokens.length, `${evalsha} scripts`);
    const life = async (owner) => (await check(owner)).indexLife;
    assert.ok((await life('shorter')) <= 2 * 50_000);
    assert.ok((await life('expiring')) > 500_000);
    assert.equal(await life('gone'), -2);
  });

  test('a fractional score in an index, which only another program writes, does no harm', async () => {
    const { sessions, redis, app, create } = fresh();
    const tokens = [await create(600), await create(600)];
    const index = indexKey(app, OWNER);
    await redis.zadd(index, Date.now() + 3_600_000.5, 'stranger');
    tokens.push(await create(600));
    assert.equal(await sessions.refresh({ app, token: tokens[0], duration: 60 }), true);
    assert.equal(await sessions.kill({ app, token: tokens[1] }), true);
    const life = await redis.pttl(index);
    assert.ok(life > 6_600_000 && life <= 7_200_001, `${life} ms`);
    assert.equal(await sessions.killAll({ app, ownerId: OWNER }), true);
    assert.equal(await sessions.get({ app, token: tokens[2] }), undefined);
  });

  test('refresh heals an index that was lost, so that killAll finds the session', async () => {
    for (const duration of [60, Infinity]) {
      const { sessions, redis, app, create, check } = fresh();
      const token = await create(600);
      await redis.del(indexKey(app, OWNER));
      assert.equal(await sessions.refresh({ app, token, duration }), true);
      const { members } = await check();
      assert.deepEqual([...members.keys()], [idOf(token)]);
      assert.equal(await sessions.killAll({ app, ownerId: OWNER }), true);
      assert.equal(await sessions.get({ app, token }), undefined);
    }
  });

  test('refresh, update and kill of an absent session make no index', async () => {
    const { sessions, redis, app, create } = fresh();
    const token = await create(600);
    await sessions.killAll({ app, ownerId: OWNER });
    assert.equal(await sessions.refresh({ app, token, duration: 60 }), false);
    assert.equal(await sessions.update({ app, token, data: { a: 1 } }), false);
    assert.equal(await sessions.kill({ app, token }), false);
    assert.deepEqual(await redis.keys(`*${app}*`), []);
  });

  describe('two owners on one route', () => {
    test('have an index each, and killAll of one leaves the sessions of the other', async () => {
      const { sessions, redis, app, create, check } = fresh();
      const [alice, bob] = ownersOnOneRoute(app);
      assert.equal(routeOf(app, alice), routeOf(app, bob));
      assert.notEqual(indexKey(app, alice), indexKey(app, bob));
      const [a1, b1, a2, b2] = await Promise.all([
        create(600, alice),
        create(600, bob),
        create(50, alice),
        create(Infinity, bob),
      ]);
      assert.equal(await redis.zcard(indexKey(app, alice)), 2);
      assert.equal(await sessions.killAll({ app, ownerId: alice }), true);
      for (const token of [a1, a2]) assert.equal(await sessions.get({ app, token }), undefined);
      for (const token of [b1, b2])
        assert.deepEqual(await sessions.get({ app, token }), { ownerId: bob, data: {} });
      const { members } = await check(bob, [a1, a2]);
      assert.deepEqual([...members.keys()].sort(), [b1, b2].map(idOf).sort());
      assert.equal(await sessions.killAll({ app, ownerId: alice }), false, 'alice has none left');
      assert.equal(await sessions.killAll({ app, ownerId: bob }), true);
      assert.deepEqual(await redis.keys(`*${app}*`), []);
    });

    test("do not end each other's sessions by id, and do not list them", async () => {
      const { sessions, app, create, check } = fresh();
      const [alice, bob] = ownersOnOneRoute(app);
      const [a, b] = await Promise.all([create(600, alice), create(600, bob)]);
      assert.equal(await sessions.kill({ app, ownerId: alice, id: idOf(b) }), false);
      const listed = await sessions.list({ app, ownerId: alice, token: b });
      assert.deepEqual(
        listed.map(({ id, current }) => [id, current]),
        [[idOf(a), false]],
      );
      assert.equal(await sessions.killAll({ app, ownerId: alice, except: b }), true);
      assert.deepEqual(await sessions.get({ app, token: b }), { ownerId: bob, data: {} });
      const fresher = await sessions.rotate({ app, token: b });
      assert.deepEqual([...(await check(bob)).members.keys()], [idOf(fresher)]);
      assert.equal(await sessions.kill({ app, ownerId: bob, id: idOf(fresher) }), true);
      assert.equal(await sessions.killAll({ app, ownerId: bob }), false);
    });

    test('do not cost each other time: killAll of one checks no session of the other', async () => {
      const { sessions, redis, app, create } = fresh();
      const [alice, bob] = ownersOnOneRoute(app);
      const bobs = await Promise.all(Array.from({ length: 2500 }, () => create(600, bob)));
      const token = await create(600, alice);
      await redis.config('RESETSTAT');
      assert.equal(await sessions.killAll({ app, ownerId: alice }), true);
      const { evalsha, get, getrange, del, strlen } = await server().commandStats();
      assert.deepEqual(
        { evalsha, get, getrange, del, strlen },
        {
          ...{ evalsha: 1, get: undefined, getrange: undefined, del: 1, strlen: 1 },
        },
      );
      assert.equal(await sessions.get({ app, token }), undefined);
      const kept = await Promise.all(bobs.map((each) => sessions.get({ app, token: each })));
      assert.ok(kept.every((session) => session?.ownerId === bob));
      assert.equal(await sessions.killAll({ app, ownerId: alice }), false);
    });
  });
});
