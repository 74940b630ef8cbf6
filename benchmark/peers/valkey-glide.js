'use strict';

// @valkey/valkey-glide by hand, with its defaults but for the timeout: its 250 ms are less than
// 1000 large answers take, and a call that times out ends the benchmark. It gets our own 5 s.

const { byHand } = require('./by-hand');

module.exports = {
  label: 'valkey-glide',

  async open(url) {
    const { GlideClient, TimeUnit } = require('@valkey/valkey-glide');
    const { hostname, port, pathname } = new URL(url);
    const valkey = await GlideClient.createClient({
      addresses: [{ host: hostname, port: Number(port) }],
      databaseId: Number(pathname.slice(1)),
      requestTimeout: 5000,
    });
    return byHand({
      set: (key, text, seconds) =>
        valkey.set(key, text, { expiry: { type: TimeUnit.Seconds, count: seconds } }),
      get: (key) => valkey.get(key),
      replace: (key, text) => valkey.set(key, text, { expiry: 'keepExisting' }),
      expire: (key, seconds) => valkey.expire(key, seconds),
      del: (key) => valkey.del([key]),
    });
  },
};
