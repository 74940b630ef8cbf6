'use strict';

// create, update, refresh and kill, compared with the same Lua scripts called through ioredis.

const size = 250;
const inFlight = 64;

/** @param {import('../bench').Bench} bench */
module.exports = (bench) =>
  bench.onServer(async (stage) => {
    const [ours, scripts] = await stage.openAll([bench.subject, 'ioredis-scripts']);
    const calls = bench.choose(30000, 9000);

    /** Every measurement starts on an empty server, so that no sessions of another one slow it down. */
    const measure = (operation) => async (contestant) => {
      await stage.redis.flushall();
      if (operation !== 'create')
        await contestant.ask('fill', { count: sessionsFor(operation), size });
      return stage.measure(contestant, { operation, size, inFlight, calls });
    };
    const sessionsFor = (operation) => (operation === 'kill' ? calls : calls / 3);

    for (const operation of ['create', 'update', 'refresh', 'kill']) {
      const rounds = await bench.alternate(`${operation}, ${inFlight} in flight`, {
        contestants: [ours, scripts],
        rounds: bench.choose(15, 3),
        measure: measure(operation),
      });
      const ratio = rounds.ratio(ours.label, scripts.label, 'callsPerSecond');
      bench.report(`write.${operation}`, ratio);
    }
  });
