'use strict';

// `sessions.client`: ioredis itself, from the same settings as the engine.

const { tlsOfClient } = require('./tls.js');

/** Of the options in a URL, those that ioredis' Cluster has itself; the others are for its nodes. */
const OF_CLUSTER = [
  ...['lazyConnect', 'enableOfflineQueue', 'enableReadyCheck', 'enableAutoPipelining'],
  ...['showFriendlyErrorStack'],
];

/**
 * Creates an ioredis client, which connects at once unless the connection string says
 * `lazyConnect=true`. `commandTimeout` is not passed on: it is about the calls of a session, and a
 * user of `client` may well wait longer (BLPOP).
 *
 * @param {{ server: import('./options.js').Server, connectTimeout: number }} settings of
 *   `readOptions`, not of `memory:`
 * @returns {import('ioredis').Redis | import('ioredis').Cluster}
 */
function createClient({ server, connectTimeout }) {
  // Only here, as most programs never ask for a client.
  const { Cluster, Redis } = require('ioredis');
  const { clientOptions, tls, cluster, sentinels, host, port, path, db, ...login } = server;
  const options = { ...clientOptions, ...login, connectTimeout };
  if (cluster) {
    const isOfCluster = ([name]) => OF_CLUSTER.includes(name);
    const entries = Object.entries(options);
    return new Cluster([...cluster], {
      ...Object.fromEntries(entries.filter(isOfCluster)),
      // ioredis would look the names up, and certificates are made out to names.
      ...(tls && { dnsLookup: (name, answer) => answer(null, name) }),
      redisOptions: {
        ...Object.fromEntries(entries.filter((entry) => !isOfCluster(entry))),
        ...(tls && { tls: tlsOfClient(tls) }),
      },
    });
  }
  if (sentinels) {
    return new Redis({
      ...options,
      db,
      sentinels: [...sentinels.nodes],
      name: sentinels.name,
      sentinelUsername: sentinels.username,
      sentinelPassword: sentinels.password,
      ...(sentinels.tls && { sentinelTLS: tlsOfClient(sentinels.tls) }),
      ...(tls && { tls: tlsOfClient(tls), enableTLSForSentinelMode: true }),
    });
  }
  return new Redis({
    ...options,
    ...{ host, port, path, db },
    ...(tls && { tls: tlsOfClient(tls, host) }),
  });
}

module.exports = { createClient };
