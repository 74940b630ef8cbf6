'use strict';

// Compares this build with another one, which `--before` names. One process loads both and gives them turns of about
// 100 ms, because two processes differ more than two builds do.

const path = require('node:path');
const { Contestant } = require('../contestant');
const { alternate } = require('../rounds');
const { summary } = require('../statistics');

const levels = [1, 16, 64, 1000];

/** A turn of `create` or of `kill` is this many calls, because `kill` needs a session for each. */
const calls = 6000;
const turns = { get: { ms: 100 }, create: { calls }, refresh: { ms: 100 }, kill: { calls } };

const ours = 'this build';
const theirs = 'the other build';

/** @param {import('../bench').Bench} bench */
module.exports = async (bench) => {
  if (bench.before === undefined) return;
  const builds = [
    { label: ours, folder: path.join(__dirname, '..', '..') },
    { label: theirs, folder: path.resolve(bench.before) },
  ];
  await bench.onServer(async (stage) => {
    for (const inFlight of levels) {
      const { get } = await compare(stage, builds, ['get'], inFlight, bench.choose(12, 4));
      bench.report(`builds.${inFlight}`, get);
    }
    const writes = ['create', 'refresh', 'kill'];
    const ratios = await compare(stage, builds, writes, 64, bench.choose(8, 4));
    for (const operation of writes) bench.report(`builds.${operation}`, ratios[operation]);
  });
};

/** For each operation, the ratio of the builds' calls per second in each of several processes. */
async function compare(stage, builds, operations, inFlight, processes) {
  const { bench } = stage;
  const ratios = operations.map(() => []);
  for (let number = 0; number < processes; number++) {
    bench.progress.show(
      `two builds, ${operations.join(', ')}, ${inFlight} in flight`,
      number,
      processes,
    );
    const pair = new Contestant('two builds', 'processes/builds.js');
    try {
      await stage.redis.flushall();
      // Loading order may affect the speed, so every second process reverses it.
      const order = number % 2 === 0 ? builds : builds.toReversed();
      await pair.ask('open', { builds: order, url: stage.server.url });
      const rounds = await alternate({
        contestants: order,
        rounds: bench.choose(15, 7),
        measure: ({ label }) => measure(pair, label, operations, inFlight),
        progress() {},
      });
      for (const [n, operation] of operations.entries()) {
        ratios[n].push(rounds.ratio(ours, theirs, operation).median);
      }
    } finally {
      pair.end();
    }
  }
  return Object.fromEntries(operations.map((operation, n) => [operation, summary(ratios[n])]));
}

/** The calls per second of each operation of a build. */
async function measure(pair, build, operations, inFlight) {
  const rates = {};
  for (const operation of operations) {
    const run = { build, operation, inFlight, ...turns[operation] };
    rates[operation] = (await pair.ask('run', run)).callsPerSecond;
  }
  return rates;
}
