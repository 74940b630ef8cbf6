'use strict';

/** For Redis 6, which cannot tell an expiry. The server's process may lose its processor between two commands. */
const SCRIPT = `
  local function clock()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
  end
  local before, left, after
  repeat
    before, left, after = clock(), redis.call('PTTL', KEYS[1]), clock()
  until after - before <= 1
  return left < 0 and left or after + left`;

/**
 * Resolves to when a key expires, in milliseconds since 1970 by the server's clock; -1: never; -2: there is no such key.
 *
 * @param {any} redis
 * @param {string} key
 * @returns {Promise<number>}
 */
function expiryOf(redis, key) {
  return redis.pexpiretime(key).catch(() => redis.eval(SCRIPT, 1, key));
}

module.exports = { expiryOf };
