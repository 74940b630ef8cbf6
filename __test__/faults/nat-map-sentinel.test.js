'use strict';

// The option `natMap` behind Sentinel: servers that announce addresses which lead nowhere.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { after, before, describe, test } = require('node:test');
const { patience } = require('../support/faulty-cluster.js');
const { startFakeSentinel } = require('../support/fake-sentinel.js');
const { recovers, settled } = require('../support/faults.js');
const { startLoad } = require('../support/load.js');
const { startNat } = require('../support/nat.js');
const {
  FAILURES,
  clientsBeyond,
  open,
  readsReplicas,
  times,
  worksEverywhere,
} = require('../support/behind-nat.js');
const { startProxy } = require('../support/proxy.js');
const { startRedis } = require('../support/redis-server.js');
const { startSentinels } = require('../support/sentinel.js');
const { freshName } = require('../support/targets.js');
const { waitUntil } = require('../support/wait-until.js');

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
    for (const client of clientsBeyond(t, around, options)) {
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
