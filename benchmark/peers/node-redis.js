'use strict';

// node-redis (the package `redis`) by hand, with its defaults.

const { byHand } = require('./by-hand');

module.exports = {
  label: 'node-redis',

  async open(url) {
    const redis = await connect(url);
    return byHand({
      set: (key, text, seconds) =>
        redis.set(key, text, { expiration: { type: 'EX', value: seconds } }),
      get: (key) => redis.get(key),
      replace: (key, text) => redis.set(key, text, { expiration: 'KEEPTTL' }),
      expire: (key, seconds) => redis.expire(key, seconds),
      del: (key) => redis.del(key),
    });
  },

  connect,
};

function connect(url) {
  const { createClient } = require('redis');
  // Without a listener, an error would end the process before the failed call rejects.
  return createClient({ url })
    .on('error', (error) => console.error(error.message))
    .connect();
}
