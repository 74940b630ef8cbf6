'use strict';

// Measures how long `require` of the package takes in a fresh process, and the size of the addon's file.

const { statSync } = require('node:fs');
const path = require('node:path');
const { execFile } = require('../../scripts/children.js');
const { summary } = require('../statistics');

/** @param {import('../bench').Bench} bench */
module.exports = async (bench) => {
  const times = [];
  let addon;
  const rounds = bench.choose(31, 11);
  for (let round = 0; round <= rounds; round++) {
    bench.progress.show('loading the package', round, rounds);
    const script = path.join(__dirname, '..', 'processes', 'load-time.js');
    const { stdout } = await execFile(process.execPath, [script]);
    const loaded = JSON.parse(stdout);
    addon = loaded.addon;
    if (round > 0) times.push(loaded.ms);
  }
  bench.report('load.time', summary(times));
  const megabytes = statSync(addon).size / 1e6;
  bench.report('load.size', { median: megabytes, min: megabytes, max: megabytes });
};
