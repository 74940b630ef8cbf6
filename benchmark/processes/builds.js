'use strict';

// A process that loads two builds of the package and compares their `get`.

const { performance } = require('node:perf_hooks');
const { app, sessionOf } = require('../payload');
const { answer } = require('../requests');
const { median } = require('../statistics');

const SESSIONS = 1000;
const SLICE_MS = 100;

/** @type {{ sessions: any, tokens: string[], next: number }[]} */
let builds;

/**
 * Runs one slice and returns the calls per millisecond.
 *
 * @param {typeof builds[number]} build
 * @param {number} level how many calls are in flight
 */
async function slice(build, level) {
  const begun = performance.now();
  let calls = 0;
  const lane = async () => {
    while (performance.now() < begun + SLICE_MS) {
      // Read the clock only every 8 calls, because reading it takes time too.
      for (let call = 0; call < 8; call++) {
        await build.sessions.get({ app, token: build.tokens[build.next++ % SESSIONS] });
      }
      calls += 8;
    }
  };
  await Promise.all(Array.from({ length: level }, lane));
  return calls / (performance.now() - begun);
}

answer({
  async open({ builds: folders, url }) {
    builds = [];
    for (const folder of folders) {
      const { SpotsSessions } = require(folder);
      const sessions = new SpotsSessions(url);
      const creates = Array.from({ length: SESSIONS }, (_, n) =>
        sessions.create(sessionOf(170, n)),
      );
      builds.push({ sessions, tokens: await Promise.all(creates), next: 0 });
    }
  },

  /** The median ratio of the first build's call rate to the second's. */
  async compare({ level, slices }) {
    const ratios = [];
    for (let round = -2; round < slices; round++) {
      const order = round % 2 === 0 ? builds : builds.toReversed();
      const rates = new Map();
      for (const build of order) rates.set(build, await slice(build, level));
      if (round >= 0) ratios.push(rates.get(builds[0]) / rates.get(builds[1]));
    }
    return median(ratios);
  },
});
