'use strict';

// Compares the same server through sentinels and by its own address. Both should be equally fast.

const { startSentinels } = require('../sentinel');

const size = 250;
const sessions = 1000;
const spare = 100;

/** @param {import('../bench').Bench} bench */
module.exports = (bench) =>
  bench.onServer(async (stage) => {
    const sentinels = await startSentinels(stage.server);
    try {
      await measure(bench, stage, sentinels);
    } finally {
      await sentinels.stop();
    }
  });

async function measure(bench, stage, sentinels) {
  const direct = await stage.open(bench.subject, 0);
  direct.label = 'by its own address';
  const found = await stage.open(bench.subject, 1, sentinels.urlOf(1));
  found.label = 'through Sentinel';
  for (const contestant of stage.contestants)
    await contestant.ask('fill', { count: sessions, size });

  for (const operation of ['get', 'mix']) {
    for (const inFlight of [64, 1000]) {
      const rounds = await bench.alternate(`Sentinel: ${operation}, ${inFlight} in flight`, {
        contestants: stage.contestants,
        rounds: bench.choose(5, 3),
        async measure(contestant) {
          if (operation === 'mix') await contestant.ask('spare', { count: spare, size });
          const run = { operation, size, inFlight, ms: bench.choose(300, 200) };
          return stage.measure(contestant, run);
        },
      });
      const ratio = rounds.ratio(found.label, direct.label, 'callsPerSecond');
      bench.report(`sentinel.${operation}.${inFlight}`, ratio);
    }
  }
}
