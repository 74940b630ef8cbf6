'use strict';

// A server that answers, but cannot do what it is asked: a replica, a full one, one without its
// replicas, one with too many clients. And one whose data was changed from outside.

const assert = require('node:assert/strict');
const { mkdirSync, rmSync } = require('node:fs');
const { join } = require('node:path');
const { test } = require('node:test');
const {
  assertOutage,
  assertRefusedInTime,
  connects,
  faultyServer,
  recovers,
  settled,
} = require('../support/faults.js');
const { indexKey, sessionKey } = require('../support/keys.js');
const { freePort, startRedis, waitUntil } = require('../support/redis-server.js');
const { rejection } = require('../support/rejection.js');
const { READS, requestsOf } = require('../support/requests.js');

const times = (count, make) => Array.from({ length: count }, (_, n) => make(n));

test('R20 no call fails when the primary becomes a replica and its address moves to the new primary', async (t) => {
  const { server: old, proxy, open, app, redis } = await faultyServer(t, { proxy: true });
  const next = await startRedis();
  t.after(() => next.stop());
  const replica = next.client();
  await replica.replicaof('127.0.0.1', old.port);
  const sessions = open({ commandTimeout: 30_000 });
  const token = await sessions.create({ app, ownerId: 'ann', data: { n: 0 }, duration: 600 });
  const key = sessionKey(app, 'ann', token);
  await waitUntil(() => replica.exists(key), 'the replica to have it', 60_000);

  await replica.replicaof('NO', 'ONE');
  await redis.replicaof('127.0.0.1', next.port);
  const updates = times(50, (n) => sessions.update({ app, token, data: { [`k${n}`]: n } }));
  const created = sessions.create({ app, ownerId: 'bob', duration: 600 });
  await waitUntil(
    async () => (await redis.info('errorstats')).includes('READONLY'),
    'the old primary to refuse',
  );
  proxy.upstream = next.port;
  assert.deepEqual(await Promise.all(updates), Array(50).fill(true));
  assert.equal(await next.client().exists(sessionKey(app, 'bob', await created)), 1);
  assert.equal(Object.keys((await sessions.get({ app, token })).data).length, 51);
});

test('R20 on a replica that is never promoted, writes reject with READONLY at their deadline, and reads work', async (t) => {
  const { open, app, redis } = await faultyServer(t);
  const sessions = open({ commandTimeout: 500 });
  const token = await open().create({ app, ownerId: 'ann', data: { n: 0 }, duration: 600 });
  await connects(sessions);
  await redis.replicaof('127.0.0.1', await freePort());
  await assertRefusedInTime(() => sessions.update({ app, token, data: {} }), 500, 'READONLY');
  await waitUntil(
    () =>
      sessions.get({ app, token }).then(
        ({ data }) => data.n === 0,
        () => false,
      ),
    'a read',
  );
  await redis.replicaof('NO', 'ONE');
  await recovers(sessions, app);
});

const CUT_OFF = [
  {
    code: 'NOREPLICAS',
    begin: ({ redis }) => redis.config('SET', 'min-replicas-to-write', '1'),
    end: ({ redis }) => redis.config('SET', 'min-replicas-to-write', '0'),
  },
  {
    code: 'MISCONF',
    config: { save: '3600 1', dbfilename: 'dump.rdb' },
    async begin({ redis, server }) {
      // The dump cannot take the place of a folder.
      mkdirSync(join(server.dir, 'dump.rdb', 'in the way'), { recursive: true });
      await redis.set('changed', '1');
      await redis.bgsave();
      await waitUntil(
        async () => (await redis.info('persistence')).includes('last_bgsave_status:err'),
        'the save to fail',
      );
    },
    async end({ redis, server }) {
      rmSync(join(server.dir, 'dump.rdb'), { recursive: true });
      await redis.bgsave();
      await waitUntil(
        async () => (await redis.info('persistence')).includes('last_bgsave_status:ok'),
        'the save to succeed',
      );
    },
  },
  {
    code: 'MASTERDOWN',
    config: { 'replica-serve-stale-data': 'no' },
    begin: async ({ redis }) => redis.replicaof('127.0.0.1', await freePort()),
    end: ({ redis }) => redis.replicaof('NO', 'ONE'),
  },
  {
    code: 'CLUSTERDOWN',
    config: { 'cluster-enabled': 'yes' },
    begin: async () => {},
    async end({ redis }) {
      await redis.cluster('ADDSLOTS', ...times(16_384, String));
      await waitUntil(
        async () => (await redis.cluster('INFO')).includes('cluster_state:ok'),
        'the cluster to serve',
      );
    },
  },
];
for (const { code, config, begin, end } of CUT_OFF) {
  test(`R21 every write rejects with ${code} while the server is in that state, and works afterwards`, async (t) => {
    const faulty = await faultyServer(t, { config });
    const sessions = faulty.open({ commandTimeout: 500 });
    const unknown = 'A'.repeat(172);
    const { app } = faulty;
    await connects(sessions);
    const token = await sessions.create({ app, ownerId: 'alice' }).catch(() => unknown);
    await begin(faulty);
    for (const [method, request] of Object.entries(requestsOf(app, token))) {
      if (READS.includes(method)) continue;
      const full = 'ownerId' in request ? { ...request, ownerId: 'alice' } : request;
      await assertRefusedInTime(() => sessions[method](full), 500, code);
    }
    await end(faulty);
    await recovers(sessions, faulty.app);
  });
}

