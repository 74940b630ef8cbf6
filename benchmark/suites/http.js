'use strict';

// An HTTP server that looks up one session per request, under load from another process.

const { Contestant } = require('../contestant');

const connections = 64;

/** @param {import('../bench').Bench} bench */
module.exports = (bench) =>
  bench.onServer(async (stage) => {
    const load = new Contestant('autocannon', 'http-load.js');
    try {
      await measure(bench, stage, load);
    } finally {
      load.end();
    }
  });

async function measure(bench, stage, load) {
  const [none, ours, ioredis] = await stage.openAll(['no-lookup', bench.subject, 'ioredis']);
  const targets = new Map();
  for (const contestant of stage.contestants) {
    await contestant.ask('fill', { count: connections, size: 170 });
    targets.set(contestant, {
      port: await contestant.ask('serve', { framework: 'node:http' }),
      handles: await contestant.ask('handles', { count: connections }),
    });
  }

  const seconds = bench.choose(3, 1);
  const rounds = await bench.alternate(`node:http, ${connections} connections`, {
    contestants: [ours, ioredis, none],
    rounds: bench.choose(9, 3),
    async measure(contestant) {
      const before = await contestant.ask('cpu');
      const asked = { ...targets.get(contestant), seconds };
      const { requests, failed, ...measured } = await load.ask('load', asked);
      const after = await contestant.ask('cpu');
      if (failed > 0) throw new Error(`${contestant.label}: ${failed} requests failed`);
      return {
        ...measured,
        mainThreadMicros: (after.mainThreadMicros - before.mainThreadMicros) / requests,
        processMicros: (after.processMicros - before.processMicros) / requests,
      };
    },
  });
  bench.report('http', rounds.ratio(ours.label, ioredis.label, 'callsPerSecond'));
}
