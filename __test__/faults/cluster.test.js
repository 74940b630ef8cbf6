'use strict';

// A cluster whose nodes fail, hang, change places, come and go, under load.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { startNode } = require('../support/cluster-node.js');
const { assertExtensionSurvives } = require('../support/extension-in-flight.js');
const { faultyCluster, patience } = require('../support/faulty-cluster.js');
const { assertOutage, long, recovers, settled } = require('../support/faults.js');
const { sessionKey } = require('../support/keys.js');
const { startLoad } = require('../support/load.js');
const { startProxy } = require('../support/proxy.js');
const { freePort, startRedis } = require('../support/redis-server.js');
const { hasReplicated } = require('../support/replicated.js');
const { waitUntil } = require('../support/wait-until.js');
const { SpotsSessions } = require('../../index.js');

const HASTY = 300;
const OWNERS = long ? 50_000 : 10_000;
const times = (count, make) => Array.from({ length: count }, (_, n) => make(n));

test(`R36 with ${OWNERS} owners on all nodes, each call is one command and gets its own answer`, async (t) => {
  const { cluster, open, app } = await faultyCluster(t, { primaries: 3, replicas: 0 });
  const sessions = open({ maxPending: OWNERS });
  await recovers(sessions, app);
  const each = (call) => Promise.all(times(OWNERS, call));
  /** Carries out a method for every owner, and counts the commands that it took. */
  const count = async (command, call) => {
    await Promise.all(cluster.nodes.map(({ redis }) => redis.config('RESETSTAT')));
    const answers = await each(call);
    const stats = await Promise.all(cluster.nodes.map(({ server }) => server.commandStats()));
    const calls = stats.map((stat) => stat[command] ?? 0);
    assert.equal(
      calls.reduce((sum, n) => sum + n),
      OWNERS,
      `${command}: ${calls}`,
    );
    assert.ok(
      calls.every((n) => n > OWNERS / 4),
      `${command}: ${calls}`,
    );
    return answers;
  };
  const ownerId = (n) => `owner-${n}`;
  const yes = Array(OWNERS).fill(true);
  const tokens = await count('evalsha', (n) =>
    sessions.create({ app, ownerId: ownerId(n), data: { n } }),
  );
  assert.equal(new Set(tokens).size, OWNERS);
  const request = (n) => ({ app, token: tokens[n] });
  const update = (n) => sessions.update({ ...request(n), data: { more: n } });
  assert.deepEqual(await count('evalsha', update), yes);
  assert.deepEqual(
    await count('evalsha', (n) => sessions.refresh({ ...request(n), duration: 60 })),
    yes,
  );
  const found = await count('get', (n) => sessions.get(request(n)));
  for (const [n, session] of found.entries())
    assert.deepEqual(session, { ownerId: ownerId(n), data: { n, more: n } });
  const kill = (n) => sessions.kill(request(n));
  const killAll = (n) => sessions.killAll({ app, ownerId: ownerId(n) });
  assert.deepEqual(await count('evalsha', (n) => (n % 2 ? kill(n) : killAll(n))), yes);
  assert.deepEqual(await each((n) => sessions.get(request(n))), Array(OWNERS).fill(undefined));
});

const FAULTS = [
  {
    fault: 'CLUSTER FAILOVER',
    strike: (cluster, old) => cluster.failover(old),
  },
  {
    fault: 'kill -9 of a primary',
    loses: true,
    strike: async (cluster, old) => {
      await old.kill();
      return promoted(cluster, old);
    },
    undo: (old) => old.start(),
  },
  {
    fault: 'SIGSTOP of a primary',
    loses: true,
    strike: async (cluster, old) => {
      old.pause();
      return promoted(cluster, old);
    },
    undo: (old) => old.resume(),
  },
];

