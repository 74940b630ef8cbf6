'use strict';

// Times by a server's clock, in milliseconds. Tests never compare them with the clock of this process.

const { waitUntil } = require('./wait-until.js');

const EXPIRY = `
  local left = redis.call('PTTL', KEYS[1])
  if left < 0 then return left end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000) + left`;

/** The server's clock. @param {any} redis */
async function serverTime(redis) {
  const [seconds, micros] = await redis.time();
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}

/**
 * When a key expires: -1 if never, -2 if there is none. Redis 6 cannot say it to the millisecond.
 *
 * @param {any} redis
 * @param {string} key
 * @returns {Promise<number>}
 */
async function expiryOf(redis, key) {
  try {
    return await redis.pexpiretime(key);
  } catch {
    return redis.eval(EXPIRY, 1, key);
  }
}

/**
 * How far `expiryOf`, and what `info` tells, may be off on this server, in milliseconds.
 *
 * @param {any} redis null on `memory:`
 */
async function slackOf(redis) {
  if (!redis) return 0;
  const knows = await redis.pexpiretime('no key').then(Boolean, () => false);
  return knows ? 0 : 2;
}

/**
 * Resolves when a key has less than `ms` to live. Fails if it is gone by then.
 *
 * @param {any} redis
 * @param {string} key
 * @param {number} ms
 */
async function waitUntilLeft(redis, key, ms) {
  const left = await waitUntil(async () => {
    const pttl = await redis.pttl(key);
    return pttl < ms && { pttl };
  }, `${key} to have less than ${ms} ms`);
  return left.pttl;
}

module.exports = { expiryOf, serverTime, slackOf, waitUntilLeft };
