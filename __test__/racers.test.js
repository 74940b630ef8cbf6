'use strict';

// Two calls race thousands of times, with and without connections that are cut. Only this suite looks into Redis after
// each race. So it finds leftovers that no answer shows: a key, a member of an index, a record without an expiry. Only
// this suite aims at rare moments: the expiry of a session, and the time between two steps of killAll.
//
//     RACES=20000 node --test __test__/racers.test.js       more rounds of each race

const assert = require('node:assert/strict');
const { before, describe, test } = require('node:test');
const { RACES } = require('./support/races.js');
const { repeat } = require('./support/scripts.js');
const { forEachTarget, freshName } = require('./support/targets.js');

const ROUNDS = Number(process.env.RACES ?? 2000);
/** Rounds while connections are cut, which take longer. */
const CUT_ROUNDS = Math.ceil(ROUNDS / 10);
const AT_ONCE = 50;
/** Cuts in each race. Not more, because an instance waits longer after each one before it connects. */
const CUTS = 4;

/** Races that take much longer than the others: a round of one of these has hundreds of calls. */
const SHARE = {
  'killAll during a hundred creates leaves no session out of the index': 0.1,
  // Together, the four targets have ROUNDS.
  'killAll in steps ends all sessions that were there at its start, whatever is refreshed and created': 0.25,
};

/** Outcomes that chance decides. Each must have happened, or the calls did not race. */
const MUST_HAPPEN = {
  'killAll in steps ends all sessions that were there at its start, whatever is refreshed and created':
    ['between two steps'],
  'refresh at the expiry resolves to true for a session that lives on, and to false for one that is gone':
    ['in time', 'too late'],
  'update at the expiry does not lengthen the life of the session': ['in time', 'too late'],
};

/**
 * @param {string} label
 * @param {number} rounds
 * @param {import('./support/races.js').Track} track
 * @param {() => Promise<unknown>} [disturb] what is done in the middle, a few times
 */
async function runRace(label, rounds, track, disturb) {
  const count = Math.ceil(rounds * (SHARE[label] ?? 1));
  const every = Math.ceil(count / (CUTS + 1));
  // At most as many at once as there are rounds between two cuts.
  await repeat(count, Math.min(AT_ONCE, every), async (n) => {
    const race = RACES[label](track, n);
    const [end] = await Promise.allSettled([race, n % every === every >> 1 && disturb?.()]);
    if (end.status === 'rejected') throw end.reason;
  });
  if (!track.certain) return; // a call that is sent again may act late
  for (const outcome of MUST_HAPPEN[label] ?? [])
    assert.ok(track.outcomes.has(outcome), `this never happened: ${outcome}`);
}

const freshTrack = (instances, certain) => ({
  ...instances,
  app: freshName(),
  certain,
  outcomes: new Set(),
});

forEachTarget((target, open) => {
  const openTwo = (options) => {
    const { sessions: a, redis } = open(options);
    return { a, b: target === 'memory' ? a : open(options).sessions, redis };
  };

  describe('of two instances', () => {
    let instances;
    before(() => {
      instances = openTwo();
    });
    for (const label of Object.keys(RACES))
      test(label, () => runRace(label, ROUNDS, freshTrack(instances, true)));
  });

  if (target === 'memory') return;
  describe('of two instances whose connections are cut', () => {
    for (const label of Object.keys(RACES)) {
      test(label, async () => {
        const { a, b, redis } = openTwo({ commandTimeout: 60_000 });
        // Connects, so that there is something to cut.
        for (const sessions of [a, b]) await sessions.get({ app: 'any', token: 'A'.repeat(172) });
        let cuts = 0;
        const cut = async () => {
          cuts += await cutConnections(redis);
        };
        await runRace(label, CUT_ROUNDS, freshTrack({ a, b, redis }, false), cut);
        assert.ok(cuts > 0, 'connections were cut');
        await Promise.all([a.close(), b.close()]);
      });
    }
  });
});

/** Cuts all connections except those of `redis`, and resolves to their number. */
async function cutConnections(redis) {
  const nodes = redis.nodes ? redis.nodes('master') : [redis];
  const counts = nodes.map((node) => node.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes'));
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}
