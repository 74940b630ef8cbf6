'use strict';

// An HTTP server that looks up one session per request, under load from another process.

const { Contestant } = require('../contestant');

const connections = 64;

/** By framework, the target that it is judged by. */
const frameworks = { 'node:http': 'http', fastify: 'http.fastify' };

/** @param {import('../bench').Bench} bench */
module.exports = (bench) =>
  bench.onServer(async (stage) => {
    const load = new Contestant('autocannon', 'processes/http-load.js');
    try {
      const [none, ours, ioredis] = await stage.openAll(['no-lookup', bench.subject, 'ioredis']);
      for (const contestant of stage.contestants) {
        await contestant.ask('fill', { count: connections, size: 170 });
      }
      for (const [framework, target] of Object.entries(frameworks)) {
        const rounds = await measure(bench, load, [ours, ioredis, none], framework);
        bench.report(target, rounds.ratio(ours.label, ioredis.label, 'callsPerSecond'));
      }
    } finally {
      load.end();
    }
  });

async function measure(bench, load, contestants, framework) {
  const targets = new Map();
  for (const contestant of contestants) {
    targets.set(contestant, {
      port: await contestant.ask('serve', { framework }),
      handles: await contestant.ask('handles', { count: connections }),
    });
  }

  const seconds = bench.choose(1.6, 0.5);
  return bench.alternate(`${framework}, ${connections} connections`, {
    contestants,
    rounds: bench.choose(7, 2),
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
}
