'use strict';

const SCRIPT = `
  local left, time = redis.call('PTTL', KEYS[1]), redis.call('TIME')
  return left < 0 and left or time[1] * 1000 + math.floor(time[2] / 1000) + left`;

/**
 * Resolves to when a key expires, in milliseconds since 1970 by the server's clock; -1: never; -2: there is no such key.
 * PEXPIRETIME would be simpler, but Redis 6 does not have it.
 *
 * @param {any} redis
 * @param {string} key
 * @returns {Promise<number>}
 */
function expiryOf(redis, key) {
  return redis.eval(SCRIPT, 1, key);
}

module.exports = { expiryOf };
