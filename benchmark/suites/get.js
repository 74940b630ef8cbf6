'use strict';

// `get` with 1 to 1000 calls in flight, compared with ioredis and redis-sessions.

const size = 170;
const sessions = 1000;

/** @param {import('../bench').Bench} bench */
module.exports = (bench) =>
  bench.onServer(async (stage) => {
    const [ours, ioredis, autopipelining, redisSessions] = await stage.openAll([
      bench.subject,
      'ioredis',
      'ioredis-autopipelining',
      'redis-sessions',
    ]);
    for (const contestant of stage.contestants) {
      await contestant.ask('fill', { count: sessions, size });
    }

    for (const inFlight of [1, 16, 64, 1000]) {
      const contestants = [ours, ioredis, autopipelining];
      if (inFlight === 64) contestants.push(redisSessions);
      const run = { operation: 'get', inFlight, ms: bench.choose(600, 250) };
      const rounds = await bench.alternate(`get, ${inFlight} in flight`, {
        contestants,
        rounds: bench.choose(15, 5),
        measure: (contestant) => stage.measure(contestant, run),
      });

      const against = (peer, quantity) => rounds.ratio(ours.label, peer.label, quantity);
      bench.report(`get.${inFlight}`, against(ioredis, 'callsPerSecond'));
      bench.report(`get.mainThread.${inFlight}`, against(ioredis, 'mainThreadMicros'));
      bench.report(`get.process.${inFlight}`, against(ioredis, 'processMicros'));
      if (inFlight === 64) {
        bench.report('get.redisSessions', against(redisSessions, 'callsPerSecond'));
        bench.report('get.commands', rounds.summaries()[ours.label].redisCommands);
      }
    }
  });
