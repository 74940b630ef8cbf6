'use strict';

// The sentinels of support/sentinel.js do what other tests ask of them.

const assert = require('node:assert/strict');
const { after, before, describe, test } = require('node:test');
const { startSentinels } = require('./support/sentinel.js');
const { waitUntil } = require('./support/wait-until.js');

describe('three sentinels, a primary and two replicas', () => {
  /** @type {Awaited<ReturnType<typeof startSentinels>>} */
  let group;
  let client;
  before(async () => {
    group = await startSentinels({
      replicas: 2,
      config: { requirepass: 'p@ss' },
      sentinelPassword: 's&s',
    });
    client = group.client();
  });
  after(() => group?.stop());

  test('have a primary, which has the replicas', async () => {
    assert.equal(group.nodes.length, 3);
    assert.equal(group.sentinels.length, 3);
    assert.equal(await group.primary(), group.nodes[0]);
    assert.deepEqual(await group.replicas(), group.nodes.slice(1));
    await client.set('a', '1');
    assert.equal(await client.wait(2, 5000), 2);
    const list =
      /^redis-sentinel:\/\/:p%40ss@(127\.0\.0\.1:\d+,){2}127\.0\.0\.1:\d+\?name=mymaster/;
    assert.match(group.url, list);
    assert.match(group.url, /&sentinelPassword=s%26s$/);
  });

  test('promote a replica when they are asked to', async () => {
    const old = await group.primary();
    const promoted = await group.failover();
    assert.notEqual(promoted, old);
    assert.ok((await group.replicas()).includes(old));
    assert.equal((await promoted.client().role())[0], 'master');
    await client.set('a', '2');
    assert.equal(await promoted.client().get('a'), '2');
  });

  test('promote a replica when the primary is killed, and the old primary comes back as a replica', async () => {
    const old = await group.primary();
    await group.kill(old);
    const promoted = await group.promoted(old);
    assert.notEqual(promoted, old);
    await old.start();
    const isReplica = async () => (await old.client().role())[0] === 'slave';
    await waitUntil(isReplica, 'the old primary to follow');
  });

  test('promote a replica when the primary is silent and one sentinel is missing', async () => {
    const [first] = group.sentinels;
    const old = await group.primary();
    group.pause(first);
    group.pause(old);
    const promoted = await group.promoted(old);
    assert.notEqual(promoted, old);
    group.resume(first);
    group.resume(old);
    await group.settled();
    assert.equal(await group.primary(), promoted);
  });
});
