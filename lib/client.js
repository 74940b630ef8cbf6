'use strict';

// `sessions.client`: ioredis itself, from the same settings as the engine.

const { tlsOfClient } = require('./tls.js');

/**
 * Creates an ioredis client, which connects at once unless the connection string says
 * `lazyConnect=true`. `commandTimeout` is not passed on: it is about the calls of a session, and a
 * user of `client` may well wait longer (BLPOP).
 *
 * @param {{ server: object, connectTimeout: number }} settings of `readOptions`, not of `memory:`
 * @returns {import('ioredis').Redis}
 */
function createClient({ server, connectTimeout }) {
  // Only here, as most programs never ask for a client.
  const { Redis } = require('ioredis');
  const { clientOptions, tls, ...address } = server;
  return new Redis({
    ...clientOptions,
    ...address,
    connectTimeout,
    ...(tls && { tls: tlsOfClient(tls, address.host) }),
  });
}

module.exports = { createClient };
