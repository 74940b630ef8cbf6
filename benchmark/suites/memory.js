'use strict';

// Measures the bytes that a session takes in Redis, index included, with one session per owner.

const { memory } = require('../redis-usage');

/** The targets judge this payload size (see payload.js) with this number of sessions. */
const judged = 250;
const sessions = 10000;

/** A whole run also measures these payload sizes, each with its number of sessions. */
const others = new Map([
  ['0.2 KiB', 10000],
  ['2 KiB', 4000],
  ['20 KiB', 1000],
]);

/** @param {import('../bench').Bench} bench */
module.exports = async (bench) => {
  const counts = new Map([[judged, sessions], ...bench.choose(others, [])]);
  /** @type {Record<string, Map<number | string, number>>} bytes by peer and size */
  const bytes = {};
  for (const peer of [bench.subject, 'redis-sessions', 'version-1', 'ioredis']) {
    await bench.onServer(async (stage) => {
      bytes[peer] = await measure(stage, await stage.open(peer), counts);
    });
  }
  for (const size of counts.keys()) {
    bench.workloads.push({
      title: `Redis memory per session of ${size === judged ? `${size} B` : size}, bytes`,
      values: Object.fromEntries(
        Object.entries(bytes).map(([peer, of]) => [
          require(`../peers/${peer}`).label,
          of.get(size),
        ]),
      ),
    });
  }

  const against = (peer) => exactly(bytes[bench.subject].get(judged) / bytes[peer].get(judged));
  bench.report('memory.redisSessions', against('redis-sessions'));
  bench.report('memory.version1', against('version-1'));
};

async function measure({ bench, redis }, contestant, counts) {
  const bytes = new Map();
  for (const [size, count] of counts) {
    bench.progress.show(`memory of ${count} sessions · ${contestant.label}`);
    // The first sessions load scripts and buffers, which all later sessions share. Do not count them.
    await contestant.ask('fill', { count: 1000, size });
    await redis.flushall();
    const before = await memory(redis);
    await contestant.ask('fill', { count, size });
    bytes.set(size, ((await memory(redis)) - before) / count);
  }
  return bytes;
}

/** A number without a spread: memory does not vary from round to round. */
function exactly(value) {
  return { median: value, min: value, max: value };
}
