'use strict';

// One measurement of an HTTP server that listens already. Another process makes the load.

const BRIEF = { warmUp: 1, measured: 1.4 };

/**
 * @param {import('./bench').Bench} bench
 * @param {import('./contestant').Contestant} load runs processes/http-load.js
 * @param {import('./contestant').Contestant} server answers `cpu`
 * @param {object} requests what `begin` of processes/http-load.js takes
 * @param {{ warmUp: number, measured: number }} [seconds]
 */
async function measureHttp(bench, load, server, requests, { warmUp, measured: whole } = BRIEF) {
  await load.ask('begin', requests);
  await load.ask('measure', { seconds: bench.choose(warmUp, 0.5) });

  const before = await server.ask('cpu');
  const seconds = bench.choose(whole, 0.5);
  const { requests: count, failed, ...measured } = await load.ask('measure', { seconds });
  const after = await server.ask('cpu');
  await load.ask('end');
  if (failed > 0) throw new Error(`${server.label}: ${failed} requests failed`);
  return {
    ...measured,
    mainThreadMicros: (after.mainThreadMicros - before.mainThreadMicros) / count,
    processMicros: (after.processMicros - before.processMicros) / count,
  };
}

module.exports = { measureHttp };
