'use strict';

// `doctor` of the command line behind Sentinel and on a Cluster.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');
const { startCluster } = require('./support/cluster.js');
const {
  TELLS_REPLICAS_SOON,
  diagnose,
  diagnoseInEachForm,
  replicasToBeTold,
} = require('./support/doctor.js');
const { freePort, waitUntil } = require('./support/redis-server.js');
const { startSentinels } = require('./support/sentinel.js');

const HEALTHY = { appendonly: 'yes', ...TELLS_REPLICAS_SOON };

/** The checks that are not ok. */
const wrong = ({ checks }) => checks.filter(({ status }) => status !== 'ok');

describe('doctor behind Sentinel', () => {
  test('finds the primary and the replicas, and warns if one is gone', async (t) => {
    const group = await startSentinels({
      replicas: 1,
      sentinels: 3,
      downAfter: 60_000,
      config: HEALTHY,
    });
    t.after(() => group.stop());
    const healthy = await diagnose(group.url);
    assert.deepEqual(wrong(healthy), []);
    assert.equal(healthy.code, 0);
    for (const { port } of group.nodes)
      assert.ok(healthy.of('connection').message.includes(`:${port}`));
    assert.equal(healthy.of('replicas').message, '1 replica of 1 primary');

    const [replica] = group.nodes.slice(1);
    await group.kill(replica);
    await group.kill(group.sentinels[2]);
    const broken = await diagnoseInEachForm(group.url);
    assert.equal(broken.code, 0);
    const messages = wrong(broken).map(
      ({ check, status, message }) => `${status} ${check}: ${message}`,
    );
    assert.deepEqual(messages.map((text) => text.replace(/127\S+/, 'it')).sort(), [
      'warning connection: it cannot be reached: ECONNREFUSED',
      'warning connection: sentinel it cannot be reached: ECONNREFUSED',
      'warning replicas: it has no replica: what a lost primary had is lost',
    ]);
  });
});

test('doctor behind Sentinel warns of a replica that does not hear from its primary', async (t) => {
  const config = { ...HEALTHY, requirepass: 'right' };
  const group = await startSentinels({ replicas: 1, sentinels: 1, downAfter: 60_000, config });
  t.after(() => group.stop());
  const [primary, replica] = group.nodes;
  const redis = replica.client();
  await redis.config('SET', 'masterauth', 'wrong');
  await primary.client().call('CLIENT', 'KILL', 'TYPE', 'replica');
  await waitUntil(async () => (await redis.role())[3] !== 'connected', 'the link to be lost');
  const result = await diagnose(group.url);
  assert.equal(result.code, 0);
  const [warning, ...more] = wrong(result);
  assert.deepEqual([warning.check, warning.status, more], ['replicas', 'warning', []]);
  const from = `a replica does not hear from its primary ${primary.host}:${primary.port} `;
  assert.ok(warning.message.startsWith(from), warning.message);
  assert.match(warning.message, /\((connect|connecting|sync|handshake)\)$/);
  assert.equal(result.of('replicas').message, '1 replica of 1 primary');
});

test('doctor behind Sentinel ends with 3 if the primary is gone, and names it', async (t) => {
  const group = await startSentinels({ replicas: 1, sentinels: 1, downAfter: 60_000 });
  t.after(() => group.stop());
  const primary = await group.primary();
  await group.kill(primary);
  const { code, of, checks } = await diagnose(`${group.url}&commandTimeout=500`);
  assert.equal(code, 3);
  const messages = checks.map(({ status, message }) => `${status}: ${message}`);
  const lost = `problem: 127.0.0.1:${primary.port} cannot be reached: ECONNREFUSED`;
  assert.ok(messages.includes(lost), messages.join());
  assert.equal(of('rights'), undefined);
});

test('doctor warns of sentinels that tell different primaries', async (t) => {
  const group = await startSentinels({
    replicas: 1,
    sentinels: 2,
    downAfter: 60_000,
    config: HEALTHY,
  });
  t.after(() => group.stop());
  const [primary, replica] = group.nodes;
  const sentinel = group.sentinels[1].client();
  await sentinel.call('SENTINEL', 'REMOVE', 'mymaster');
  await sentinel.call('SENTINEL', 'MONITOR', 'mymaster', replica.host, replica.port, 2);
  const result = await diagnose(group.url);
  assert.equal(result.code, 0);
  const [warning, ...more] = wrong(result);
  assert.deepEqual([warning.check, warning.status, more], ['connection', 'warning', []]);
  const both = [primary, replica].map(({ host, port }) => `${host}:${port}`).join(', ');
  assert.equal(warning.message, `the sentinels do not agree on the primary: ${both}`);
});

test('doctor finds a problem if no sentinel can be reached', async () => {
  const url = `redis-sentinel://127.0.0.1:${await freePort()}/0?name=mymaster&commandTimeout=500`;
  const { code, checks } = await diagnose(url);
  assert.equal(code, 3);
  assert.equal(checks.at(-1).status, 'problem');
  assert.equal(checks.at(-1).message, 'no primary can be found');
});

