'use strict';

// `get` among 100,000 live sessions, compared with the algorithm of version 1, which scans them all.

const size = 250;
const sessions = 100000;
const inFlight = 64;

/** @param {import('../bench').Bench} bench */
module.exports = (bench) =>
  bench.onServer(async (stage) => {
    const [ours, version1] = await stage.openAll([bench.subject, 'version-1']);
    bench.progress.show(`creating ${sessions} sessions for each`);
    for (const contestant of stage.contestants) {
      await contestant.ask('fill', { count: sessions, keep: 10000, size });
    }

    // Version 1 answers in bursts of 64, as many as are in flight, so its run has a number of calls and no time limit.
    const runs = new Map([
      [ours, { ms: bench.choose(600, 300) }],
      [version1, { calls: bench.choose(2, 1) * inFlight }],
    ]);
    const rounds = await bench.alternate(`get, ${sessions} sessions, ${inFlight} in flight`, {
      contestants: [ours, version1],
      rounds: bench.choose(7, 2),
      measure: (contestant) =>
        stage.measure(contestant, { operation: 'get', inFlight, ...runs.get(contestant) }),
    });
    bench.report('get.version1', rounds.ratio(ours.label, version1.label, 'callsPerSecond'));
  });
