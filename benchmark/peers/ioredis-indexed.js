'use strict';

// ioredis by hand, with an index of each owner's sessions: a sorted set of keys by expiry. It does less than the
// package: who sees a key can open its session, and nothing keeps the index and the sessions together if one of them is
// lost.

const { randomBytes } = require('node:crypto');
const { app } = require('../payload');
const { connect } = require('./ioredis');

/** The package's default limit of `list`. */
const limit = 100;

module.exports = {
  label: 'ioredis, index by hand',

  async open(url) {
    const redis = connect(url);
    return {
      async create({ ownerId, data, duration }) {
        const key = `session:${app}:${randomBytes(16).toString('base64url')}`;
        const index = `owner:${app}:${ownerId}`;
        const createdAt = Date.now();
        const expiresAt = createdAt + duration * 1000;
        await redis
          .multi()
          .set(key, JSON.stringify({ ownerId, createdAt, data }), 'PXAT', expiresAt)
          .zadd(index, expiresAt, key)
          .pexpireat(index, expiresAt)
          .exec();
        return key;
      },
      async get(key) {
        const { ownerId, data } = JSON.parse(await redis.get(key));
        return { ownerId, data };
      },
      /** Two round trips: the keys, then the records and when each expires. */
      async list(ownerId) {
        const index = `owner:${app}:${ownerId}`;
        const keys = await redis.zrange(
          index,
          '+inf',
          Date.now(),
          'BYSCORE',
          'REV',
          'LIMIT',
          0,
          limit,
        );
        if (keys.length === 0) return [];
        const pipeline = redis.pipeline().mget(keys);
        for (const key of keys) pipeline.pttl(key);
        const [[error, records], ...ttls] = await pipeline.exec();
        if (error) throw error;
        const now = Date.now();
        const sessions = [];
        for (const [n, record] of records.entries()) {
          if (record === null) continue;
          const { data, createdAt } = JSON.parse(record);
          const [, ttl] = ttls[n];
          sessions.push({
            id: keys[n],
            data,
            createdAt: new Date(createdAt),
            expiresAt: new Date(now + ttl),
          });
        }
        return sessions.sort((one, other) => other.createdAt - one.createdAt);
      },
    };
  },
};
