'use strict';

// The option `natMap`: nodes of a cluster, and servers behind Sentinel, that announce addresses which lead nowhere.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { after, before, describe, test } = require('node:test');
const { SpotsSessions } = require('../../index.js');
const { startCluster } = require('../support/cluster.js');
const { patience } = require('../support/faulty-cluster.js');
const { startFakeSentinel } = require('../support/fake-sentinel.js');
const { recovers, settled } = require('../support/faults.js');
const { indexKey, sessionKey } = require('../support/keys.js');
const { startLoad } = require('../support/load.js');
const { startNat } = require('../support/nat.js');
const { startProxy } = require('../support/proxy.js');
const { startRedis } = require('../support/redis-server.js');
const { startSentinels } = require('../support/sentinel.js');
const { freshName } = require('../support/targets.js');
const { waitUntil } = require('../support/wait-until.js');

const times = (count, make) => Array.from({ length: count }, (_, n) => make(n));

/** An instance that ends with the test. */
function open(t, options) {
  const sessions = new SpotsSessions({ commandTimeout: patience, ...options });
  t.after(() => sessions.close());
  return sessions;
}

/** Calls each method for owners of all nodes. */
async function worksEverywhere(sessions) {
  const app = freshName();
  const owners = times(30, (n) => `owner-${n}`);
  const each = (call) => Promise.all(owners.map(call));
  const tokens = await each((ownerId, n) => sessions.create({ app, ownerId, data: { n } }));
  const yes = owners.map(() => true);
  const request = (n) => ({ app, token: tokens[n] });
  assert.deepEqual(await each((_, n) => sessions.update({ ...request(n), data: { a: n } })), yes);
  assert.deepEqual(await each((_, n) => sessions.refresh({ ...request(n), duration: 60 })), yes);
  assert.deepEqual(
    await each((_, n) => sessions.get(request(n))),
    owners.map((ownerId, n) => ({ ownerId, data: { n, a: n } })),
  );
  assert.deepEqual(
    await each((ownerId, n) =>
      n % 2 ? sessions.kill(request(n)) : sessions.killAll({ app, ownerId }),
    ),
    yes,
  );
  await sessions.ping();
}

const THROWN = new Error('s3cret of the program');

/** Ways in which a function fails, with the cause of the event. @type {[string, () => any, (cause: any) => void][]} */
const FAILURES = [
  [
    'throws',
    () => {
      throw THROWN;
    },
    (cause) => assert.equal(cause, THROWN),
  ],
  [
    'gives a promise',
    () => Promise.resolve({ host: '127.0.0.1', port: 1 }),
    ({ message }) => assert.match(message, /^expected `natMap\('.*'\)` to be where the node is/),
  ],
  [
    'gives no port',
    () => ({ host: '127.0.0.1' }),
    ({ message }) => assert.match(message, /^expected `natMap\('.*'\)\.port` to be a whole number/),
  ],
  [
    'gives a text',
    () => '127.0.0.1:6379',
    ({ message }) => assert.match(message, /^expected `natMap\('.*'\)` to be where the node is/),
  ],
];

