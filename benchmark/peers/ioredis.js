'use strict';

// ioredis by hand, with its defaults.

const Redis = require('ioredis');
const { addressOf } = require('../address');
const { byHand } = require('./by-hand');

/** @param {string} label @param {import('ioredis').RedisOptions} options */
function peer(label, options) {
  return {
    label,

    async open(url) {
      const redis = connect(url, options);
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

/** @param {string} url of a server, of sentinels or of a cluster @param {object} [options] */
function connect(url, options = {}) {
  const { kind, nodes, name, db } = addressOf(url);
  if (kind === 'cluster') return new Redis.Cluster(nodes, options);
  if (kind === 'sentinel') return new Redis({ sentinels: nodes, name, db, ...options });
  return new Redis(url, options);
}

module.exports = { ...peer('ioredis', {}), connect, peer };
