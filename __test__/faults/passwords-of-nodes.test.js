'use strict';

// Functions that give the passwords of several servers: sentinels and the servers behind them, and the nodes of a cluster.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { after, before, test } = require('node:test');
const { SpotsSessions } = require('../../index.js');
const { startCluster } = require('../support/cluster.js');
const { recovers, settled } = require('../support/faults.js');
const { startSentinels } = require('../support/sentinel.js');
const { freshName } = require('../support/targets.js');
const { waitUntil } = require('../support/wait-until.js');

const OF_SERVERS = 's3cret';
const OF_SENTINELS = 's3cret-too';

/** @type {Awaited<ReturnType<typeof startSentinels>>} */
let group;
/** @type {Awaited<ReturnType<typeof startCluster>>} */
let cluster;
before(async () => {
  const config = { requirepass: OF_SERVERS };
  [group, cluster] = await Promise.all([
    // No failover by itself, however busy the machine is.
    startSentinels({ replicas: 1, downAfter: 60_000, sentinelPassword: OF_SENTINELS, config }),
    startCluster({ replicas: 0, config }),
  ]);
});
after(async () => {
  await group?.stop();
  await cluster?.stop();
});

/** A function that gives a password or fails, and counts. */
function source(text) {
  const ask = async () => {
    ask.asked++;
    if (ask.error) throw ask.error;
    return ask.text;
  };
  return Object.assign(ask, { text, asked: 0, error: undefined });
}

/** An instance that ends with the test. */
function open(t, options) {
  const sessions = new SpotsSessions({
    // Beside an attempt that hangs for a tenth of connectTimeout, another one begins.
    ...{ commandTimeout: 20_000, connectTimeout: 200_000 },
    ...options,
  });
  t.after(() => sessions.close());
  return sessions;
}

const addresses = () => group.sentinels.map(({ host, port }) => `${host}:${port}`);
const clusterUrl = () => `redis-cluster://${cluster.nodes.map(({ address }) => address).join(',')}`;

for (const [label, where] of [
  ['a URL', () => ({ connectionString: `redis-sentinel://${addresses()}?name=${group.name}` })],
  ['an object', () => ({ sentinels: addresses(), name: group.name })],
]) {
  test(`R59 behind sentinels of ${label}, the servers and the sentinels have a function each`, async (t) => {
    const [password, sentinelPassword] = [source(OF_SERVERS), source(OF_SENTINELS)];
    const sessions = open(t, { ...where(), password, sentinelPassword });
    const app = freshName();
    await recovers(sessions, app);
    assert.equal(password.asked, 1);
    const asked = () => sentinelPassword.asked;
    // Each sentinel is asked for the primary, and is subscribed to.
    await waitUntil(() => asked() >= 4, 'the sentinels to be asked');

    const token = await sessions.create({ app, ownerId: 'ann' });
    for (let n = 0; n < 50; n++) await sessions.get({ app, token });
    assert.equal(password.asked, 1);
    await group.failover();
    await recovers(sessions, app);
    assert.ok(password.asked > 1);
  });
}

test('R59 a fixed password and a function work together behind sentinels', async (t) => {
  const where = { sentinels: addresses(), name: group.name };
  for (const passwords of [
    { password: OF_SERVERS, sentinelPassword: source(OF_SENTINELS) },
    { password: source(OF_SERVERS), sentinelPassword: OF_SENTINELS },
  ]) {
    await recovers(open(t, { ...where, ...passwords }), freshName());
  }
});

for (const name of ['password', 'sentinelPassword']) {
  test(`R59 an instance behind sentinels reports a \`${name}\` that fails, and works when it gives one`, async (t) => {
    const given = { password: source(OF_SERVERS), sentinelPassword: source(OF_SENTINELS) };
    const error = new Error('s3cret: no token');
    given[name].error = error;
    const sessions = open(t, { sentinels: addresses(), name: group.name, ...given });
    const [told] = await once(sessions, 'error');
    assert.equal(told.code, 'ERR_SESSIONS_CONNECTION');
    assert.match(told.message, new RegExp(`: the function \`${name}\` failed`));
    assert.equal(told.cause, error);
    given[name].error = undefined;
    await recovers(sessions, freshName());
  });
}

test('R59 a cluster asks once for each connection to a node, and not for each call', async (t) => {
  await Promise.all(cluster.nodes.map(({ redis }) => redis.config('RESETSTAT')));
  const password = source(OF_SERVERS);
  const sessions = open(t, { connectionString: clusterUrl(), password });
  const app = freshName();
  const owners = Array.from({ length: 100 }, (_, n) => `owner-${n}`);
  const tokens = await Promise.all(owners.map((ownerId) => sessions.create({ app, ownerId })));
  for (let n = 0; n < 5; n++) {
    const found = await Promise.all(tokens.map((token) => sessions.get({ app, token })));
    assert.ok(found.every(Boolean));
  }
  // One connection for each of the three nodes, and a few that ask which node serves which slot.
  assert.ok(password.asked >= 4 && password.asked < 20, `${password.asked}`);
  const logins = async () => {
    const texts = await Promise.all(cluster.nodes.map(({ redis }) => redis.info('commandstats')));
    const counts = texts.map((text) => Number(/^cmdstat_auth:calls=(\d+)/m.exec(text)?.[1] ?? 0));
    return counts.reduce((sum, count) => sum + count);
  };
  await waitUntil(async () => (await logins()) === password.asked, 'a login for each question');
});

test('R59 while the function of a cluster fails, only calls to nodes without a connection fail', async (t) => {
  const password = source(OF_SERVERS);
  const sessions = open(t, { connectionString: clusterUrl(), password });
  const app = freshName();
  const owners = Array.from({ length: 50 }, (_, n) => `owner-${n}`);
  const tokens = await Promise.all(owners.map((ownerId) => sessions.create({ app, ownerId })));
  await sessions.close();

  const hasty = open(t, { connectionString: clusterUrl(), password, commandTimeout: 1000 });
  const getAll = () => Promise.all(tokens.map((token) => settled(hasty.get({ app, token }), 1000)));
  const work = async () => (await getAll()).every(({ value }) => value);
  await waitUntil(work, 'all nodes to be connected');

  password.error = new Error('s3cret: no token');
  const told = once(hasty, 'error');
  const [node] = cluster.nodes;
  const keys = new Set(await node.redis.keys(`*:${app}}:s:*`));
  assert.ok(keys.size > 0 && keys.size < tokens.length);
  await node.redis.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  for (let n = 0; n < 3; n++) {
    const failed = (await getAll()).filter(({ error }) => error);
    for (const { error } of failed) assert.equal(error.code, 'ERR_SESSIONS_CONNECTION');
    assert.equal(failed.length, keys.size);
  }
  assert.equal((await told)[0].cause, password.error);
  password.error = undefined;
  await waitUntil(work, 'all nodes to be connected again');
});
