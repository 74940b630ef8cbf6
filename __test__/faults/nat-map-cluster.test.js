'use strict';

// The option `natMap` on a cluster whose nodes announce addresses that lead nowhere.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { after, before, describe, test } = require('node:test');
const { startCluster } = require('../support/cluster.js');
const { patience } = require('../support/faulty-cluster.js');
const { recovers, settled } = require('../support/faults.js');
const { indexKey, sessionKey } = require('../support/keys.js');
const { startLoad } = require('../support/load.js');
const { UNREACHABLE, startNat } = require('../support/nat.js');
const { compileRoute } = require('../support/preload.js');
const {
  FAILURES,
  THROWN,
  clientsBeyond,
  open,
  readsReplicas,
  times,
  worksEverywhere,
} = require('../support/behind-nat.js');
const { startProxy } = require('../support/proxy.js');
const { freshName } = require('../support/targets.js');
const { waitUntil } = require('../support/wait-until.js');

/** Asserts that no call fails while a replica takes over, under load. */
async function outlivesFailover(t, sessions, cluster) {
  const load = startLoad(t, sessions, { app: freshName(), commandTimeout: patience });
  await load.goesOn();
  const [old] = await cluster.primaries();
  await cluster.failover(old);
  await load.goesOn();
  await load.stop();
  assert.deepEqual(load.errors, {});
}

test('all methods work on a cluster that was told by its configuration to announce ports where nobody listens', async (t) => {
  const cluster = await startCluster({ replicas: 0 });
  t.after(() => cluster.stop());
  const natMap = {};
  for (const [n, { port, redis }] of cluster.nodes.entries()) {
    const announced = 901 + n; // the tests start no server below 1024
    // The nodes themselves meet on the bus, whose port stays.
    await redis.config('SET', 'cluster-announce-bus-port', port + 10_000);
    await redis.config('SET', 'cluster-announce-port', announced);
    natMap[`127.0.0.1:${announced}`] = { host: '127.0.0.1', port };
  }
  const told = async (node) =>
    (await node.redis.cluster('SLOTS')).every(([, , [host, port]]) => `${host}:${port}` in natMap);
  for (const node of cluster.nodes) {
    await waitUntil(() => told(node), 'each node to announce the new ports');
  }
  const seed = `127.0.0.1:${cluster.nodes[0].port}`;
  await worksEverywhere(open(t, { cluster: [seed], natMap }));
  const sessions = open(t, { cluster: [seed], commandTimeout: 500 });
  await assert.rejects(sessions.ping(), { code: 'ERR_SESSIONS_CONNECTION' }, 'without natMap');
});

test('R93 all methods work on a cluster whose nodes themselves announce an IP that only they can reach', async (t) => {
  const library = compileRoute(t, UNREACHABLE);
  if (!library) return t.skip('no C compiler for a route that only the nodes have');
  const cluster = await startCluster({
    downAfter: 5000,
    config: { 'cluster-announce-ip': UNREACHABLE },
    env: { LD_PRELOAD: library },
  });
  t.after(() => cluster.stop());
  const natMap = Object.fromEntries(
    cluster.nodes.map(({ port }) => [`${UNREACHABLE}:${port}`, { host: '127.0.0.1', port }]),
  );
  const told = async (node) =>
    (await node.redis.cluster('SLOTS')).every(([, , ...nodes]) =>
      nodes.every(([host, port]) => `${host}:${port}` in natMap),
    );
  for (const node of cluster.nodes) {
    await waitUntil(() => told(node), 'each node to announce the IP of all');
  }
  const [seed] = cluster.nodes.map(({ address }) => address);
  const sessions = open(t, { cluster: [seed], natMap });
  await worksEverywhere(sessions);
  const reader = open(t, { cluster: [seed], natMap, readFrom: 'replica' });
  await readsReplicas(reader, sessions, await cluster.replicas());

  await outlivesFailover(t, sessions, cluster);

  const without = open(t, { cluster: [seed], commandTimeout: 500, connectTimeout: 400 });
  await assert.rejects(without.ping(), { code: 'ERR_SESSIONS_CONNECTION' }, 'without natMap');
});

