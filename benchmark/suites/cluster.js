'use strict';

// `get`, `create` and the mix on a Redis Cluster of three primaries, compared with the cluster clients of ioredis (with
// autopipelining) and valkey-glide. All nodes and clients share the machine.

const { startCluster } = require('../cluster');
const { Contestant } = require('../contestant');

const size = 250;
const sessions = 1000;
const spare = 100;
const operations = ['get', 'mix', 'create'];
const levels = [64, 1000];
const others = { ioredis: 'ioredis-autopipelining', glide: 'valkey-glide' };

/** @param {import('../bench').Bench} bench */
module.exports = (bench) => bench.onServer((stage) => measure(bench, stage), startCluster);

async function measure(bench, stage) {
  const { url } = stage.server;
  const ours = await stage.open(bench.subject, 0, url);
  const peers = {};
  for (const [id, peer] of Object.entries(others)) peers[id] = await stage.open(peer, 0, url);
  for (const contestant of stage.contestants) {
    await contestant.ask('check', { size });
    await contestant.ask('fill', { count: sessions, size });
  }
  // Two references for `create`: the same script through ioredis, and the same script on plain sockets.
  const scripts = await stage.open('ioredis-scripts', 0, url);
  const plain = new Contestant('our script alone, plain sockets', 'processes/plain-creates.js');
  stage.contestants.push(plain);
  await plain.ask('open', { url, size });

  for (const operation of operations) {
    for (const inFlight of levels) {
      const contestants = [ours, ...Object.values(peers)];
      if (operation === 'create') contestants.push(scripts, plain);
      const rounds = await bench.alternate(`cluster: ${operation}, ${inFlight} in flight`, {
        contestants,
        rounds: bench.choose(5, 3),
        measure: (contestant) => run(bench, stage, contestant, { operation, inFlight }),
      });
      const judged = { ...peers, ...(operation === 'create' && { scripts }) };
      for (const [id, { label }] of Object.entries(judged)) {
        const ratio = rounds.ratio(ours.label, label, 'callsPerSecond');
        bench.report(`cluster.${operation}.${inFlight}.${id}`, ratio);
      }
    }
  }
}

async function run(bench, stage, contestant, { operation, inFlight }) {
  // `create` is the last operation, so no later one needs the sessions.
  if (operation === 'create') await Promise.all(stage.nodes.map((node) => node.flushall()));
  if (operation === 'mix') await contestant.ask('spare', { count: spare, size });
  return stage.measure(contestant, { operation, size, inFlight, ms: bench.choose(300, 120) });
}
