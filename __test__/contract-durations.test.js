'use strict';

// How long sessions live: in seconds, with fractions kept to the millisecond, and Infinity for no
// expiry.

const assert = require('node:assert/strict');
const { describe, test, before } = require('node:test');
const { sessionKey } = require('./support/keys.js');
const { waitUntil } = require('./support/redis-server.js');
const { rejection } = require('./support/rejection.js');
const { forEachTarget, freshName, onRedis } = require('./support/targets.js');

const OWNER = 'alice';

forEachTarget((_target, open) => {
  describe('expiry', () => {
    let sessions;
    before(() => {
      ({ sessions } = open());
    });
    const create = (app, duration) =>
      sessions.create({ app, ownerId: OWNER, data: { a: 1 }, duration });
    const gone = (app, token) => async () => (await sessions.get({ app, token })) === undefined;

    test('a session is gone when its duration is over, for every method', async () => {
      const app = freshName();
      const token = await create(app, 0.02);
      await waitUntil(gone(app, token), 'the session to expire');
      assert.equal(await sessions.refresh({ app, token, duration: 60 }), false);
      assert.equal(await sessions.update({ app, token, data: { a: 2 } }), false);
      assert.equal(await sessions.kill({ app, token }), false);
      assert.equal(await sessions.killAll({ app, ownerId: OWNER }), false);
      assert.equal(await sessions.get({ app, token }), undefined);
    });

    test('sessions with Infinity and with a long duration outlive one with a short duration', async () => {
      const app = freshName();
      const forever = await create(app, Infinity);
      const long = await create(app, 600);
      const huge = await create(app, Number.MAX_VALUE);
      const short = await create(app, 0.02);
      await waitUntil(gone(app, short), 'the short session to expire');
      for (const token of [forever, long, huge]) {
        assert.deepEqual(await sessions.get({ app, token }), { ownerId: OWNER, data: { a: 1 } });
      }
    });

    test('refresh can shorten the life of a session, and can lengthen it', async () => {
      const app = freshName();
      const token = await create(app, Infinity);
      assert.equal(await sessions.refresh({ app, token, duration: 0.02 }), true);
      await waitUntil(gone(app, token), 'the refreshed session to expire');
    });

    test('refresh counts from now and saves a session that was about to end', async () => {
      const app = freshName();
      let [saved, control] = ['', ''];
      // On a slow machine a session may be over before the first refresh.
      for (let short = 1, isSaved = false; !isSaved; short *= 2) {
        assert.ok(short < 60, 'refresh finds no session');
        saved = await create(app, short);
        control = await create(app, short);
        isSaved = await sessions.refresh({ app, token: saved, duration: 600 });
      }
      for (const duration of [Infinity, 1200]) {
        assert.equal(await sessions.refresh({ app, token: saved, duration }), true);
      }
      await waitUntil(gone(app, control), 'the other session to expire');
      assert.deepEqual(await sessions.get({ app, token: saved }), {
        ownerId: OWNER,
        data: { a: 1 },
      });
    });

    test('update does not lengthen the life of a session', async () => {
      const app = freshName();
      // On a slow machine a session may be over before the first update.
      for (let updates = 0, duration = 0.1; updates === 0; duration *= 2) {
        const token = await create(app, duration);
        await waitUntil(async () => {
          if (await sessions.update({ app, token, data: { updates } })) updates++;
          return (await sessions.get({ app, token })) === undefined;
        }, 'the session to expire although it is updated all the time');
        assert.equal(await sessions.update({ app, token, data: {} }), false);
      }
    });

    test('a session with a duration below a millisecond expires, and does not live without an expiry', async () => {
      const app = freshName();
      for (const duration of [0.0001, Number.MIN_VALUE]) {
        const token = await create(app, duration);
        await waitUntil(gone(app, token), `the session of ${duration} s to expire`);
      }
    });

    test('killAll of an owner whose last session has expired resolves to false', async () => {
      const app = freshName();
      const tokens = await Promise.all([create(app, 0.01), create(app, 0.02)]);
      for (const token of tokens) await waitUntil(gone(app, token), 'the sessions to expire');
      assert.equal(await sessions.killAll({ app, ownerId: OWNER }), false);
    });
  });

  describe('durations that are refused, with nothing done', () => {
    let sessions;
    before(() => {
      ({ sessions } = open());
    });
    for (const duration of [0, -0, -1, -0.001, -Infinity, NaN]) {
      test(`${Object.is(duration, -0) ? '-0' : duration} is a RangeError`, async () => {
        const app = freshName();
        const request = { app, ownerId: OWNER, data: {}, duration };
        const error = await rejection(() => sessions.create(request));
        assert.ok(error instanceof RangeError);
        assert.equal(error.code, 'ERR_OUT_OF_RANGE');
        assert.match(error.message, /`duration`/);
        assert.equal(await sessions.killAll({ app, ownerId: OWNER }), false, 'create did nothing');

        const token = await sessions.create({ ...request, duration: 600 });
        const second = await rejection(() => sessions.refresh({ app, token, duration }));
        assert.ok(second instanceof RangeError);
        assert.equal(second.code, 'ERR_OUT_OF_RANGE');
        assert.deepEqual(await sessions.get({ app, token }), { ownerId: OWNER, data: {} });
      });
    }

    test('refresh without a duration is a TypeError', async () => {
      const app = freshName();
      const token = await sessions.create({ app, ownerId: OWNER, data: {}, duration: 600 });
      for (const request of [
        { app, token },
        { app, token, duration: undefined },
      ]) {
        const error = await rejection(() => sessions.refresh(request));
        assert.ok(error instanceof TypeError);
        assert.equal(error.code, 'ERR_INVALID_ARG_TYPE');
        assert.match(error.message, /`duration`/);
      }
      assert.notEqual(await sessions.get({ app, token }), undefined);
    });
  });

  test('create without a duration uses defaultDuration', async () => {
    const { sessions } = open({ defaultDuration: 0.02 });
    const app = freshName();
    const [implicit, undefinedOne, explicit] = await Promise.all([
      sessions.create({ app, ownerId: OWNER, data: {} }),
      sessions.create({ app, ownerId: OWNER, data: {}, duration: undefined }),
      sessions.create({ app, ownerId: OWNER, data: {}, duration: 600 }),
    ]);
    for (const token of [implicit, undefinedOne]) {
      await waitUntil(
        async () => (await sessions.get({ app, token })) === undefined,
        'the default to pass',
      );
    }
    assert.notEqual(await sessions.get({ app, token: explicit }), undefined);
  });
});

