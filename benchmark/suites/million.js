'use strict';

// Whether a million live sessions make `get` slower than a thousand do.

const size = 250;
const inFlight = 64;

/** So many sessions are looked up in turn, in random order: more than the processor's caches hold. */
const keep = 200000;

/** @param {import('../bench').Bench} bench */
module.exports = (bench) =>
  bench.onServer(async (stage) => {
    const few = await stage.open(bench.subject, 0);
    few.label = '1,000 sessions';
    const many = await stage.open(bench.subject, 1);
    many.label = '1,000,000 sessions';
    bench.progress.show('creating 1,000,000 sessions');
    await few.ask('fill', { count: 1000, keep, size });
    await many.ask('fill', { count: 1000000, keep, size });

    const run = { operation: 'get', inFlight, ms: bench.choose(600, 400) };
    const rounds = await bench.alternate(`get by number of sessions, ${inFlight} in flight`, {
      contestants: [few, many],
      rounds: bench.choose(15, 4),
      measure: (contestant) => stage.measure(contestant, run),
    });
    bench.report('get.million', rounds.ratio(many.label, few.label, 'callsPerSecond'));
  });
