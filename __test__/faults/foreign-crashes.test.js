'use strict';

// The process dies in each gap between the steps of a call on a session whose token was not made for its owner. Another
// process then finds what lives, and ends it.

const assert = require('node:assert/strict');
const { before, describe, test } = require('node:test');
const foreign = require('../../lib/foreign.js');
const checks = require('../support/foreign-checks.js');
const { inEachGap, stepByStep } = require('../support/foreign-steps.js');
const { runScript } = require('../support/scripts.js');
const { forEachTarget, freshName } = require('../support/targets.js');

const { assertFound, make, newToken, opened, openedBy, recordsIn } = checks;

/** The calls, in the other process, and who owns the session before, if there is one. */
const CALLS = {
  create: ['nothing', 'foreign.create(it, { ...given.session, replace: false })'],
  'create in the place of a session': [
    'bob',
    'foreign.create(it, { ...given.session, replace: true })',
  ],
  claim: ['bob', "foreign.claim(it, { ...given.session, ...patch, before: 'bob', after: 'ann' })"],
  'claim of an anonymous session': [
    undefined,
    "foreign.claim(it, { ...given.session, ...patch, before: undefined, after: 'ann' })",
  ],
  rotate: ['ann', 'it.rotate({ app: given.session.app, token: given.session.token })'],
  refresh: ['ann', 'foreign.refresh(it, { ...given.session, durationMs: 3_600_000 })'],
  kill: ['ann', 'it.kill({ app: given.session.app, token: given.session.token })'],
  'kill by id': ['ann', "it.kill({ app: given.session.app, ownerId: 'ann', id: given.id })"],
  killAll: ['ann', "it.killAll({ app: given.session.app, ownerId: 'ann' })"],
  list: ['ann', "it.list({ app: given.session.app, ownerId: 'ann' })"],
};

/** The process dies before a step, or behind the last one: at the answer, with what the engine does behind it not awaited. */
const SCRIPT = `
  const { writeSync } = require('node:fs');
  const foreign = require(root + '/lib/foreign.js');
  const { stepByStep } = require(root + '/__test__/support/foreign-steps.js');
  const patch = { set: {}, deleted: [] };
  const sessions = new SpotsSessions(given.options);
  const dieIn = (gap) => gap === given.gap && process.kill(process.pid, 'SIGKILL');
  const it = stepByStep(sessions, ({ n }) => dieIn(n));
  const end = () => {
    writeSync(1, 'resolved');
    dieIn(it.steps.length);
    return sessions.close();
  };`;