describe('doctor on a Cluster', () => {
  test('finds all nodes, and a hole in the slots', async (t) => {
    const cluster = await startCluster({
      primaries: 3,
      replicas: 1,
      downAfter: 60_000,
      config: HEALTHY,
    });
    t.after(() => cluster.stop());
    await replicasToBeTold(cluster);
    const healthy = await diagnose(cluster.url);
    assert.deepEqual(wrong(healthy), []);
    assert.equal(healthy.code, 0);
    assert.equal(healthy.of('cluster').message, 'all slots are served');
    assert.equal(healthy.of('replicas').message, '3 replicas of 3 primaries');
    for (const { port } of cluster.nodes)
      assert.ok(healthy.of('connection').message.includes(`:${port}`));

    const alone = await diagnose(`redis://${cluster.nodes[0].address}`);
    assert.equal(alone.code, 1);
    assert.match(alone.of('replicas').message, /this is a node of a Cluster/);

    const slots = [5, 6, 7, 9000];
    await Promise.all(
      cluster.nodes.map((node) => node.cluster('DELSLOTS', ...slots).catch(() => {})),
    );
    const views = () => Promise.all(cluster.nodes.map((node) => node.cluster('SLOTS')));
    const hasSlot = (view) => view.some(([from, to]) => from <= 6 && to >= 6);
    await waitUntil(async () => !(await views()).some(hasSlot), 'all nodes to miss the slots');
    const { code, of } = await diagnoseInEachForm(`${cluster.url}?commandTimeout=1000`);
    assert.equal(code, 1);
    assert.match(
      of('cluster').message,
      /^4 of 16384 slots have no node \(5-7, 9000\): calls .* fail$/,
    );
    assert.match(of('cluster').command, /^redis-cli --cluster fix 127\.0\.0\.1:\d+$/);
  });

  test('says so if the nodes see the Cluster as down', async (t) => {
    const cluster = await startCluster({
      primaries: 3,
      replicas: 0,
      downAfter: 500,
      config: HEALTHY,
    });
    t.after(() => cluster.stop());
    const [lost, ...others] = cluster.nodes;
    await lost.kill();
    const isDown = async (node) => /cluster_state:fail/.test(await node.cluster('INFO'));
    await waitUntil(
      async () => (await Promise.all(others.map(isDown))).every(Boolean),
      'the nodes to see it as down',
    );
    const { code, of } = await diagnose(`${cluster.url}?commandTimeout=1000`);
    assert.equal(code, 1);
    assert.equal(of('cluster').status, 'problem');
    assert.equal(of('cluster').message, 'the state is fail');
    assert.equal(of('cluster').remedy, 'see CLUSTER INFO and CLUSTER NODES');
  });

  test('warns of a primary without a replica, although another has two', async (t) => {
    const cluster = await startCluster({
      primaries: 3,
      replicas: 1,
      downAfter: 60_000,
      config: HEALTHY,
    });
    t.after(() => cluster.stop());
    const [one, other] = await cluster.primaries();
    const idOf = (node) => node.cluster('MYID');
    const [from, to] = await Promise.all([idOf(one), idOf(other)]);
    const [moved] = await cluster.replicas(one);
    await moved.cluster('REPLICATE', to);
    const views = () => Promise.all(cluster.nodes.map((node) => node.cluster('SLOTS')));
    const nodesOf = (view, id) => view.find((range) => range[2][2] === id).slice(2).length;
    const isMoved = (view) => nodesOf(view, from) === 1 && nodesOf(view, to) === 3;
    await waitUntil(async () => (await views()).every(isMoved), 'all nodes to see the move');
    const result = await diagnose(cluster.url);
    const [found, ...more] = wrong(result);
    assert.deepEqual([found.check, found.status, more], ['replicas', 'warning', []]);
    assert.equal(found.message, `${one.address} has no replica: what a lost primary had is lost`);
  });

  test('warns of a primary without a replica, and finds the one that is gone', async (t) => {
    const cluster = await startCluster({
      primaries: 3,
      replicas: 0,
      downAfter: 60_000,
      config: HEALTHY,
    });
    t.after(() => cluster.stop());
    const result = await diagnose(cluster.url);
    assert.equal(result.code, 0);
    const [found, ...more] = wrong(result);
    assert.deepEqual([found.check, found.status, more], ['replicas', 'warning', []]);
    for (const { address } of cluster.nodes) assert.ok(found.message.includes(address));

    const [lost] = cluster.nodes;
    await lost.kill();
    const { code, checks, of } = await diagnose(`${cluster.url}?commandTimeout=500`);
    assert.equal(code, 1);
    const [problem] = checks.filter(({ status }) => status === 'problem');
    assert.equal(problem.message, `${lost.address} cannot be reached: ECONNREFUSED`);
    assert.equal(of('rights').status, 'ok');
  });
});