onRedis((open) => {
  /** The server's clock in milliseconds. */
  async function serverTime(redis) {
    const [seconds, micros] = await redis.time();
    return Number(seconds) * 1000 + Number(micros) / 1000;
  }

  /** Runs `act`, then checks that the key's remaining life is `ms`, less what has passed meanwhile. */
  async function livesFor(redis, ms, act) {
    const begin = await serverTime(redis);
    const key = await act();
    const left = await redis.pttl(key);
    const passed = (await serverTime(redis)) - begin;
    assert.ok(left <= ms && left >= ms - passed - 1, `${left} ms left of ${ms} after ${passed} ms`);
  }

  const finite = [
    { label: 'whole seconds', duration: 60, ms: 60_000 },
    { label: 'a fraction to the millisecond', duration: 1234.567, ms: 1_234_567 },
    { label: 'a fraction that binary cannot write', duration: 1000.001, ms: 1_000_001 },
    { label: 'a year', duration: 31_536_000, ms: 31_536_000_000 },
    { label: 'more milliseconds than 32 bits hold', duration: 4_294_968, ms: 4_294_968_000 },
    { label: '31,700 years', duration: 1e12, ms: 1e15 },
  ];
  for (const { label, duration, ms } of finite) {
    test(`${label}, ${duration} s: create and refresh set ${ms} ms`, async () => {
      const { sessions, redis } = open();
      const app = freshName();
      let token;
      await livesFor(redis, ms, async () => {
        token = await sessions.create({ app, ownerId: OWNER, data: {}, duration });
        return sessionKey(app, OWNER, token);
      });
      await sessions.refresh({ app, token, duration: 5 });
      await livesFor(redis, ms, async () => {
        await sessions.refresh({ app, token, duration });
        return sessionKey(app, OWNER, token);
      });
    });
  }

  test('each call has its own duration, even if calls share a script', async () => {
    const { sessions, redis } = open();
    const app = freshName();
    const some = [600, 600, Infinity, 3600, 1200, 1200];
    const durations = Array.from({ length: 40 }, (_, i) => some[i % some.length]);
    const shows = async (tokens, expected) => {
      const left = await Promise.all(
        tokens.map((token, i) => redis.pttl(sessionKey(app, `owner ${i}`, token))),
      );
      // In units of ten minutes, so that no machine is too slow.
      const lives = left.map((ms) => (ms < 0 ? Infinity : Math.ceil(ms / 600_000) * 600));
      assert.deepEqual(lives, expected);
    };
    const tokens = await Promise.all(
      durations.map((duration, i) =>
        sessions.create({ app, ownerId: `owner ${i}`, data: {}, duration }),
      ),
    );
    await shows(tokens, durations);
    const reversed = durations.toReversed();
    await Promise.all(
      reversed.map((duration, i) => sessions.refresh({ app, token: tokens[i], duration })),
    );
    await shows(tokens, reversed);
  });

  test('a duration left out is 86,400 s', async () => {
    const { sessions, redis } = open();
    const app = freshName();
    await livesFor(redis, 86_400_000, async () => {
      return sessionKey(app, OWNER, await sessions.create({ app, ownerId: OWNER, data: {} }));
    });
  });

  test('update keeps the expiry, or that there is none', async () => {
    const { sessions, redis } = open();
    const app = freshName();
    await livesFor(redis, 600_000, async () => {
      const token = await sessions.create({ app, ownerId: OWNER, data: {}, duration: 600 });
      await sessions.update({ app, token, data: { a: 1 } });
      return sessionKey(app, OWNER, token);
    });
    const token = await sessions.create({ app, ownerId: OWNER, data: {}, duration: Infinity });
    await sessions.update({ app, token, data: { a: 1 } });
    assert.equal(await redis.pttl(sessionKey(app, OWNER, token)), -1);
  });

  const endless = [
    ['Infinity', Infinity],
    ['more than 2^53 ms', 2 ** 53 / 1000 + 10],
    ['a number near the end of 64 bits', 9.2e15],
    ['the largest number', Number.MAX_VALUE],
  ];
  for (const [label, duration] of endless) {
    test(`${label} never expires: create and refresh leave no expiry`, async () => {
      const { sessions, redis } = open();
      const app = freshName();
      const token = await sessions.create({ app, ownerId: OWNER, data: {}, duration });
      const key = sessionKey(app, OWNER, token);
      assert.equal(await redis.pttl(key), -1);
      assert.equal(await sessions.refresh({ app, token, duration: 60 }), true);
      assert.ok((await redis.pttl(key)) > 0);
      assert.equal(await sessions.refresh({ app, token, duration }), true);
      assert.equal(await redis.pttl(key), -1);
    });
  }

  test('a defaultDuration of Infinity never expires', async () => {
    const { sessions, redis } = open({ defaultDuration: Infinity });
    const app = freshName();
    const token = await sessions.create({ app, ownerId: OWNER, data: {} });
    assert.equal(await redis.pttl(sessionKey(app, OWNER, token)), -1);
  });
});