/** GETs that servers have carried out. */
async function gets(nodes) {
  const texts = await Promise.all(nodes.map((node) => node.client().info('commandstats')));
  const counts = texts.map((text) => Number(/cmdstat_get:calls=(\d+)/.exec(text)?.[1] ?? 0));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Resolves when replicas have answered a `get`. */
async function readsReplicas(reader, writer, replicas) {
  const app = freshName();
  const create = (n) => writer.create({ app, ownerId: `owner-${n}` });
  const tokens = await Promise.all(times(30, create));
  await waitUntil(async () => {
    const before = await gets(replicas);
    await Promise.all(tokens.map((token) => reader.get({ app, token })));
    return (await gets(replicas)) > before;
  }, 'a replica to be read from');
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
    const app = freshName();
    const load = startLoad(t, open(t, options), { app, commandTimeout: patience });
    await load.goesOn();
    const [old] = await cluster.primaries();
    await cluster.failover(old);
    await load.goesOn();
    await load.stop();
    assert.deepEqual(load.errors, {});
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
    for (const natMap of [around.map, (announced) => around.map[announced]]) {
      // An attempt that leads nowhere ends soon.
      const { client } = open(t, {
        ...options,
        natMap,
        connectTimeout: 2000,
        maxRetriesPerRequest: 2,
      });
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

describe('R93 Sentinel behind NAT', () => {
  /** @type {Awaited<ReturnType<typeof startSentinels>>} */
  let group;
  before(async () => {
    group = await startSentinels({ replicas: 1, sentinels: 3 });
  });
  after(() => group?.stop());

  async function nat(t, host) {
    const around = await startNat(t, [...group.sentinels, ...group.nodes], host);
    const list = group.sentinels.map((sentinel) => around.reached(sentinel));
    const connectionString = `redis-sentinel://${list}?name=${group.name}`;
    return { around, options: { connectionString, natMap: around.map } };
  }

  for (const [kind, host] of [
    ['IPv4', undefined],
    ['IPv6', '2001:db8::1'],
  ]) {
    test(`all methods work on a primary that is announced by ${kind}`, async (t) => {
      const { options } = await nat(t, host);
      await worksEverywhere(open(t, options));
    });
  }

  test('a function gets what is announced, and all methods work', async (t) => {
    const { around, options } = await nat(t, '2001:db8::1');
    const asked = new Set();
    const natMap = (announced) => {
      asked.add(announced);
      return around.map[announced];
    };
    await worksEverywhere(open(t, { ...options, natMap }));
    assert.deepEqual([...asked], [around.announced(await group.primary())]);
  });

  for (const [how, natMap, isCause] of FAILURES) {
    test(`a function that ${how} makes the attempt fail, and is called again at the next one`, async (t) => {
      const { around, options } = await nat(t);
      let fails = true;
      const fn = (announced) => (fails ? natMap() : around.map[announced]);
      const sessions = open(t, { ...options, natMap: fn });
      const [error] = await once(sessions, 'error');
      assert.equal(error.code, 'ERR_SESSIONS_CONNECTION');
      assert.match(error.message, /the function `natMap` failed/);
      assert.ok(error.message.includes(around.announced(await group.primary())), error.message);
      assert.ok(!error.message.includes('s3cret'));
      isCause(error.cause);
      const call = sessions.ping();
      fails = false;
      await call;
    });
  }

  test('get reads from a replica', async (t) => {
    const { options } = await nat(t);
    const [reader, writer] = [open(t, { ...options, readFrom: 'replica' }), open(t, options)];
    await readsReplicas(reader, writer, await group.replicas());
  });

  test('calls follow the primary after a failover, under load', async (t) => {
    const { options } = await nat(t);
    const load = startLoad(t, open(t, options), { app: freshName(), commandTimeout: patience });
    await load.goesOn();
    load.mayLose();
    await group.failover();
    await load.goesOn();
    await load.stop();
    assert.deepEqual(load.errors, {});
  });

  test('the connection to the primary is kept while most sentinels name it', async (t) => {
    const server = await startRedis();
    const proxy = await startProxy(server.port);
    const fakes = await Promise.all(times(3, () => startFakeSentinel(1)));
    t.after(() => Promise.all([server, proxy, ...fakes].map((each) => each.stop())));
    const list = fakes.map(({ host, port }) => `${host}:${port}`);
    const sessions = open(t, {
      connectionString: `redis-sentinel://${list}?name=m`,
      natMap: { '127.0.0.1:1': { host: proxy.host, port: proxy.port } },
    });
    const lost = [];
    sessions.on('reconnecting', (reason) => lost.push(reason));
    await recovers(sessions, freshName());
    const isFollowed = () => fakes.every(({ subscribers }) => subscribers > 0);
    await waitUntil(isFollowed, 'the sentinels to be subscribed to');
    const [outvoted, ...others] = fakes;
    const asked = others.map((fake) => fake.asked);
    outvoted.moveTo(2);
    const isAskedAgain = () => others.every((fake, n) => fake.asked > asked[n]);
    await waitUntil(isAskedAgain, 'the other sentinels to be asked');
    for (let n = 0; n < 20; n++) await recovers(sessions, freshName());
    assert.deepEqual(lost, []);
    assert.equal(proxy.connections, 1);
  });

  test('a primary that natMap does not name is tried at the address that is announced', async (t) => {
    const { around, options } = await nat(t);
    const primary = await group.primary();
    const { [around.announced(primary)]: _, ...natMap } = options.natMap;
    const sessions = open(t, { ...options, natMap, connectTimeout: 300, commandTimeout: 1000 });
    const [error] = await once(sessions, 'error');
    assert.ok(error.message.includes(` ${around.announced(primary)}: `), error.message);
    const { error: rejection } = await settled(sessions.ping(), 1000);
    assert.equal(rejection.code, 'ERR_SESSIONS_CONNECTION');
  });

  test('client uses natMap, too', async (t) => {
    const { around, options } = await nat(t);
    for (const natMap of [around.map, (announced) => around.map[announced]]) {
      // An attempt that leads nowhere ends soon.
      const { client } = open(t, {
        ...options,
        natMap,
        connectTimeout: 2000,
        maxRetriesPerRequest: 2,
      });
      const name = freshName();
      await client.set(name, 'value');
      assert.equal(await client.get(name), 'value');
    }
  });

  test('client outlives a function that fails, and calls it again', async (t) => {
    const { around, options } = await nat(t);
    let fails = true;
    const natMap = (announced) => (fails ? FAILURES[0][1]() : around.map[announced]);
    const { client } = open(t, { ...options, natMap, maxRetriesPerRequest: null });
    const [error] = await once(client, 'error');
    assert.match(error.message, /unreachable/);
    fails = false;
    assert.equal(await client.set(freshName(), 'value'), 'OK');
  });
});
