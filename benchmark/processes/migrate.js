'use strict';

// Moves sessions of version 1 to other keys: by `migrate`, or by a bare copy in pipelines through ioredis.

const { randomBytes } = require('node:crypto');
const { app, duration, sessionOf } = require('../payload');
const { answer } = require('../requests');

/** How many keys a SCAN of the bare copy looks at, and how many sessions its pipelines hold. */
const scanCount = 1000;
const batch = 100;

/**
 * Each loads what it needs, and returns what moves the sessions and resolves to how many they were.
 *
 * @type {Record<string, () => (url: string) => Promise<number>>}
 */
const movers = {
  migrate() {
    const { SpotsSessions } = require('../..');
    const { Migration } = require('../../lib/migrate/migration.js');
    const { version1 } = require('../../lib/migrate/version-1.js');
    // What `client` loads when it is first used. The copy has another one.
    require(require.resolve('ioredis', { paths: [require.resolve('../..')] }));
    return async (url) => {
      const sessions = new SpotsSessions(url);
      const migration = new Migration(sessions, { app, system: version1({ app }), mode: 'move' });
      await migration.run();
      await sessions.close();
      return migration.done;
    };
  },

  /** It makes no index, hashes nothing, checks nothing, and deletes the old key even if it has changed. */
  copy() {
    const Redis = require('ioredis');
    return async (url) => {
      const redis = new Redis(url);
      let moved = 0;
      let cursor = '0';
      do {
        const [next, keys] = await redis.scan(cursor, 'MATCH', 'app:*', 'COUNT', scanCount);
        for (let n = 0; n < keys.length; n += batch) {
          moved += await copyAll(redis, keys.slice(n, n + batch));
        }
        cursor = next;
      } while (cursor !== '0');
      await redis.quit();
      return moved;
    };
  },
};

/** @param {import('ioredis').Redis} redis @param {string[]} keys */
async function copyAll(redis, keys) {
  const reads = redis.pipeline();
  for (const key of keys) reads.get(key).pttl(key);
  const replies = await reads.exec();
  const writes = redis.pipeline();
  for (const [n, key] of keys.entries()) {
    writes.set(`copy:${key}`, replies[2 * n][1], 'PX', replies[2 * n + 1][1]).del(key);
  }
  await writes.exec();
  return keys.length;
}

answer({
  async fill({ url, count }) {
    const Redis = require('ioredis');
    const redis = new Redis(url);
    await redis.flushdb();
    for (let n = 0; n < count; n += batch) {
      const writes = redis.pipeline();
      for (let index = n; index < Math.min(n + batch, count); index++) {
        const { ownerId, data } = sessionOf(170, index);
        const token = randomBytes(128).toString('base64');
        const key = `app:${app}|token:${token}|ownerId:${ownerId}`;
        writes.set(key, JSON.stringify(data), 'EX', duration);
      }
      await writes.exec();
    }
    await redis.quit();
  },

  async move({ mover, url }) {
    const move = movers[mover]();
    const begin = performance.now();
    const moved = await move(url);
    return { moved, callsPerSecond: (moved / (performance.now() - begin)) * 1000 };
  },
});
