'use strict';

// @valkey/valkey-glide by hand, with its defaults except the timeout. Its default of 250 ms is too short for 1000 large
// answers, and a call that times out ends the benchmark. It gets the 4 s that this package has by default.

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
