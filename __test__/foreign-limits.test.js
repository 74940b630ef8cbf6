'use strict';

// Owners with very many sessions whose token was not made for them, and what is left in Redis of sessions that have ended.

const assert = require('node:assert/strict');
const { before, test } = require('node:test');
const foreign = require('../lib/foreign.js');
const { make, openedBy } = require('./support/foreign-checks.js');
const { stepByStep } = require('./support/foreign-steps.js');
const { repeat } = require('./support/scripts.js');
const { forEachTarget, freshName } = require('./support/targets.js');
const { waitUntil } = require('./support/wait-until.js');

const ownerId = 'ann';

forEachTarget((_target, open) => {
  let sessions;
  let redis;
  before(() => {
    ({ sessions, redis } = open());
  });

  /** Many sessions of one owner. */
  async function many(count, more) {
    const place = { sessions, redis, app: freshName() };
    const tokens = [];
    await repeat(count, 200, async () => tokens.push(await make(place, more)));
    return { place, tokens };
  }

  // The pointers of sessions that never expire have one score, and are dropped while they are read.
  test('killAll ends all sessions of an owner that never expire', async () => {
    const { place, tokens } = await many(2500, { durationMs: Infinity });
    assert.equal(await sessions.killAll({ app: place.app, ownerId }), true);
    assert.equal((await openedBy(place, tokens)).length, 0);
  });

  test('killAll ends all sessions of an owner while others of them are ended one by one', async () => {
    const { place, tokens } = await many(2500, { durationMs: Infinity });
    const some = tokens.filter((_, n) => n % 2);
    const [killed] = await Promise.all([
      sessions.killAll({ app: place.app, ownerId }),
      ...some.map((token) => sessions.kill({ app: place.app, token })),
    ]);
    assert.equal(killed, true);
    assert.equal((await openedBy(place, tokens)).length, 0);
  });

  test('a list has a session that lives, however many pointers are left of others', async () => {
    const place = { sessions, redis, app: freshName() };
    const token = await make(place);
    const { app } = place;
    // Each leaves a pointer, because the token opens a session.
    const refused = { app, token, ownerId, data: {}, durationMs: 1e9, replace: false };
    for (let n = 0; n < 5; n++) assert.equal(await foreign.create(sessions, refused), false);
    assert.equal((await sessions.list({ app, ownerId, limit: 1 })).length, 1);
    const ended = await make(place, { durationMs: Infinity });
    assert.equal(await sessions.refresh({ app, token: ended, duration: 0.02 }), true);
    await waitUntil(async () => (await openedBy(place, [ended])).length === 0, 'it to end');
    assert.equal((await sessions.list({ app, ownerId, limit: 1 })).length, 1);
  });

  test('killAll ends a session whose pointer a rotation moves to a page that was read', async () => {
    const { place, tokens } = await many(1200);
    const { app } = place;
    const [token] = tokens;
    // A refresh that ends between its steps leaves a pointer that is kept longer than its session says.
    const dies = stepByStep(sessions, ({ letter }) => {
      if (letter === 'R') throw new Error('it dies here');
    });
    const refresh = () => foreign.refresh(dies, { app, token, durationMs: 6_000_000 });
    if (redis) await assert.rejects(refresh, /it dies here/);
    let pages = 0;
    const stepped = stepByStep(sessions, async ({ letter }) => {
      if (letter === 'Q' && ++pages === 2) tokens.push(await sessions.rotate({ app, token }));
    });
    assert.equal(await stepped.killAll({ app, ownerId }), true);
    if (redis) assert.equal(tokens.length, 1201);
    assert.equal((await openedBy(place, tokens)).length, 0);
  });

  test('maxSessions ends no session that has taken the place of the one that it had to end', async () => {
    const limited = { sessions: open({ maxSessions: 1 }).sessions, redis, app: freshName() };
    const place = { ...limited, sessions };
    const token = await make(place);
    const stepped = stepByStep(limited.sessions, ({ letter }) =>
      letter === 'K' ? make(place, { token, ownerId, data: { made: 'again' } }) : undefined,
    );
    await make({ ...place, sessions: stepped });
    if (redis) assert.ok(stepped.steps.endsWith('K'));
    const again = await openedBy(place, [token]);
    if (redis) assert.equal(again[0]?.made, 'again');
  });
});
