'use strict';

// `lifetime`: a session ends so many seconds after its creation, whatever happens.

const assert = require('node:assert/strict');
const { before, describe, test } = require('node:test');
const { sessionKey } = require('./support/keys.js');
const { forEachTarget, freshName } = require('./support/targets.js');
const { expiryOf, slackOf } = require('./support/times.js');
const { waitUntil } = require('./support/wait-until.js');

const ownerId = 'alice';

forEachTarget((_target, open) => {
  let sessions;
  let redis;
  let slack;
  before(async () => {
    ({ sessions, redis } = open());
    slack = await slackOf(redis);
  });

  /** A new session. `life` tells from its creation to its end, in ms, also by the key itself. */
  async function newSession(more, by = sessions) {
    const app = freshName();
    const token = await by.create({ app, ownerId, data: {}, ...more });
    const life = async (current = token) => {
      const [{ createdAt, expiresAt }] = await by.list({ app, ownerId });
      if (redis) {
        const expiry = await expiryOf(redis, sessionKey(app, ownerId, current));
        if (expiresAt === undefined) assert.equal(expiry, -1);
        else assert.ok(Math.abs(expiry - expiresAt) <= slack, `${expiry} ${+expiresAt}`);
      }
      return expiresAt === undefined ? Infinity : expiresAt - createdAt;
    };
    return { app, token, life };
  }

  describe('a lifetime', () => {
    for (const [duration, lifetime, ms] of [
      [600, 60, 60_000],
      [Infinity, 60, 60_000],
      [undefined, 60, 60_000],
      [600, 6000, 600_000],
      [600, 600, 600_000],
      [600, Infinity, 600_000],
      [Infinity, Infinity, Infinity],
      [600, 1.234, 1234],
      [600, 1e15, 600_000],
      [600, Number.MAX_VALUE, 600_000],
    ]) {
      test(`of ${lifetime} s ends a session of ${duration} s after ${ms} ms`, async () => {
        // The shortest could be over on a slow machine.
        await waitUntil(async () => {
          const { life } = await newSession({ duration, lifetime });
          const lived = await life().catch((error) => {
            if (ms > 10_000) throw error;
          });
          if (lived !== undefined) assert.equal(lived, ms);
          return lived !== undefined;
        }, 'the session to be seen');
      });
    }

    test('is not exceeded by refresh, by not a millisecond', async () => {
      const { app, token, life } = await newSession({ duration: 60, lifetime: 600 });
      for (const duration of [601, 6000, 1e12, Infinity, Number.MAX_VALUE]) {
        assert.equal(await sessions.refresh({ app, token, duration: 60 }), true);
        assert.ok((await life()) < 600_000);
        assert.equal(await sessions.refresh({ app, token, duration }), true);
        assert.equal(await life(), 600_000);
      }
    });

    test('leaves a shorter refresh alone', async () => {
      const { app, token, life } = await newSession({ duration: 600, lifetime: 6000 });
      await sessions.refresh({ app, token, duration: 60 });
      assert.ok((await life()) >= 60_000 && (await life()) < 600_000);
    });

    test('is not exceeded by a use of a sliding session', async () => {
      const { app, token, life } = await newSession({
        duration: 600,
        lifetime: 600,
        sliding: true,
      });
      await sessions.refresh({ app, token, duration: 60 });
      await sessions.update({ app, token, data: { a: 1 } });
      assert.equal(await life(), 600_000);
      await sessions.refresh({ app, token, duration: 60 });
      await waitUntil(async () => {
        await sessions.get({ app, token });
        return (await life()) === 600_000;
      }, 'a get to extend it to the end of its lifetime');
      for (let n = 0; n < 5; n++) {
        await sessions.get({ app, token });
        await sessions.update({ app, token, data: { n } });
        assert.equal(await life(), 600_000);
      }
    });

    test('stays after rotate, and after an update that has folded the record', async () => {
      const { sessions: small } = open({ maxDataSize: 1024 });
      const { app, token, life } = await newSession({ duration: 60, lifetime: 600 }, small);
      const fresh = await small.rotate({ app, token });
      for (const letter of 'abcdef') {
        const data = { text: letter.repeat(900) };
        assert.equal(await small.update({ app, token: fresh, data }), true);
        await small.refresh({ app, token: fresh, duration: 60 });
        await small.refresh({ app, token: fresh, duration: Infinity });
        assert.equal(await life(fresh), 600_000);
      }
      const again = await small.rotate({ app, token: fresh });
      assert.equal(await life(again), 600_000);
      await small.refresh({ app, token: again, duration: 6000 });
      assert.equal(await life(again), 600_000);
    });

    test('ends a session although it is used and refreshed all the time', async () => {
      const { app, token } = await newSession({ duration: 600, lifetime: 0.05, sliding: true });
      await waitUntil(async () => {
        await sessions.refresh({ app, token, duration: Infinity });
        await sessions.update({ app, token, data: { a: 1 } });
        return (await sessions.get({ app, token })) === undefined;
      }, 'the lifetime to end');
      assert.equal(await sessions.refresh({ app, token, duration: Infinity }), false);
      assert.equal(await sessions.killAll({ app, ownerId }), false);
    });

    test('of one session is not that of another in the same batch', async () => {
      const lifetimes = [60, Infinity, 70, 600, undefined, 80];
      const made = await Promise.all(
        Array.from({ length: 60 }, (_, n) =>
          newSession({ duration: 300, lifetime: lifetimes[n % 6] }),
        ),
      );
      await Promise.all(
        made.map(({ app, token }) => sessions.refresh({ app, token, duration: Infinity })),
      );
      const lives = await Promise.all(made.map(({ life }) => life()));
      const expected = lifetimes.map((lifetime = Infinity) => lifetime * 1000);
      for (const [n, life] of lives.entries()) assert.equal(life, expected[n % 6]);
    });
  });

  test('the option lifetime is the default of create, and create can lift it', async () => {
    const { sessions: limited } = open({ lifetime: 60, defaultDuration: 600 });
    for (const [lifetime, ms] of [
      [undefined, 60_000],
      [30, 30_000],
      [90, 90_000],
      [Infinity, 600_000],
    ]) {
      const { life } = await newSession({ lifetime }, limited);
      assert.equal(await life(), ms, `lifetime: ${lifetime}`);
    }
  });
});
