'use strict';

// The cluster of support/cluster.js does what other tests ask of it.

const assert = require('node:assert/strict');
const { after, before, describe, test } = require('node:test');
const { startCluster } = require('./support/cluster.js');
const { waitUntil } = require('./support/wait-until.js');

describe('a cluster of three primaries with a replica each', () => {
  /** @type {Awaited<ReturnType<typeof startCluster>>} */
  let cluster;
  let client;
  before(async () => {
    cluster = await startCluster({ primaries: 3, replicas: 1, config: { requirepass: 'p@ss' } });
    client = cluster.client();
  });
  after(() => cluster?.stop());

  const fill = async (count) => {
    const names = Array.from({ length: count }, (_, n) => `key-${n}`);
    await Promise.all(names.map((name) => client.set(name, name)));
    return names;
  };
  const read = (names) => Promise.all(names.map((name) => client.get(name)));

  test('serves keys of all slots, and names its nodes', async () => {
    const names = await fill(300);
    assert.deepEqual(await read(names), names);
    const primaries = await cluster.primaries();
    assert.equal(primaries.length, 3);
    assert.equal((await cluster.replicas()).length, 3);
    for (const node of primaries) {
      assert.equal((await cluster.replicas(node)).length, 1);
      assert.ok((await node.redis.dbsize()) > 0);
    }
    assert.match(cluster.url, /^redis-cluster:\/\/:p%40ss@127\.0\.0\.1:\d+(,127\.0\.0\.1:\d+){5}$/);
    assert.deepEqual((await client.keys('key-*')).sort(), names.toSorted());
    assert.equal(await client.dbsize(), 300);
    await client.flushall();
    assert.equal(await client.dbsize(), 0);
  });

  test('moves a slot step by step: ASK in between, MOVED after it', async () => {
    const slot = await cluster.slotOf('{moving}');
    const from = await cluster.slotOwner(slot);
    const to = (await cluster.primaries()).find((node) => node !== from);
    await client.set('{moving}:1', 'a');
    const steps = [];
    const replyTo = (key) => from.redis.get(key).catch(({ message }) => message.split(' ')[0]);
    await cluster.reshard([slot], from, to, {
      begun: async () => steps.push(await replyTo('{moving}:1'), await replyTo('{moving}:2')),
      moved: async () => steps.push(await replyTo('{moving}:1')),
    });
    assert.deepEqual(steps, ['a', 'ASK', 'ASK']);
    assert.equal(await replyTo('{moving}:1'), 'MOVED');
    assert.equal(await cluster.slotOwner(slot), to);
    assert.equal(await client.get('{moving}:1'), 'a');
    await cluster.reshard([slot], to, from);
  });

  test('fails over from a primary to its replica', async () => {
    const [old] = await cluster.primaries();
    const successor = await cluster.failover(old);
    assert.ok((await cluster.primaries()).includes(successor));
    assert.deepEqual(await cluster.replicas(successor), [old]);
    const names = await fill(100);
    assert.deepEqual(await read(names), names);
  });

  test('survives the crash of a primary, which comes back as a replica', async () => {
    const [victim] = await cluster.primaries();
    const [heir] = await cluster.replicas(victim);
    await victim.kill();
    await waitUntil(async () => (await cluster.primaries()).includes(heir), 'a new primary');
    await victim.start();
    await cluster.settled();
    assert.deepEqual(await cluster.replicas(heir), [victim]);
  });

  test('pauses and resumes a node', async () => {
    const [node] = await cluster.replicas();
    node.pause();
    let answered = false;
    const ping = node.redis.ping().finally(() => {
      answered = true;
    });
    for (let round = 0; round < 20; round++) await cluster.primaries();
    assert.equal(answered, false);
    await node.resume();
    assert.equal(await ping, 'PONG');
    await cluster.settled();
  });

  test('adds a node, gives it slots, and removes it again', async () => {
    const [other] = await cluster.primaries();
    const node = await cluster.addNode();
    assert.equal(cluster.nodes.length, 7);
    const slot = await cluster.slotOf('{moving}');
    const owner = await cluster.slotOwner(slot);
    await cluster.reshard([slot], owner, node);
    assert.equal(await cluster.slotOwner(slot), node);
    await cluster.reshard([slot], node, other);
    await cluster.removeNode(node);
    assert.equal(cluster.nodes.length, 6);
    assert.equal(await cluster.slotOwner(slot), other);
  });
});