forEachTarget((target, open) => {
  if (target === 'memory') return;
  let sessions;
  let redis;
  let connectionString;
  before(() => {
    ({ sessions, redis, connectionString } = open());
  });

  for (const [label, [owner, call]] of Object.entries(CALLS)) {
    describe(label, () => {
      test('leaves what others find and end, whenever its process dies', async () => {
        for (let gap = 0; ; gap++) {
          const place = { sessions, redis, app: freshName() };
          const token = owner === 'nothing' ? newToken() : await make(place, { ownerId: owner });
          const other = await make(place, { ownerId: 'cid' });
          const session = {
            app: place.app,
            token,
            ownerId: 'ann',
            data: { made: 'it' },
            durationMs: 60_000,
          };
          const given = { gap, session, id: checks.publicIdOf(token) };
          const { died, resolved } = await dieIn(call, { ...given, options: { connectionString } });
          if (!died) {
            assert.ok(gap >= 2, 'its process died');
            break;
          }
          const isKilled = resolved && label.startsWith('kill');
          if (isKilled) assert.equal(await opened(place, token), undefined);
          await assertRight(place, label, [token, other]);
        }
      });
    });
  }

  for (const label of ['create', 'claim of an anonymous session'])
    test(`maxSessions holds from the next login on, whenever the process of a ${label} dies`, async () => {
      const maxSessions = 2;
      const limited = open({ maxSessions }).sessions;
      const [owner, call] = CALLS[label];
      for (let gap = 0; ; gap++) {
        const place = { sessions, redis, app: freshName() };
        const { app } = place;
        const token = owner === 'nothing' ? newToken() : await make(place, { ownerId: owner });
        const tokens = [token, await make(place), await make(place)];
        const session = { app, token, ownerId: 'ann', data: { made: 'it' }, durationMs: 60_000 };
        const options = { connectionString, maxSessions };
        const { died } = await dieIn(call, { gap, session, options });
        const count = (await sessions.list({ app, ownerId: 'ann' })).length;
        if (!died) {
          assert.equal(count, maxSessions);
          assert.ok(gap >= 3, 'its process died');
          break;
        }
        assert.ok(count >= maxSessions);
        const last = await make({ ...place, sessions: limited });
        const ids = (await sessions.list({ app, ownerId: 'ann' })).map(({ id }) => id);
        assert.equal(ids.length, maxSessions);
        assert.ok(ids.includes(checks.publicIdOf(last)));
        await assertFound(place, [...tokens, last]);
      }
    });

  const patch = { set: {}, deleted: [], durationMs: 600_000 };
  /** Calls that make a pointer, and who owns the session before. */
  const POINTING = {
    create: ['ann', (it, { app, token }) => make({ sessions: it, app }, { token })],
    claim: [
      'bob',
      (it, address) => foreign.claim(it, { ...address, ...patch, before: 'bob', after: 'ann' }),
    ],
    rotate: ['ann', (it, address) => it.rotate(address)],
  };
  for (const [label, [owner, call]] of Object.entries(POINTING)) {
    test(`${label} leaves its pointer, although a failover loses those of the owner between two steps`, () =>
      inEachGap(async () => {
        const place = { sessions, redis, app: freshName() };
        const { app } = place;
        const tokens = [await make(place, { ownerId: owner })];
        return {
          sessions,
          call: (it) => call(it, { app, token: tokens[0] }),
          act: () => redis.del(checks.pointersKey(app, 'ann')),
          check: ({ value }) =>
            assertFound(place, [...tokens, typeof value === 'string' ? value : tokens[0]]),
        };
      }));
  }

  test('a pointer that is lost is put back by the touches of one duration', async () => {
    const place = { sessions, redis, app: freshName() };
    const { app } = place;
    const durationMs = 2000;
    const token = await make(place, { durationMs });
    await redis.del(checks.pointersKey(app, 'ann'));
    const isListed = async () => (await sessions.list({ app, ownerId: 'ann' })).length === 1;
    assert.equal(await isListed(), false);
    const { expiresAt } = await sessions.info({ app, token });
    for (let now = 0; now < expiresAt.getTime() + durationMs; ) {
      assert.equal(await foreign.refresh(sessions, { app, token, durationMs }), true);
      now = (await sessions.info({ app, token })).expiresAt.getTime();
    }
    assert.equal(await isListed(), true);
    assert.equal(await sessions.killAll({ app, ownerId: 'ann' }), true);
    assert.equal(await opened(place, token), undefined);
  });

  for (const durationMs of [Infinity, 60_000])
    test(`a pointer that is lost of a session without an end is put back by a refresh for ${durationMs} ms`, async () => {
      const place = { sessions, redis, app: freshName() };
      const { app } = place;
      const token = await make(place, { durationMs: Infinity });
      await redis.del(checks.pointersKey(app, 'ann'));
      assert.equal(await foreign.refresh(sessions, { app, token, durationMs }), true);
      await assertFound(place, [token]);
    });

  test('a session that had no end once is refreshed in one step like others', async () => {
    const place = { sessions, redis, app: freshName() };
    const { app } = place;
    const token = await make(place, { durationMs: Infinity });
    const refresh = { app, token, durationMs: 60_000 };
    assert.equal(await foreign.refresh(sessions, refresh), true);
    const stepped = stepByStep(sessions, () => {});
    assert.equal(await foreign.refresh(stepped, refresh), true);
    assert.equal(stepped.steps, 'r');
  });
});

/**
 * Makes a call in a process that dies in a gap of it. Resolves to whether it died, and whether the call had resolved by then.
 *
 * @param {string} call
 * @param {object} given to the script
 */
async function dieIn(call, given) {
  const { signal, code, stdout, stderr } = await runScript(`${SCRIPT}\n${call}.then(end);`, {
    given,
  });
  if (code !== 0) assert.equal(signal, 'SIGKILL', stderr);
  return { died: code !== 0, resolved: stdout === 'resolved' };
}

/**
 * What holds at once: nothing is refreshed first, because a refresh puts back a pointer that is missing. A session may have
 * been rotated to a token that nobody knows.
 */
async function assertRight(place, label, tokens) {
  const { app, sessions } = place;
  const isMoved = (await recordsIn(place)).length > (await openedBy(place, tokens)).length;
  if (!isMoved) return assertFound(place, tokens);
  assert.equal(label, 'rotate');
  const [moved, ...others] = await sessions.list({ app, ownerId: 'ann' });
  assert.deepEqual(others, []);
  assert.equal(moved.data.made > 0, true);
  assert.equal(await sessions.killAll({ app, ownerId: 'ann' }), true);
  assert.equal((await recordsIn(place)).length, 1);
  return assertFound(place, tokens);
}
