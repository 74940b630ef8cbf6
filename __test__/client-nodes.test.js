'use strict';

// `sessions.client` on a real cluster, and behind real sentinels.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { rootCertificates } = require('node:tls');
const { Cluster, Redis } = require('ioredis');
const { SpotsSessions } = require('../index.js');
const { createClient } = require('../lib/client.js');
const { readOptions } = require('../lib/options.js');
const { startCluster } = require('./support/cluster.js');
const { startSentinels } = require('./support/sentinel.js');
const { waitUntil } = require('./support/wait-until.js');

const PASSWORD = 'p@ss,w:rd';
const clients = new Set();
after(() => {
  for (const client of clients) client.disconnect();
});

/** @param {string | object} options @returns {any} */
function open(options) {
  const client = createClient(readOptions(options));
  client.on('error', () => {});
  clients.add(client);
  return client;
}

/** A client that does not connect, to see its options. */
const wait = (url, options) => open({ connectionString: `${url}lazyConnect=true`, ...options });

describe('client of a cluster', () => {
  /** @type {Awaited<ReturnType<typeof startCluster>>} */
  let cluster;
  before(async () => {
    cluster = await startCluster({ replicas: 0, config: { requirepass: PASSWORD } });
    for (const node of cluster.nodes) {
      await node.redis.acl('SETUSER', 'ann', 'on', '>p:w', '~*', '&*', '+@all');
    }
  });
  after(() => cluster?.stop());

  /** Writes keys of many slots: one node alone would refuse most. */
  async function worksEverywhere(client) {
    const names = Array.from({ length: 50 }, (_, n) => `${Math.random()}-${n}`);
    await Promise.all(names.map((name) => client.set(name, name)));
    assert.deepEqual(await Promise.all(names.map((name) => client.get(name))), names);
    const sizes = await Promise.all(cluster.nodes.map((node) => node.redis.dbsize()));
    assert.ok(sizes.every((size) => size > 0));
  }

  it('is an ioredis Cluster that connects at once, and finds the other nodes', async () => {
    const client = open(cluster.url);
    assert.ok(client instanceof Cluster);
    assert.equal(client.status, 'connecting');
    await worksEverywhere(client);
    const [, first] = cluster.nodes;
    const login = encodeURIComponent(PASSWORD);
    await worksEverywhere(open(`redis-cluster://:${login}@${first.address}`));
  });

  it('accepts the options of ioredis, and a user name', async () => {
    const nodes = cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port }));
    await worksEverywhere(open({ cluster: nodes, password: PASSWORD }));
    const client = open({ cluster: nodes, username: 'ann', password: 'p:w' });
    await worksEverywhere(client);
    assert.equal(await client.acl('WHOAMI'), 'ann');
  });

  it('is disconnected by close', async () => {
    const sessions = new SpotsSessions(cluster.url);
    const { client } = sessions;
    await sessions.close();
    await waitUntil(() => client.status === 'end', 'the client to end');
  });

  it('passes connectTimeout and each option of the query to where ioredis looks for it', () => {
    const url = 'redis-cluster://h?connectionName=web&enableOfflineQueue=false&family=4&';
    const { options } = wait(url, { connectTimeout: 1234 });
    assert.equal(options.lazyConnect, true);
    assert.equal(options.enableOfflineQueue, false);
    assert.deepEqual(
      { ...options.redisOptions },
      {
        connectionName: 'web',
        family: 4,
        username: undefined,
        password: undefined,
        connectTimeout: 1234,
      },
    );
  });

  it('uses TLS, and does not resolve host names, because certificates name them', async () => {
    assert.equal(wait('redis-cluster://h?').options.redisOptions.tls, undefined);
    const { options } = wait('rediss-cluster://h?', { tls: { ca: rootCertificates[0] } });
    assert.deepEqual(options.redisOptions.tls.ca, [rootCertificates[0]]);
    assert.equal(options.redisOptions.tls.servername, undefined);
    const found = await new Promise((resolve) => {
      options.dnsLookup('node-1.invalid', (_error, address) => resolve(address));
    });
    assert.equal(found, 'node-1.invalid');
  });
});

describe('client behind sentinels', () => {
  /** @type {Awaited<ReturnType<typeof startSentinels>>} */
  let group;
  before(async () => {
    group = await startSentinels({
      replicas: 1,
      config: { requirepass: PASSWORD },
      sentinelPassword: 's&s',
    });
  });
  after(() => group?.stop());

  it('is an ioredis that follows the primary', async () => {
    const client = open(group.url);
    assert.ok(client instanceof Redis);
    assert.equal((await client.role())[0], 'master');
    await client.set('a', '1');
    const promoted = await group.failover();
    // Until the client learns of the failover, the old primary refuses its writes: READONLY.
    const isWritten = () => client.set('a', '2').catch(() => false);
    await waitUntil(isWritten, 'the client to follow');
    assert.equal(await promoted.client().get('a'), '2');
  });

  it('accepts the options of ioredis, and a database', async () => {
    const sentinels = group.sentinels.map(({ port }) => ({ port }));
    const own = { name: group.name, sentinelPassword: 's&s', password: PASSWORD };
    const client = open({ sentinels, ...own, db: 3 });
    await client.set('in', 'three');
    assert.equal(await (await group.primary()).client({ db: 3 }).get('in'), 'three');
  });

  it('is disconnected by close', async () => {
    const sessions = new SpotsSessions(group.url);
    const { client } = sessions;
    await sessions.close();
    await waitUntil(() => client.status === 'end', 'the client to end');
  });

  it('uses TLS to the servers and to the sentinels', () => {
    const own = { ca: rootCertificates[0], servername: 's' };
    const both = wait('rediss-sentinel://h?name=m&', { tls: own }).options;
    for (const tls of [both.tls, both.sentinelTLS]) {
      assert.deepEqual(tls.ca, own.ca && [own.ca]);
      assert.equal(tls.servername, 's');
    }
    assert.equal(both.enableTLSForSentinelMode, true);

    const servers = wait('rediss-sentinel://h?name=m&sentinelTLS=false&').options;
    assert.ok(servers.tls);
    assert.equal(servers.sentinelTLS ?? undefined, undefined);

    const neither = wait('redis-sentinel://h?name=m&').options;
    assert.deepEqual([neither.tls, neither.sentinelTLS].filter(Boolean), []);
    assert.equal(neither.enableTLSForSentinelMode, false);
  });
});