test('R23 evicted sessions are not found, the others are whole, and refresh heals an evicted index', async (t) => {
  const { open, app, redis } = await faultyServer(t, {
    config: { maxmemory: '3mb', 'maxmemory-policy': 'allkeys-lru' },
  });
  const sessions = open();
  const create = (n) =>
    sessions.create({ app, ownerId: `${n % 10}`, data: { n, x: 'x'.repeat(1000) }, duration: 600 });
  const tokens = await Promise.all(times(4000, create));
  // The replies need memory too.
  await redis.config('SET', 'maxmemory', '0');
  const found = await Promise.all(tokens.map((token) => sessions.get({ app, token })));
  const left = tokens.filter((_, n) => found[n]);
  assert.ok(left.length > 0 && left.length < 4000, `${left.length} left`);
  for (const [n, session] of found.entries()) if (session) assert.equal(session.data.n, n);

  await redis.del(times(10, (n) => indexKey(app, `${n}`)));
  const refreshed = left.map((token) => sessions.refresh({ app, token, duration: 300 }));
  assert.ok((await Promise.all(refreshed)).every(Boolean));
  await Promise.all(times(10, (n) => sessions.killAll({ app, ownerId: `${n}` })));
  assert.equal(await redis.dbsize(), 0);
});

test('R25 calls wait while maxclients is reached, reject at their deadline, and work once there is room', async (t) => {
  const { open, app, redis } = await faultyServer(t);
  const limited = await redis.config('GET', 'maxclients');
  await redis.config('SET', 'maxclients', '1');
  const hasty = open({ commandTimeout: 500 });
  await assertOutage(hasty, app, 500, /^ERR_SESSIONS_CONNECTION$/);
  const patient = open({ commandTimeout: 30_000 }).create({ app, ownerId: 'ann' });
  await redis.config('SET', 'maxclients', limited[1]);
  assert.equal(typeof (await patient), 'string');
  await recovers(hasty, app);
});

test('R26 no call fails when the server closes idle connections', async (t) => {
  const { open, app, server, redis } = await faultyServer(t, { config: { timeout: 1 } });
  // This client would reconnect each time it is closed.
  redis.disconnect();
  const sessions = open();
  const token = await sessions.create({ app, ownerId: 'ann', data: { n: 1 } });
  for (let round = 0; round < 2; round++) {
    const admin = server.client();
    // All but the one that asks; it is not idle.
    await waitUntil(
      async () => (await admin.client('LIST', 'TYPE', 'normal')).trim().split('\n').length === 1,
      'the connection to be closed',
    );
    admin.disconnect();
    assert.deepEqual(await sessions.get({ app, token }), { ownerId: 'ann', data: { n: 1 } });
  }
});

