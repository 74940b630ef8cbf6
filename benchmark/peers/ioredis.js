'use strict';

// ioredis by hand, with its defaults.

const Redis = require('ioredis');
const { byHand } = require('./by-hand');

/** @param {string} label @param {import('ioredis').RedisOptions} options */
function peer(label, options) {
  return {
    label,

    async open(url) {
      const redis = new Redis(url, options);
      return byHand({
        set: (key, text, seconds) => redis.set(key, text, 'EX', seconds),
        get: (key) => redis.get(key),
        replace: (key, text) => redis.set(key, text, 'KEEPTTL'),
        expire: (key, seconds) => redis.expire(key, seconds),
        del: (key) => redis.del(key),
      });
    },
  };
}

module.exports = { ...peer('ioredis', {}), peer };
