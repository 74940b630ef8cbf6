'use strict';

// `ping`: whether the server, or each primary of a cluster, answers. It is for readiness probes.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');
const { startProxies } = require('./support/cluster-proxies.js');
const { faultyCluster } = require('./support/faulty-cluster.js');
const { faultyServer } = require('./support/faults.js');
const { rejection } = require('./support/rejection.js');
const { freePort } = require('./support/redis-server.js');
const { forEachTarget, freshName } = require('./support/targets.js');

/** Milliseconds: so long that no call rejects at its deadline. */
const COMMAND_TIMEOUT = 120_000;

forEachTarget((_target, open) => {
  describe('ping', () => {
    test('resolves to nothing', async () => {
      const { sessions } = open();
      assert.equal(await sessions.ping(), undefined);
    });

    test('works beside other calls of the same turn, many at once', async () => {
      const { sessions } = open();
      const app = freshName();
      const pings = Array.from({ length: 50 }, () => sessions.ping());
      const [token] = await Promise.all([sessions.create({ app, ownerId: 'ann' }), ...pings]);
      const [found, ...pinged] = await Promise.all([
        sessions.get({ app, token }),
        ...pings.map(() => sessions.ping()),
      ]);
      assert.equal(found.ownerId, 'ann');
      assert.deepEqual(pinged, Array(50).fill(undefined));
    });

    test('after close rejects with ERR_SESSIONS_CLOSED', async () => {
      const { sessions } = open();
      await sessions.close();
      assert.equal((await rejection(() => sessions.ping())).code, 'ERR_SESSIONS_CLOSED');
    });
  });
});

test('ping waits for a server that is down, and rejects at the deadline with the reason', async (t) => {
  const port = await freePort();
  const { open } = await faultyServer(t);
  const sessions = open({ connectionString: `redis://127.0.0.1:${port}`, commandTimeout: 300 });
  const error = await rejection(() => sessions.ping());
  assert.equal(error.code, 'ERR_SESSIONS_CONNECTION');
  assert.match(error.message, /connection refused/);
});

test('ping rejects with a wrong password, as any call does', async (t) => {
  const { server, open } = await faultyServer(t, { config: { requirepass: 'secret' } });
  const connectionString = `redis://:wrong@127.0.0.1:${new URL(server.url).port}`;
  const error = await rejection(() => open({ connectionString }).ping());
  assert.equal(error.redisCode, 'WRONGPASS');
});

test('ping is answered soon after the connection has died silently', async (t) => {
  const { proxy, open } = await faultyServer(t, { proxy: true });
  const sessions = open({ commandTimeout: COMMAND_TIMEOUT });
  await sessions.ping();
  const before = proxy.connections;
  proxy.forget();
  await sessions.ping();
  assert.ok(proxy.connections > before, 'another connection was made');
});

test('ping asks every primary of a Cluster, and rejects if one is silent', async (t) => {
  const { cluster, open } = await faultyCluster(t, { replicas: 0 });
  const { proxies, url } = await startProxies(t, cluster);
  for (const silent of proxies) {
    const sessions = open({ connectionString: url, commandTimeout: 2500 });
    await sessions.ping();
    silent.hangsUp = () => true;
    silent.forget();
    const error = await rejection(() => sessions.ping());
    assert.match(error.code, /^ERR_SESSIONS_(TIMEOUT|CONNECTION)$/);
    silent.hangsUp = () => false;
    await open({ connectionString: url, commandTimeout: COMMAND_TIMEOUT }).ping();
  }
});
