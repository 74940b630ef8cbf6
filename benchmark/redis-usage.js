'use strict';

// Reads CPU time, commands and memory from the server's INFO.

/** Commands that do not count: the benchmark's own, and those that clients send when they connect. */
const overhead =
  /^(info|config|flushall|flushdb|dbsize|ping|hello|auth|select|client\|?.*|script\|?.*)$/;

/**
 * @param {import('ioredis').Redis} redis
 * @returns {Promise<{ micros: number, commands: number }>} since the server started
 */
async function usage(redis) {
  const info = await redis.call('INFO', 'cpu', 'commandstats');
  const seconds = field(info, 'used_cpu_sys') + field(info, 'used_cpu_user');
  let commands = 0;
  for (const [, name, calls] of info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)) {
    if (!overhead.test(name)) commands += Number(calls);
  }
  return { micros: seconds * 1e6, commands };
}

/**
 * The server's memory in bytes, once two readings are equal. While Redis enlarges a hash table, it keeps two of them.
 *
 * @param {import('ioredis').Redis} redis
 */
async function memory(redis) {
  let before = Number.NaN;
  for (;;) {
    const bytes = field(await redis.info('memory'), 'used_memory');
    if (bytes === before) return bytes;
    before = bytes;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** @param {string} info @param {string} name */
function field(info, name) {
  return Number(new RegExp(`^${name}:(.*)$`, 'm').exec(info)[1]);
}

module.exports = { usage, memory, field };
