'use strict';

// A server whose clock is wrong for a while, as after a host was moved or its time was set by hand.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { movableClock } = require('../support/clock.js');
const { faultyServer } = require('../support/faults.js');
const { make, opened } = require('../support/foreign-checks.js');
const { waitUntil } = require('../support/wait-until.js');

const OWNERS = 40;
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const times = (count, make) => Array.from({ length: count }, (_, n) => make(n));

/** Jumps of the clock, and durations of sessions: seconds. Each session lives at least half a jump. */
const ROWS = [
  [HOUR, 31 * MINUTE],
  [HOUR, 45 * MINUTE],
  [HOUR, HOUR],
  [HOUR, 2 * HOUR],
  [HOUR, Number.POSITIVE_INFINITY],
  [20 * MINUTE, 11 * MINUTE],
  [20 * MINUTE, 19 * MINUTE],
];

for (const [jump, duration] of ROWS) {
  test(`R55 killAll misses no session of ${duration} s, also with a token from elsewhere, after the server's clock was ${jump} s ahead for a while`, async (t) => {
    const clock = movableClock(t);
    if (!clock) return t.skip('no C compiler for a clock that can be moved');
    const { open, app, redis } = await faultyServer(t, { env: clock.env });
    const now = async () => Number((await redis.time())[0]);
    const sessions = open();
    const place = { sessions, redis, app };
    const create = (ownerId) =>
      Promise.all([
        sessions.create({ app, ownerId, data: {}, duration }),
        make(place, { ownerId, durationMs: duration * 1000 }),
      ]);
    const owners = times(OWNERS, (n) => `owner ${n}`);
    const old = await Promise.all(owners.map(create));

    const real = await now();
    clock.set(jump);
    await waitUntil(async () => (await now()) - real >= jump, 'the clock to be ahead');
    const late = await Promise.all(owners.map(create));
    clock.set(0);
    await waitUntil(async () => (await now()) - real < jump, 'the clock to be right again');

    for (const [n, ownerId] of owners.entries()) {
      assert.equal(await sessions.killAll({ app, ownerId }), true);
      for (const token of [...old[n], ...late[n]])
        assert.equal(await opened(place, token), undefined, 'it survived killAll');
    }
    // A pointer may be left of a session that ended while the clock was ahead.
    assert.deepEqual(await redis.keys(`*${app}}:[so]:*`), []);
  });
}
