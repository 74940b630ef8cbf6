// Runs one suite on every target: the embedded store, a real server, a server behind sentinels, and a cluster.

const { randomUUID } = require('node:crypto');
const { after, before, describe } = require('node:test');
const { startCluster } = require('./cluster.js');
const { startRedis } = require('./redis-server.js');
const { startSentinels } = require('./sentinel.js');

/**
 * @typedef {object} Opened
 * @property {import('../../index.js').SpotsSessions} sessions
 * @property {import('ioredis').Redis | null} redis a client of the same server; null on `memory:`. On
 *   a cluster it is a Cluster, whose `keys`, `dbsize`, `flushall` and `flushdb` are of all its nodes
 * @property {string} connectionString for instances in other processes; each `memory:` is a store of its own
 * @property {() => Promise<void>} close
 */

/**
 * Runs `suite` once on `memory:` and once on each kind of server, each of its own. `open` may be
 * called inside hooks and tests. Instances that it opened are closed after the suite at the latest.
 *
 * @param {(
 *   name: 'memory' | 'redis' | 'sentinel' | 'cluster',
 *   open: (options?: object) => Opened,
 *   server: () => Awaited<ReturnType<typeof startRedis>> | null,
 * ) => void} suite on Sentinel and Cluster, `server` is what startSentinels and startCluster give
 */
function forEachTarget(suite) {
  describe('memory', () => {
    const opened = openedUntilTheEnd();
    suite(
      'memory',
      (options) => opened('memory:', null, options),
      () => null,
    );
  });
  onServer('redis', startRedis, (...args) => suite('redis', ...args));
  // No failover, because it may lose sessions. Sentinels would start one if their connections were cut,
  // or on a busy machine.
  const group = () => startSentinels({ replicas: 1, sentinels: 3, downAfter: 60_000 });
  onServer('sentinel', group, (...args) => suite('sentinel', ...args));
  const cluster = () => startCluster({ primaries: 3, replicas: 0, downAfter: 60_000 });
  onServer('cluster', cluster, (...args) => suite('cluster', ...args));
}

/**
 * Runs `suite` only on a Redis server of its own, for tests that `memory:` cannot pass.
 *
 * @param {(
 *   open: (options?: object) => Opened,
 *   server: () => Awaited<ReturnType<typeof startRedis>>,
 * ) => void} suite
 * @param {import('./redis-server.js').StartOptions} [serverOptions]
 */
function onRedis(suite, serverOptions) {
  onServer('redis', () => startRedis(serverOptions), suite);
}

/**
 * @param {string} name
 * @param {() => Promise<any>} start
 * @param {(open: (options?: object) => Opened, server: () => any) => void} suite
 */
function onServer(name, start, suite) {
  describe(name, () => {
    let server;
    let redis;
    before(async () => {
      server = await start();
      redis = server.client();
    });
    after(() => server?.stop());
    const opened = openedUntilTheEnd();
    suite(
      (options) => opened(server.url, redis, options),
      () => server,
    );
  });
}

/** Opens instances, and closes after the enclosing suite those that are still open. */
function openedUntilTheEnd() {
  const all = [];
  after(() => Promise.all(all.map((sessions) => sessions.close())));
  return (connectionString, redis, options) => {
    const { SpotsSessions } = require('../../index.js');
    const sessions = new SpotsSessions({ connectionString, ...options });
    all.push(sessions);
    return { sessions, redis, connectionString, close: () => sessions.close() };
  };
}

/** A name that no other test uses. */
function freshName(prefix = 'app') {
  return `${prefix}-${randomUUID()}`;
}

module.exports = { forEachTarget, onRedis, freshName };