describe('R93 a cluster behind NAT', () => {
  /** @type {Awaited<ReturnType<typeof startCluster>>} */
  let cluster;
  before(async () => {
    cluster = await startCluster({ primaries: 3, replicas: 1, downAfter: 5000 });
  });
  after(() => cluster?.stop());

  /** A NAT, and how to open instances beyond it. */
  async function nat(t, host) {
    const around = await startNat(t, cluster.nodes, host);
    const connectionString = `redis-cluster://${around.reached(cluster.nodes[0])}`;
    return { around, options: { connectionString, natMap: around.map } };
  }

  for (const [kind, host] of [
    ['IPv4', undefined],
    ['IPv6', '2001:db8::1'],
    ['a name', 'node.invalid'],
  ]) {
    test(`all methods work on nodes that announce ${kind}`, async (t) => {
      const { options } = await nat(t, host);
      await worksEverywhere(open(t, options));
    });
  }

  test('an IPv6 key may have brackets', async (t) => {
    const { options } = await nat(t, '2001:db8::1');
    const entries = Object.entries(options.natMap);
    const natMap = Object.fromEntries(
      entries.map(([key, value]) => [key.replace(/^(.*):/, '[$1]:'), value]),
    );
    await worksEverywhere(open(t, { ...options, natMap }));
  });

  test('a function gets what each primary announces, and all methods work', async (t) => {
    const { around, options } = await nat(t, '2001:db8::1');
    const asked = new Set();
    const natMap = (...args) => {
      asked.add(args.join());
      return around.map[args[0]];
    };
    await worksEverywhere(open(t, { ...options, natMap }));
    const primaries = await cluster.primaries();
    assert.deepEqual([...asked].sort(), primaries.map((node) => around.announced(node)).sort());
  });

  for (const [how, natMap, isCause] of FAILURES) {
    test(`a function that ${how} makes the attempt fail, and is called again at the next one`, async (t) => {
      const { around, options } = await nat(t);
      let fails = true;
      const [failing] = await cluster.primaries();
      const fn = (announced) =>
        fails && announced === around.announced(failing) ? natMap() : around.map[announced];
      const sessions = open(t, { ...options, natMap: fn, commandTimeout: 1000 });
      const [error] = await once(sessions, 'error');
      assert.equal(error.code, 'ERR_SESSIONS_CONNECTION');
      assert.match(error.message, /the function `natMap` failed/);
      assert.ok(error.message.includes(around.announced(failing)), error.message);
      assert.ok(!error.message.includes('s3cret'));
      isCause(error.cause);

      // The other nodes serve their sessions.
      const app = freshName();
      const create = (n) => settled(sessions.create({ app, ownerId: `owner-${n}` }), 1000);
      const ends = await Promise.all(times(30, create));
      const errors = ends.flatMap(({ error }) => error ?? []);
      assert.ok(errors.length > 0 && errors.length < ends.length, `${errors.length} errors`);
      for (const { message } of errors) assert.match(message, /the function `natMap` failed/);
      fails = false;
      for (let n = 0; n < 30; n++) await recovers(sessions, `${app}-${n}`);
    });
  }

  test('a function may give another address at each attempt to connect', async (t) => {
    const { around, options } = await nat(t);
    const [moving] = await cluster.primaries();
    const other = await startProxy(moving.port);
    t.after(() => other.stop());
    let hasMoved = false;
    const natMap = (announced) =>
      hasMoved && announced === around.announced(moving)
        ? { host: other.host, port: other.port }
        : around.map[announced];
    const sessions = open(t, { ...options, natMap });
    await worksEverywhere(sessions);
    hasMoved = true;
    await around.proxy(moving).refuse();
    await worksEverywhere(sessions);
    assert.ok(other.connections > 0);
  });

  test('get reads from replicas', async (t) => {
    const { options } = await nat(t);
    const [reader, writer] = [open(t, { ...options, readFrom: 'replica' }), open(t, options)];
    await readsReplicas(reader, writer, await cluster.replicas());
  });

  test('calls follow a slot while it moves and after it has moved', async (t) => {
    const { options } = await nat(t);
    const sessions = open(t, options);
    const [app, ownerId] = [freshName(), 'ann'];
    const tokens = await Promise.all(times(20, () => sessions.create({ app, ownerId })));
    const slot = await cluster.slotOf(indexKey(app, ownerId));
    const from = await cluster.slotOwner(slot);
    const to = (await cluster.primaries()).find((node) => node !== from);
    const areFound = async () => {
      const found = await Promise.all(tokens.map((token) => sessions.get({ app, token })));
      assert.ok(found.every((session) => session?.ownerId === ownerId));
    };
    const left = tokens.slice(0, 10).map((token) => sessionKey(app, ownerId, token));
    // ASK for the sessions that have left, and for those that are new; MOVED after that.
    await cluster.reshard([slot], from, to, {
      begun: async () => {
        await from.redis.call('MIGRATE', to.host, to.port, '', 0, 5000, 'KEYS', ...left);
        await areFound();
      },
      moved: areFound,
    });
    await areFound();
    assert.equal(await sessions.killAll({ app, ownerId }), true);
    await cluster.reshard([slot], to, from);
  });

  test('calls are redirected to a node that was added, and is not in the slot map', async (t) => {
    const node = await cluster.addNode();
    const { options } = await nat(t);
    const sessions = open(t, options);
    const [app, ownerId] = [freshName(), 'ann'];
    const token = await sessions.create({ app, ownerId });
    const slot = await cluster.slotOf(indexKey(app, ownerId));
    const from = await cluster.slotOwner(slot);
    const isFound = async () => assert.ok(await sessions.get({ app, token }));
    await cluster.reshard([slot], from, node, { begun: isFound, moved: isFound });
    await isFound();
    await cluster.reshard([slot], node, from);
    await cluster.removeNode(node);
  });

  test('calls wait for the new primary during a failover, under load', async (t) => {
    const { options } = await nat(t);
    await outlivesFailover(t, open(t, options), cluster);
  });

  test('no seed is needed after the start', async (t) => {
    const { around, options } = await nat(t);
    const [old] = await cluster.primaries();
    const [seed] = await cluster.replicas();
    const connectionString = `redis-cluster://${around.reached(seed)}`;
    const sessions = open(t, { ...options, connectionString });
    await recovers(sessions, freshName());
    await around.proxy(seed).refuse();
    const load = startLoad(t, sessions, { app: freshName(), commandTimeout: patience });
    const isSeedsPrimary = (await cluster.replicas(old)).includes(seed);
    const [, other] = await cluster.primaries();
    await cluster.failover(isSeedsPrimary ? other : old);
    await load.goesOn();
    await load.stop();
    assert.deepEqual(load.errors, {});
  });

  test('a node that natMap does not name is tried at the address that it announces', async (t) => {
    const { around, options } = await nat(t);
    const [missing, present] = await cluster.primaries();
    const { [around.announced(missing)]: _, ...natMap } = options.natMap;
    const connectionString = `redis-cluster://${around.reached(present)}`;
    const sessions = open(t, { connectionString, natMap, commandTimeout: 1000 });
    const app = freshName();
    const create = (n) => settled(sessions.create({ app, ownerId: `owner-${n}` }), 1000);
    const ends = await Promise.all(times(30, create));
    const errors = ends.flatMap(({ error }) => error ?? []);
    assert.ok(errors.length > 0 && errors.length < ends.length, `${errors.length} errors`);
    for (const error of errors) {
      assert.equal(error.code, 'ERR_SESSIONS_CONNECTION');
      assert.ok(error.message.includes(` ${around.announced(missing)}: `), error.message);
    }
  });

  test('errors and events name the address that was tried', async (t) => {
    const { around, options } = await nat(t);
    const [down] = await cluster.primaries();
    const sessions = open(t, { ...options, commandTimeout: 1000 });
    const app = freshName();
    await recovers(sessions, app);
    const told = once(sessions, 'reconnecting');
    await around.proxy(down).refuse();
    const [event] = await told;
    assert.ok(event.message.includes(` ${around.reached(down)}: `), event.message);
    const create = (n) => settled(sessions.create({ app, ownerId: `owner-${n}` }), 1000);
    const errors = (await Promise.all(times(30, create))).flatMap(({ error }) => error ?? []);
    assert.ok(errors.length > 0);
    for (const { message } of errors) {
      assert.ok(message.includes(around.reached(down)), message);
      assert.ok(!message.includes(around.announced(down)), message);
    }
  });

  test('a node that hangs from the start is named by the address that is tried', async (t) => {
    const { around, options } = await nat(t);
    const [hanging, other] = await cluster.primaries();
    around.proxy(hanging).silent = true;
    const connectionString = `redis-cluster://${around.reached(other)}`;
    const sessions = open(t, { ...options, connectionString, commandTimeout: 1000 });
    const app = freshName();
    const create = (n) => settled(sessions.create({ app, ownerId: `owner-${n}` }), 1000);
    const errors = (await Promise.all(times(30, create))).flatMap(({ error }) => error ?? []);
    assert.ok(errors.length > 0);
    for (const { message } of errors)
      assert.ok(message.includes(` ${around.reached(hanging)}: `), message);
  });

  test('client uses natMap, too', async (t) => {
    const { around, options } = await nat(t);
    for (const client of clientsBeyond(t, around, options)) {
      const names = times(30, (n) => `${freshName()}-${n}`);
      await Promise.all(names.map((name) => client.set(name, name)));
      assert.deepEqual(await Promise.all(names.map((name) => client.get(name))), names);
    }
  });

  test('client outlives a function that fails, and calls it again', async (t) => {
    const { around, options } = await nat(t);
    let fails = true;
    const natMap = (announced) => (fails ? FAILURES[0][1]() : around.map[announced]);
    const { client } = open(t, { ...options, natMap, maxRetriesPerRequest: null });
    const [error, announced] = await once(client, 'node error');
    assert.equal(error.cause, THROWN);
    assert.match(
      error.message,
      /^cannot connect to redis at 192\.0\.2\.1:\d+: the function `natMap`/,
    );
    assert.ok(!error.message.includes('s3cret'));
    assert.ok(announced in around.map);
    fails = false;
    const name = freshName();
    const isWritten = () => client.set(name, 'value').catch(() => false);
    await waitUntil(isWritten, 'the client to connect');
    assert.equal(await client.get(name), 'value');
  });
});
