'use strict';

// `list` of an owner's ten sessions, compared with an index by hand through ioredis, and `rotate`, compared with the
// same Lua script through ioredis.

const size = 250;
const inFlight = 64;
const sessions = 10000;

const workloads = [
  { operation: 'list', peer: 'ioredis-indexed', perOwner: 10 },
  { operation: 'rotate', peer: 'ioredis-scripts', perOwner: 1 },
];

/** @param {import('../bench').Bench} bench */
module.exports = async (bench) => {
  // Other peers have no such methods.
  if (bench.subject !== 'spots') return;
  for (const { operation, peer, perOwner } of workloads) {
    await bench.onServer(async (stage) => {
      const [ours, theirs] = await stage.openAll([bench.subject, peer]);
      for (const contestant of stage.contestants) {
        await contestant.ask('fill', { count: sessions, size, perOwner });
      }
      const run = { operation, size, inFlight, ms: bench.choose(500, 250) };
      const rounds = await bench.alternate(`${operation}, ${inFlight} in flight`, {
        contestants: [ours, theirs],
        rounds: bench.choose(15, 5),
        measure: (contestant) => stage.measure(contestant, run),
      });
      const ratio = rounds.ratio(ours.label, theirs.label, 'callsPerSecond');
      bench.report(`life.${operation}`, ratio);
    });
  }
};
