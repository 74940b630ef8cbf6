'use strict';

// What a session takes in Redis with everything that belongs to it, one session per owner.

const { memory } = require('../redis-usage');

const size = 250;
const sessions = 10000;

/** @param {import('../bench').Bench} bench */
module.exports = async (bench) => {
  /** @type {Record<string, number>} */
  const bytes = {};
  for (const peer of [bench.subject, 'redis-sessions', 'version-1', 'ioredis']) {
    bench.progress.show(`memory of ${sessions} sessions · ${peer}`);
    await bench.onServer(async (stage) => {
      const contestant = await stage.open(peer);
      // The first sessions bring scripts and buffers with them, which are not theirs alone.
      await contestant.ask('fill', { count: 1000, size });
      await stage.redis.flushall();
      const before = await memory(stage.redis);
      await contestant.ask('fill', { count: sessions, size });
      bytes[peer] = ((await memory(stage.redis)) - before) / sessions;
    });
  }
  bench.workloads.push({ title: 'Redis memory per session, bytes', values: bytes });

  const against = (peer) => exactly(bytes[bench.subject] / bytes[peer]);
  bench.report('memory.redisSessions', against('redis-sessions'));
  bench.report('memory.version1', against('version-1'));
};

/** A number without a spread: memory does not vary from round to round. */
function exactly(value) {
  return { median: value, min: value, max: value };
}
