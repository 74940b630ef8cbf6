'use strict';

// An Express application with express-session: SessionStore compared with connect-redis. Every request reads its session,
// and in the second workload it also changes one key. A store without a server shows the upper limit for all stores.

const { Contestant } = require('../contestant');
const { measureHttp } = require('../http-measure');

const connections = 64;

/** Express runs so much code that V8 takes seconds to optimise it. */
const seconds = { warmUp: 4, measured: 3 };

const runs = [
  { title: 'read only', path: '/read', target: 'express.read' },
  { title: 'one key changed per request', path: '/change', target: 'express.change' },
];

/** @param {import('../bench').Bench} bench */
module.exports = async (bench) => {
  // Other peers have no store.
  if (bench.subject !== 'spots') return;
  await bench.onServer(async (stage) => {
    const load = new Contestant('autocannon', 'processes/http-load.js');
    try {
      const [ours, theirs] = ['spots', 'connect-redis'].map((store, db) => {
        const { label } = require(`../peers/${store}`);
        return { label, store, url: `${stage.server.url}/${db}` };
      });
      const limit = { label: 'JSON in a Map', store: 'map' };
      for (const { title, path, target } of runs) {
        const rounds = await bench.alternate(
          `express-session, ${connections} connections, ${title}`,
          {
            contestants: [ours, theirs, limit],
            rounds: bench.choose(9, 2),
            warmUp: false,
            measure: (contestant) => measure(bench, load, contestant, path),
          },
        );
        bench.report(target, rounds.ratio(ours.label, theirs.label, 'callsPerSecond'));
      }
    } finally {
      load.end();
    }
  });
};

/** Each measurement starts a new application, as suites/http.js does. */
async function measure(bench, load, { label, store, url }, path) {
  const server = new Contestant(label, 'processes/express.js');
  try {
    const port = await server.ask('serve', { store, url });
    const handles = await server.ask('cookies', { count: connections });
    const requests = { port, path, header: 'cookie', handles };
    return await measureHttp(bench, load, server, requests, seconds);
  } finally {
    server.end();
  }
}