/** Waits for a replica to take over from a dead primary. */
async function promoted(cluster, old) {
  await waitUntil(async () => {
    const primaries = await cluster.primaries();
    return primaries.length === 3 && !primaries.includes(old);
  }, 'a replica to take over');
  await cluster.settled();
}

/** Creates sessions of several owners, until one lies on this primary. */
async function createOn(primary, sessions, app) {
  for (let n = 0; ; n++) {
    const ownerId = `lasting-${n}`;
    const token = await sessions.create({ app, ownerId });
    const keys = await primary.redis.keys('*');
    if (keys.includes(sessionKey(app, ownerId, token))) return { ownerId, token };
  }
}

for (const { fault, loses, strike, undo } of FAULTS) {
  test(`R36 calls wait for the new primary and succeed after ${fault}, under load`, async (t) => {
    const { cluster, open, app } = await faultyCluster(t, { config: { requirepass: 's3cret' } });
    const patient = open();
    const [old] = await cluster.primaries();
    const lasting = await createOn(old, patient, app);
    await hasReplicated(old.redis);
    const work = startLoad(t, patient, { app, commandTimeout: patience, lasting });
    const hasty = startLoad(t, open({ commandTimeout: HASTY }), {
      app: `${app}-hasty`,
      commandTimeout: HASTY,
      workers: 4,
    });
    const loads = [work, hasty];
    await Promise.all(loads.map((load) => load.goesOn()));
    const slots = times(40, (n) => `${fault}-${n}`);

    if (loses) for (const load of loads) load.mayLose();
    await strike(cluster, old);
    // All slots are served, whatever hangs: for an instance that followed the failover, and for a new one.
    for (const sessions of [patient, open()])
      await Promise.all(slots.map((slot) => recovers(sessions, `${app}-${slot}`)));
    for (const load of loads) load.losesNothing();
    await undo?.(old);
    await cluster.settled();
    await Promise.all(loads.map((load) => load.goesOn()));

    await Promise.all(loads.map((load) => load.stop()));
    assert.deepEqual(work.errors, {}, fault);
  });
}

test('R36 an extension of sliding sessions that is in flight when its primary dies reaches the new one', async (t) => {
  const { cluster, open, app } = await faultyCluster(t);
  const [old] = await cluster.primaries();
  const [replica] = await cluster.replicas(old);
  await assertExtensionSurvives(open(), app, old.redis, async () => {
    await old.kill();
    await promoted(cluster, old);
    return replica.redis;
  });
});

test('R36 calls reject with CLUSTERDOWN while a primary without a replica is dead, and succeed once it is back', async (t) => {
  const { cluster, open, app } = await faultyCluster(t, {
    replicas: 0,
    config: { 'cluster-require-full-coverage': 'yes' },
  });
  const commandTimeout = 1000;
  const hasty = open({ commandTimeout });
  const patient = open();
  for (const sessions of [hasty, patient]) await recovers(sessions, app);
  const [dead, ...rest] = cluster.nodes;
  await dead.kill();
  const isDown = async (node) => /cluster_state:fail/.test(await node.cluster('INFO'));
  await waitUntil(
    async () => (await Promise.all(rest.map(isDown))).every(Boolean),
    'the cluster to be down',
  );
  const codes = new Set();
  for (let round = 0; round < 3; round++) {
    const calls = times(50, (n) => hasty.create({ app, ownerId: `${round}-${n}` }));
    for (const { error, value } of await Promise.all(
      calls.map((call) => settled(call, commandTimeout)),
    )) {
      assert.equal(value, undefined);
      codes.add(error.redisCode ?? error.code);
    }
  }
  assert.ok(codes.has('CLUSTERDOWN'), [...codes].join());
  // On a busy machine a node may also answer too late.
  const others = ['CLUSTERDOWN', 'ERR_SESSIONS_CONNECTION', 'ERR_SESSIONS_TIMEOUT'];
  assert.deepEqual(
    [...codes].filter((code) => !others.includes(code)),
    [],
  );
  await assertOutage(hasty, app, commandTimeout, /^ERR_SESSIONS_(REDIS|CONNECTION|TIMEOUT)$/);
  const waiting = times(50, (n) => patient.create({ app, ownerId: `${n}` }));
  await dead.start();
  assert.equal(new Set(await Promise.all(waiting)).size, 50);
  await recovers(hasty, app);
});

