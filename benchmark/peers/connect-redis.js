'use strict';

// connect-redis on node-redis, called like express-session calls it: the session is an object with a cookie in it. To
// change a session, express-session gets it when a request starts and sets all of it when the request ends. So an
// update here is a get and a set, and parallel updates can overwrite each other.

const { randomBytes } = require('node:crypto');
const { merge } = require('./by-hand');
const nodeRedis = require('./node-redis');

module.exports = {
  label: 'connect-redis',

  async open(url) {
    const { RedisStore } = require('connect-redis');
    const store = new RedisStore({ client: await nodeRedis.connect(url) });
    return {
      async create({ ownerId, data, duration }) {
        const id = randomBytes(24).toString('base64url');
        await store.set(id, { cookie: cookie(duration), ownerId, data });
        return id;
      },
      async get(id) {
        const session = await store.get(id);
        return session === null ? undefined : { ownerId: session.ownerId, data: session.data };
      },
      async update(id, patch) {
        const session = await store.get(id);
        if (session === null) return false;
        merge(session.data, patch);
        return store.set(id, session);
      },
      refresh: (id, duration) => store.touch(id, { cookie: cookie(duration) }),
      kill: (id) => store.destroy(id),
    };
  },
};

/** The JSON form of an express-session cookie. @param {number} duration */
function cookie(duration) {
  const originalMaxAge = duration * 1000;
  const expires = new Date(Date.now() + originalMaxAge).toISOString();
  return { originalMaxAge, expires, httpOnly: true, path: '/' };
}
