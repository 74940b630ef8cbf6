'use strict';

// redis-sessions 4 with its defaults, except that the wiper is off, because its timer would hit only some rounds. It
// has no refresh: every get extends the session, which makes a get more expensive.

const { app } = require('../payload');

module.exports = {
  label: 'redis-sessions',

  async open(url) {
    const { default: RedisSessions } = require('redis-sessions');
    const sessions = new RedisSessions({ options: { url }, wipe: 0 });
    return {
      async create({ app, ownerId, data, duration }) {
        const session = { app, id: ownerId, ip: '203.0.113.195', ttl: duration, d: data };
        return (await sessions.create(session)).token;
      },
      async get(token) {
        const session = await sessions.get({ app, token });
        return session === null ? undefined : { ownerId: session.id, data: session.d };
      },
      update: async (token, patch) => (await sessions.set({ app, token, d: patch })) !== null,
      kill: async (token) => (await sessions.kill({ app, token })).kill === 1,
    };
  },
};