test('R36 one replica is enough as a seed, beside a seed that is down, and no seed is needed after the start', async (t) => {
  const { cluster, open, app } = await faultyCluster(t);
  const [replica] = await cluster.replicas();
  const down = `redis-cluster://127.0.0.1:${await freePort()}`;
  const absent = open({ connectionString: down, commandTimeout: 300 });
  await assertOutage(absent, app, 300, /^ERR_SESSIONS_CONNECTION$/);
  await recovers(open({ connectionString: `${down},${replica.address}` }), app);

  const sessions = open({ connectionString: `redis-cluster://${replica.address}` });
  await recovers(sessions, app);
  const replicas = await Promise.all(cluster.nodes.map((node) => cluster.replicas(node)));
  const old = cluster.nodes.find(
    (_, n) => replicas[n].length > 0 && !replicas[n].includes(replica),
  );
  await replica.kill();
  await recovers(sessions, app);
  // Later changes are learnt from the nodes that the seed named.
  const load = startLoad(t, sessions, { app, commandTimeout: patience });
  await cluster.failover(old);
  await load.goesOn();
  await load.stop();
  assert.deepEqual(load.errors, {});
});

// The first attempt lasts for all of connectTimeout, 10 s. Another one must be made beside it.
test('R36 calls succeed once the only seed, silent at first, answers, with the default timeouts', async (t) => {
  const { cluster, open, app } = await faultyCluster(t, { primaries: 1, replicas: 0 });
  const proxy = await startProxy(cluster.nodes[0].port);
  t.after(() => proxy.stop());
  proxy.silent = true;
  const sessions = open({ connectionString: `redis-cluster://${proxy.host}:${proxy.port}` });
  await waitUntil(() => proxy.connections > 0, 'the seed to be asked');
  proxy.forget();
  proxy.silent = false;
  await recovers(sessions, app);
});

test('R36 calls of a new instance wait while the only node loads its data', async (t) => {
  const { cluster, open, app } = await faultyCluster(t, {
    primaries: 1,
    replicas: 0,
    config: {
      save: '3600 1',
      'key-load-delay': 3000,
      'loading-process-events-interval-bytes': 1024,
    },
  });
  const [node] = cluster.nodes;
  const before = open();
  const create = (n) => before.create({ app, ownerId: `${n}`, data: { n, x: 'x'.repeat(100) } });
  const tokens = await Promise.all(times(400, create));
  await node.redis.save();
  await node.kill();
  const started = node.start();
  const admin = node.client({ enableReadyCheck: false, retryStrategy: () => 5 });
  const loading = async () => /^loading:1/m.test(await admin.info('persistence').catch(String));
  await waitUntil(loading, 'the node to load');
  const sessions = open();
  const found = await Promise.all(tokens.map((token) => sessions.get({ app, token })));
  assert.deepEqual(
    found.map((session) => session?.data.n),
    times(400, (n) => n),
  );
  await started;
});

test('R36 no call fails after SCRIPT FLUSH on every node, under load', async (t) => {
  const { cluster, open, app } = await faultyCluster(t, { replicas: 0 });
  const load = startLoad(t, open(), { app, commandTimeout: patience });
  for (let round = 0; round < 5; round++) {
    await load.goesOn(10);
    await Promise.all(cluster.nodes.map(({ redis }) => redis.script('FLUSH')));
  }
  await load.goesOn();
  await load.stop();
  assert.deepEqual(load.errors, {});
});

