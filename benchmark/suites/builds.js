'use strict';

// Compares `get` of this build with another build, which `--before` names. One process loads both and gives them turns
// of 100 ms, because two processes differ more than two builds do.

const path = require('node:path');
const { Contestant } = require('../contestant');
const { summary } = require('../statistics');

const levels = [1, 16, 64, 1000];

/** @param {import('../bench').Bench} bench */
module.exports = async (bench) => {
  if (bench.before === undefined) return;
  const rounds = bench.choose(12, 4);
  await bench.onServer(async (stage) => {
    const builds = [path.join(__dirname, '..', '..'), path.resolve(bench.before)];
    for (const level of levels) {
      const ratios = [];
      for (let round = 0; round < rounds; round++) {
        bench.progress.show(`two builds, ${level} in flight`, round, rounds);
        const pair = new Contestant('two builds', 'processes/builds.js');
        try {
          // Loading order may affect the speed, so every second round reverses it.
          const isReversed = round % 2 === 1;
          const order = isReversed ? builds.toReversed() : builds;
          await pair.ask('open', { builds: order, url: stage.server.url });
          const ratio = await pair.ask('compare', { level, slices: bench.choose(15, 7) });
          ratios.push(isReversed ? 1 / ratio : ratio);
        } finally {
          pair.end();
        }
      }
      bench.report(`builds.${level}`, summary(ratios));
    }
  });
};
