'use strict';

// The algorithm of version 1 of this package. It finds the key of a token by a pattern, so every call except `create`
// scans all keys. In version 1, `refresh` and `kill` did not await their last command; here they do.

const { randomBytes } = require('node:crypto');
const Redis = require('ioredis');
const { merge } = require('./by-hand');
const { app } = require('../payload');

module.exports = {
  label: 'version 1',

  async open(url) {
    const redis = new Redis(url);
    const keyOf = async (token) => (await redis.keys(`app:${app}|token:${token}*`))[0];
    return {
      async create({ app, ownerId, data, duration }) {
        const token = randomBytes(128).toString('base64');
        const key = `app:${app}|token:${token}|ownerId:${ownerId}`;
        await redis.set(key, JSON.stringify(data), 'EX', duration);
        return token;
      },
      async get(token) {
        const key = await keyOf(token);
        if (key === undefined) return undefined;
        const data = JSON.parse(await redis.get(key));
        return { ownerId: key.split('|ownerId:')[1], data };
      },
      async update(token, patch) {
        const key = await keyOf(token);
        if (key === undefined) return false;
        const data = JSON.parse(await redis.get(key));
        merge(data, patch);
        return redis.set(key, JSON.stringify(data), 'KEEPTTL');
      },
      async refresh(token, duration) {
        const key = await keyOf(token);
        return key !== undefined && redis.expire(key, duration);
      },
      async kill(token) {
        const key = await keyOf(token);
        return key !== undefined && redis.del(key);
      },
    };
  },
};
