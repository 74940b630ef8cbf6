'use strict';

// Runs races many times, on every target, with and without connections that are cut.
//
//     RACES=20000 node --test __test__/racers.test.js       more rounds of each race

const assert = require('node:assert/strict');
const { before, describe, test } = require('node:test');
const { assertSwept } = require('./race-checks.js');
const { repeat } = require('./scripts.js');
const { forEachTarget, freshName } = require('./targets.js');

const ROUNDS = Number(process.env.RACES ?? 2000);
/** Rounds while connections are cut, which take longer. */
const CUT_ROUNDS = Math.ceil(ROUNDS / 10);
const AT_ONCE = 50;
/** Cuts in each race. Not more, because an instance waits longer after each one before it connects. */
const CUTS = 4;

/** @typedef {import('./race-checks.js').Track} Track */

/**
 * Defines a test of each race on each target.
 *
 * @param {Record<string, (track: Track, n: number) => Promise<void>>} races
 * @param {object} options
 * @param {Record<string, number>} [options.share] the share of the rounds of races that take much longer than the others
 * @param {Record<string, string[]>} options.mustHappen outcomes that chance decides. Each must have happened, or the
 *   calls did not race
 * @param {object} [options.options] of the instances
 */
function runRaces(races, { share = {}, mustHappen, options = {} }) {
  /** @param {() => Promise<unknown>} [disturb] what is done in the middle, a few times */
  async function runRace(label, rounds, track, disturb) {
    const count = Math.ceil(rounds * (share[label] ?? 1));
    const every = Math.ceil(count / (CUTS + 1));
    // At most as many at once as there are rounds between two cuts.
    await repeat(count, Math.min(AT_ONCE, every), async (n) => {
      const race = races[label](track, n);
      const [end] = await Promise.allSettled([race, n % every === every >> 1 && disturb?.()]);
      if (end.status === 'rejected') throw end.reason;
    });
    await assertSwept(track);
    if (!track.certain) return; // a call that is sent again may act late
    for (const outcome of mustHappen[label] ?? [])
      assert.ok(track.outcomes.has(outcome), `this never happened: ${outcome}`);
  }

  forEachTarget((target, open) => {
    const openTwo = (more) => {
      const settings = { ...options, ...more };
      const { sessions: a, redis } = open(settings);
      return { a, b: target === 'memory' ? a : open(settings).sessions, redis };
    };

    describe('of two instances', () => {
      let instances;
      before(() => {
        instances = openTwo();
      });
      for (const label of Object.keys(races))
        test(label, () => runRace(label, ROUNDS, freshTrack(instances, true)));
    });

    if (target === 'memory') return;
    describe('of two instances whose connections are cut', () => {
      for (const label of Object.keys(races)) {
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
}

/** @returns {Track} */
const freshTrack = (instances, certain) => ({
  ...instances,
  app: freshName(),
  certain,
  outcomes: new Set(),
});

/** Cuts all connections except those of `redis`, and resolves to their number. */
async function cutConnections(redis) {
  const nodes = redis.nodes ? redis.nodes('master') : [redis];
  const counts = nodes.map((node) => node.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes'));
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}

module.exports = { runRaces };
