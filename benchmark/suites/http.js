'use strict';

// An HTTP server that looks up one session per request, under load from another process.

const { Contestant, labelBeside } = require('../contestant');
const { measureHttp } = require('../http-measure');

/** Framework, connections, and the target ids: `target` is against ioredis, `ofNone` against no look-up. */
const runs = [
  { framework: 'node:http', connections: 1, target: 'http.1' },
  { framework: 'node:http', connections: 8, target: 'http.8' },
  { framework: 'node:http', connections: 64, target: 'http.64', ofNone: 'http.none' },
  { framework: 'fastify', connections: 64, target: 'http.fastify' },
];

/** @param {import('../bench').Bench} bench */
module.exports = (bench) =>
  bench.onServer(async (stage) => {
    const load = new Contestant('autocannon', 'processes/http-load.js');
    try {
      const [ours, ioredis, none] = lookUps([bench.subject, 'ioredis', 'no-lookup']);
      for (const run of runs) {
        const rounds = await measure(bench, stage, load, [ours, ioredis, none], run);
        const ratio = (peer) => rounds.ratio(ours.label, peer.label, 'callsPerSecond');
        bench.report(run.target, ratio(ioredis));
        if (run.ofNone) bench.report(run.ofNone, ratio(none));
      }
    } finally {
      load.end();
    }
  });

/** The contestants. Each gets its own database. @param {string[]} peers */
function lookUps(peers) {
  const contestants = [];
  for (const [db, peer] of peers.entries()) {
    contestants.push({ peer, db, label: labelBeside(peer, contestants) });
  }
  return contestants;
}

/** Each measurement starts a new HTTP server and opens its connections once; http-load.js gives the reason. */
function measure(bench, stage, load, contestants, { framework, connections }) {
  return bench.alternate(
    `${framework}, ${connections} ${connections === 1 ? 'connection' : 'connections'}`,
    {
      contestants,
      rounds: bench.choose(9, 2),
      warmUp: false,
      async measure({ peer, db }) {
        const server = await Contestant.open(peer, `${stage.server.url}/${db}`);
        try {
          await server.ask('fill', { count: connections, size: 170 });
          const handles = await server.ask('handles', { count: connections });
          const port = await server.ask('serve', { framework });
          return await measureHttp(bench, load, server, { port, handles });
        } finally {
          server.end();
        }
      },
    },
  );
}
