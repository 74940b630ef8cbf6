'use strict';

// Starts a Redis Cluster of primaries without replicas, for the suites and for capacity/.

const { randomInt } = require('node:crypto');
const { startRedis, waitUntil } = require('../__test__/support/redis-server');

const slots = 16384;

/** The cluster bus port of a node is its client port plus this offset. */
const busOffset = 10000;

/**
 * Starts a cluster whose primaries share the slots in equal ranges.
 *
 * @param {number} [primaries]
 */
async function startCluster(primaries = 3) {
  const cluster = new Cluster();
  try {
    for (let node = 0; node < primaries; node++) cluster.nodes.push(await startNode());
    await cluster.form();
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

class Cluster {
  /** @type {Awaited<ReturnType<typeof startRedis>>[]} */
  nodes = [];

  get url() {
    return `redis-cluster://${this.nodes.map(({ host, port }) => `${host}:${port}`).join(',')}`;
  }

  /** Assigns the slots and waits until every node knows all the others. */
  async form() {
    const [first, ...others] = this.nodes;
    const clients = this.nodes.map((node) => node.client());
    for (const [number, client] of clients.entries()) {
      const [from, to] = rangeOf(number, this.nodes.length);
      const range = Array.from({ length: to - from }, (_, index) => from + index);
      await client.call('CLUSTER', 'SET-CONFIG-EPOCH', String(number + 1));
      await client.call('CLUSTER', 'ADDSLOTS', ...range.map(String));
    }
    for (const { host, port } of others) {
      await clients[0].call('CLUSTER', 'MEET', host, String(port));
    }
    const complete = `cluster_known_nodes:${this.nodes.length}`;
    for (const client of clients) {
      await waitUntil(async () => {
        const info = await client.call('CLUSTER', 'INFO');
        return info.includes('cluster_state:ok') && info.includes(complete);
      }, `the cluster of ${first.url}`);
      client.disconnect();
    }
  }

  async stop() {
    for (const node of this.nodes) await node.stop();
  }
}

/** Picks a random port that leaves room for the bus port. If either port is taken, tries another. */
async function startNode(attempts = 20) {
  const port = randomInt(20000, 65536 - busOffset);
  try {
    return await startRedis({ port, config: { 'cluster-enabled': 'yes' } });
  } catch (error) {
    if (attempts === 1) throw error;
    return startNode(attempts - 1);
  }
}

/**
 * The slot range of a shard, with the boundaries that redis-cli uses: the first slot, and the slot after the last.
 *
 * @param {number} shard from 0
 * @param {number} shards
 */
function rangeOf(shard, shards) {
  return [Math.round((shard * slots) / shards), Math.round(((shard + 1) * slots) / shards)];
}

module.exports = { rangeOf, slots, startCluster };
