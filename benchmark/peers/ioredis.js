'use strict';

// ioredis by hand: the session as JSON under an exact key that the caller already has in full.

const { randomBytes } = require('node:crypto');
const Redis = require('ioredis');

/** @param {string} label @param {import('ioredis').RedisOptions} options */
function peer(label, options) {
  return {
    label,

    async open(url) {
      const redis = new Redis(url, options);
      return {
        async create({ app, ownerId, data, duration }) {
          const key = `session:${app}:${randomBytes(16).toString('base64url')}`;
          await redis.set(key, JSON.stringify({ ownerId, data }), 'EX', duration);
          return key;
        },
        async get(key) {
          return JSON.parse(await redis.get(key)) ?? undefined;
        },
      };
    },
  };
}

module.exports = { ...peer('ioredis', {}), peer };