test('R36 a server that is no cluster and a wrong password are refused at once, with the code and the reason', async (t) => {
  const [server, node] = await Promise.all([startRedis(), startNode({ requirepass: 's3cret' })]);
  t.after(() => Promise.all([server.stop(), node.stop()]));
  const absent = await freePort();
  const rows = [
    ['no cluster', `127.0.0.1:${server.port}`, 'ERR', /cluster support disabled/],
    ['a wrong password', `:s3cret-wrong@${node.address}`, 'WRONGPASS', /./],
    ['no password', node.address, 'NOAUTH', /./],
    ['beside a node that is down', `:wrong@127.0.0.1:${absent},${node.address}`, 'WRONGPASS', /./],
  ];
  for (const [label, rest, redisCode, message] of rows) {
    const sessions = open(t, `redis-cluster://${rest}`);
    for (const ownerId of ['ann', 'bob', 'cleo']) {
      const call = sessions.create({ app: 'app', ownerId });
      const { error } = await settled(call, patience / 8);
      assert.equal(error?.redisCode, redisCode, label);
      assert.match(error.message, message);
    }
  }
});

test('R36 if a cluster node is addressed as a single server, the error says to use redis-cluster://', async (t) => {
  const { cluster } = await faultyCluster(t, { replicas: 0 });
  const sessions = open(t, `redis://${cluster.nodes[0].address}`);
  const calls = times(30, (n) => sessions.create({ app: 'app', ownerId: `${n}` }));
  const ends = await Promise.all(calls.map((call) => settled(call, patience / 8)));
  const errors = ends.flatMap(({ error }) => error ?? []);
  assert.ok(errors.length > 5 && errors.length < 30);
  for (const error of errors) {
    assert.equal(error.redisCode, 'MOVED');
    assert.match(error.message, /it is part of a cluster: use redis-cluster:\/\//);
  }
});

test('R36 a server that refuses scripts with keys of several slots gets the calls one by one, whatever mode it reports', async (t) => {
  const { cluster } = await faultyCluster(t, { primaries: 1, replicas: 0 });
  const proxy = await startProxy(cluster.nodes[0].port);
  t.after(() => proxy.stop());
  const app = 'app';
  /** Makes 30 calls together, and counts the scripts that were sent and those that were refused. */
  async function scripts(calls) {
    const count = async () => {
      const text = await cluster.nodes[0].redis.info('commandstats');
      const line = /^cmdstat_evalsha:calls=(\d+).*rejected_calls=(\d+)/m.exec(text) ?? [0, 0, 0];
      return [Number(line[1]), Number(line[2])];
    };
    const [calledBefore, refusedBefore] = await count();
    const answers = await Promise.all(times(30, calls));
    const [called, refused] = await count();
    return { answers, called: called - calledBefore, refused: refused - refusedBefore };
  }
  for (const says of ['cluster', 'standalone']) {
    proxy.onReply = ({ bytes }) => {
      const text = bytes.toString('latin1');
      const isHello = text.includes('\r\nmode\r\n');
      const mode = `$${says.length}\r\n${says}`;
      return isHello ? Buffer.from(text.replace('$7\r\ncluster', mode), 'latin1') : bytes;
    };
    const sessions = open(t, proxy.url);
    await sessions.killAll({ app, ownerId: 'nobody' }); // connected
    const create = (n) => sessions.create({ app, ownerId: `${says} ${n}` });
    const created = await scripts(create);
    const killed = await scripts((n) => sessions.kill({ app, token: created.answers[n] }));
    assert.deepEqual(killed, { answers: times(30, () => true), called: 30, refused: 0 }, says);
    assert.equal(created.called, 30, says);
    assert.equal(created.refused > 0, says === 'standalone');
  }
});

/** An instance with a long commandTimeout, which is closed after the test. */
function open(t, connectionString) {
  const sessions = new SpotsSessions({ connectionString, commandTimeout: patience });
  t.after(() => sessions.close());
  return sessions;
}
