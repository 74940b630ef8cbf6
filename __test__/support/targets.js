// Runs one suite on every target: the embedded store and a real server.

const { randomUUID } = require('node:crypto');
const { after, before, describe } = require('node:test');
const { startRedis } = require('./redis-server.js');

/**
 * @typedef {object} Opened
 * @property {import('../../index.js').SpotsSessions} sessions
 * @property {import('ioredis').Redis | null} redis a client of the same server; null on `memory:`
 * @property {() => Promise<void>} close
 */

/**
 * Runs `suite` once on `memory:` and once on a Redis server of its own. `open` may be called inside
 * hooks and tests; what it opened is closed after the suite at the latest.
 *
 * @param {(
 *   name: 'memory' | 'redis',
 *   open: (options?: object) => Opened,
 *   server: () => Awaited<ReturnType<typeof startRedis>> | null,
 * ) => void} suite
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
  onRedis((open, server) => suite('redis', open, server));
}

/**
 * Runs `suite` on a Redis server of its own only: for what cannot be seen from `memory:`.
 *
 * @param {(
 *   open: (options?: object) => Opened,
 *   server: () => Awaited<ReturnType<typeof startRedis>>,
 * ) => void} suite
 * @param {import('./redis-server.js').StartOptions} [serverOptions]
 */
function onRedis(suite, serverOptions) {
  describe('redis', () => {
    let server;
    let redis;
    before(async () => {
      server = await startRedis(serverOptions);
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
    return { sessions, redis, close: () => sessions.close() };
  };
}

/** A name that no other test uses. */
function freshName(prefix = 'app') {
  return `${prefix}-${randomUUID()}`;
}

module.exports = { forEachTarget, onRedis, freshName };
