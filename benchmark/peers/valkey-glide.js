'use strict';

// @valkey/valkey-glide by hand, with its defaults but for the timeout: its 250 ms are less than
// 1000 large answers take, and a call that times out ends the benchmark. It gets our own 4 s.

const { addressOf } = require('../address');
const { byHand } = require('./by-hand');

module.exports = {
  label: 'valkey-glide',

  async open(url) {
    const { GlideClient, GlideClusterClient, TimeUnit } = require('@valkey/valkey-glide');
    const { kind, nodes, db } = addressOf(url);
    const settings = { addresses: nodes, requestTimeout: 4000 };
    const valkey =
      kind === 'cluster'
        ? await GlideClusterClient.createClient(settings)
        : await GlideClient.createClient({ ...settings, databaseId: db });
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