test('R28 calls work after the server has cut connections at client-output-buffer-limit', async (t) => {
  const { server, open, app, redis } = await faultyServer(t);
  const sessions = open({ commandTimeout: 1000, maxDataSize: 2 ** 25 });
  const data = { x: 'x'.repeat(20 * 2 ** 20) };
  const token = await open({ commandTimeout: 60_000, maxDataSize: 2 ** 25 }).create({
    ...{ app, ownerId: 'ann', data },
  });
  await redis.config('SET', 'client-output-buffer-limit', 'normal 1048576 0 0');
  await connects(sessions);
  const many = times(10, () => settled(sessions.get({ app, token }), 1000));
  for (const { value, error } of await Promise.all(many)) {
    if (error) assert.equal(error.code, 'ERR_SESSIONS_TIMEOUT');
    else assert.deepEqual(value.data, data);
  }
  assert.match(server.log(), /output buffer limits/);
  await recovers(sessions, app);
  await redis.config('SET', 'client-output-buffer-limit', 'normal 0 0 0');
  await recovers(sessions, app);
  assert.deepEqual((await open({ commandTimeout: 60_000 }).get({ app, token })).data, data);
});

test('R32 each new connection selects the database again, so that no session lands in another', async (t) => {
  const { server, open, app, redis } = await faultyServer(t);
  const sessions = open({ connectionString: `${server.url}/5`, commandTimeout: 20_000 });
  const tokens = [];
  for (let round = 0; round < 10; round++) {
    const calls = times(20, (n) => sessions.create({ app, ownerId: `${n}`, data: { n } }));
    await redis.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    tokens.push(...(await Promise.all(calls)));
  }
  for (const [n, token] of tokens.entries())
    assert.equal((await sessions.get({ app, token })).data.n, n % 20);
  assert.match(await redis.info('keyspace'), /^# Keyspace\r\ndb5:keys=220,[^\n]*\n$/);
});

test('R39 data beyond proto-max-bulk-len is refused, and other calls are unaffected', async (t) => {
  const { open, app, redis } = await faultyServer(t);
  await redis.config('SET', 'proto-max-bulk-len', '1048576');
  const sessions = open({ commandTimeout: 1000, maxDataSize: 2 ** 22 });
  const data = { x: 'x'.repeat(2 * 2 ** 20) };
  await connects(sessions);
  const token = await sessions.create({ app, ownerId: 'ann', data: { n: 1 } });
  for (const call of [
    () => sessions.create({ app, ownerId: 'ann', data }),
    () => sessions.update({ app, token, data }),
  ]) {
    assert.match((await rejection(call)).code, /^ERR_SESSIONS_(REDIS|TIMEOUT)$/);
    await recovers(sessions, app);
  }
  assert.deepEqual((await sessions.get({ app, token })).data, { n: 1 });
});

test('R50 after FLUSHALL, SWAPDB, or deleted or overwritten keys, sessions are absent or corrupt, and killAll cleans up', async (t) => {
  const { open, app, redis } = await faultyServer(t);
  const sessions = open();
  const create = (ownerId) => sessions.create({ app, ownerId, data: { a: 1 }, duration: 600 });
  const token = await create('ann');
  await redis.call('SWAPDB', '0', '1');
  assert.equal(await sessions.get({ app, token }), undefined);
  await redis.call('SWAPDB', '0', '1');
  assert.deepEqual(await sessions.get({ app, token }), { ownerId: 'ann', data: { a: 1 } });
  await redis.flushall();
  assert.equal(await sessions.get({ app, token }), undefined);
  for (const method of ['kill', 'update', 'refresh'])
    assert.equal(await sessions[method]({ app, token, data: {}, duration: 60 }), false, method);
  assert.equal(await sessions.killAll({ app, ownerId: 'ann' }), false);

  const deleted = await create('ann');
  const overwritten = await create('ann');
  await redis.del(sessionKey(app, 'ann', deleted));
  await redis.del(sessionKey(app, 'ann', overwritten));
  await redis.lpush(sessionKey(app, 'ann', overwritten), 'x');
  assert.equal(await sessions.get({ app, token: deleted }), undefined);
  const error = await rejection(() => sessions.get({ app, token: overwritten }));
  assert.equal(error.code, 'ERR_SESSIONS_CORRUPT');
  await sessions.killAll({ app, ownerId: 'ann' });
  assert.equal(await redis.dbsize(), 0);
});
