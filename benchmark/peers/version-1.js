'use strict';

// The algorithm of version 1 of this package: the token is a pattern, so every look-up scans all keys.

const { randomBytes } = require('node:crypto');
const Redis = require('ioredis');
const { app } = require('../payload');

module.exports = {
  label: 'version 1',

  async open(url) {
    const redis = new Redis(url);
    return {
      async create({ app, ownerId, data, duration }) {
        const token = randomBytes(128).toString('base64');
        const key = `app:${app}|token:${token}|ownerId:${ownerId}`;
        await redis.set(key, JSON.stringify(data), 'EX', duration);
        return token;
      },
      async get(token) {
        const [key] = await redis.keys(`app:${app}|token:${token}*`);
        if (key === undefined) return undefined;
        const data = JSON.parse(await redis.get(key));
        return { ownerId: key.split('|ownerId:')[1], data };
      },
    };
  },
};
