'use strict';

// Creates `sessions.client`, an ioredis client with the same settings as the engine.

const { connectorOf } = require('./client-passwords.js');
const { SpotsSessionsError } = require('./errors.js');
const { natMapOfClient } = require('./nat-map.js');
const { tlsOfClient } = require('./tls.js');

// Node's own, taken when this module loads, so that a test's fake timers do not stop the events.
const { setImmediate } = require('node:timers');

/** The options that ioredis' Cluster takes itself. All others are options of its nodes. */
const OF_CLUSTER = [
  ...['lazyConnect', 'enableOfflineQueue', 'enableReadyCheck', 'enableAutoPipelining'],
  ...['showFriendlyErrorStack'],
];

/**
 * Creates an ioredis client. It connects at once, unless the option `lazyConnect` is true. It does not get
 * `commandTimeout`: that option limits the calls of the methods, and commands of `client` may take longer (BLPOP).
 *
 * @param {{ server: import('./options.js').Server, connectTimeout: number }} settings from `readOptions`, with a server
 * @returns {import('ioredis').Redis | import('ioredis').Cluster}
 */
function createClient({ server, connectTimeout }) {
  // Loaded only here, because most programs never use `client`.
  const ioredis = require('ioredis');
  const { Cluster, Redis } = ioredis;
  const { clientOptions, tls, cluster, sentinels, host, port, path, db, natMap, ...rest } = server;
  const { fixed: password, asked } = split('password', rest.password);
  const ofSentinels = split('sentinelPassword', sentinels?.password);
  const Connector = connectorOf(ioredis, asked, ofSentinels.asked, sentinels !== undefined);
  const login = { ...rest, password, ...(Connector && { Connector }) };
  const options = { ...clientOptions, ...login, connectTimeout };
  if (cluster) {
    const isOfCluster = ([name]) => OF_CLUSTER.includes(name);
    const entries = Object.entries(options);
    const tell = (error, announced) => client.emit('node error', error, announced);
    const client = new Cluster([...cluster], {
      ...Object.fromEntries(entries.filter(isOfCluster)),
      ...(natMap && { natMap: withoutThrowing(natMapOfClient(natMap), tell) }),
      // By default ioredis replaces host names by addresses, but certificates are issued for names.
      ...(tls && { dnsLookup: (name, answer) => answer(null, name) }),
      redisOptions: {
        ...Object.fromEntries(entries.filter((entry) => !isOfCluster(entry))),
        ...(tls && { tls: tlsOfClient(tls) }),
      },
    });
    return client;
  }
  if (sentinels) {
    return new Redis({
      ...options,
      ...(natMap && { natMap: natMapOfClient(natMap) }),
      db,
      sentinels: [...sentinels.nodes],
      name: sentinels.name,
      sentinelUsername: sentinels.username,
      sentinelPassword: ofSentinels.fixed,
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

/** Nothing listens there, and it refuses at once, so ioredis soon refreshes its slots and asks again. */
const NOWHERE = { host: '127.0.0.1', port: 1 };

/**
 * Makes a `natMap` never throw. If it throws, ioredis' Cluster stops refreshing its slots, and the error is one that
 * nobody catches. ioredis' Sentinel tries again.
 *
 * @param {(announced: string) => { host: string, port: number } | null} natMap
 * @param {(error: Error, announced: string) => void} tell
 */
function withoutThrowing(natMap, tell) {
  return (/** @type {string} */ announced) => {
    try {
      return natMap(announced);
    } catch (cause) {
      const message = `cannot connect to redis at ${announced}: the function \`natMap\` failed (see the cause)`;
      const error = new SpotsSessionsError('ERR_SESSIONS_CONNECTION', message, undefined, {
        cause,
      });
      setImmediate(tell, error, announced);
      return { ...NOWHERE };
    }
  };
}

/**
 * Tells a password that is fixed from one that a function gives.
 *
 * @param {string} name the option, for errors
 * @param {string | import('./password.js').AskPassword | undefined} password
 */
function split(name, password) {
  return typeof password === 'function' ? { asked: { name, ask: password } } : { fixed: password };
}

module.exports = { createClient };
