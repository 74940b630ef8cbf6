'use strict';

// A throw-away Redis Cluster for tests. Its nodes are real servers on free ports. It does not need redis-cli. Its nodes
// end in the same way as the servers of redis-server.js.

const { Cluster } = require('ioredis');
const { SLOTS, startNode } = require('./cluster-node.js');
const { waitUntil } = require('./wait-until.js');

/**
 * @typedef {Awaited<ReturnType<typeof startNode>>} ClusterNode
 *
 * @typedef {object} ClusterOptions
 * @property {number} [primaries]
 * @property {number} [replicas] of each primary
 * @property {number} [downAfter] milliseconds of silence after which a node counts as down
 * @property {Record<string, string | number | string[]>} [config] settings of each node
 * @property {Record<string, string>} [env] more of each node's environment
 */

/**
 * Starts a cluster and resolves when all its nodes know each other and serve all slots.
 *
 * @param {ClusterOptions} [options]
 */
async function startCluster({
  primaries = 3,
  replicas = 1,
  downAfter = 1000,
  config = {},
  env,
} = {}) {
  const cluster = new RedisCluster({ 'cluster-node-timeout': downAfter, ...config }, env);
  try {
    await cluster.form(primaries, replicas);
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

class RedisCluster {
  #config;
  #env;
  #clients = new Set();

  constructor(config, env) {
    this.#config = config;
    this.#env = env;
    /** @type {ClusterNode[]} */
    this.nodes = [];
  }

  /** @param {number} primaries @param {number} replicas of each */
  async form(primaries, replicas) {
    const started = await Promise.allSettled(
      Array.from({ length: primaries * (1 + replicas) }, () => startNode(this.#config, this.#env)),
    );
    this.nodes = started.flatMap(({ value }) => value ?? []);
    const failure = started.find(({ status }) => status === 'rejected');
    if (failure) throw failure.reason;

    const owners = this.nodes.slice(0, primaries);
    // Different epochs, as after an election. With equal ones the nodes would first have to agree.
    await Promise.all(this.nodes.map((node, n) => node.cluster('SET-CONFIG-EPOCH', n + 1)));
    await Promise.all(
      owners.map((node, n) => {
        const begin = (index) => Math.ceil((SLOTS * index) / primaries);
        const length = begin(n + 1) - begin(n);
        return node.cluster('ADDSLOTS', ...Array.from({ length }, (_, slot) => begin(n) + slot));
      }),
    );
    await Promise.all(this.nodes.map((node) => node.meet(this.nodes)));
    const known = () => this.#everyNode((node) => node.knows(this.nodes));
    await waitUntil(known, 'the nodes to know each other');
    await Promise.all(
      this.nodes.slice(primaries).map((node, n) => node.follow(owners[n % primaries])),
    );
    await this.settled();
  }

  get password() {
    return this.nodes[0]?.server.password;
  }

  /** The connection string, with all current nodes. */
  get url() {
    const login = this.password ? `:${encodeURIComponent(this.password)}@` : '';
    return `redis-cluster://${login}${this.nodes.map(({ address }) => address).join(',')}`;
  }

  /**
   * An ioredis client of the cluster, which `stop` disconnects. Commands on all keys (`keys`,
   * `dbsize`, `flushall`, …) go to every primary, as if it were one server.
   *
   * @param {import('ioredis').ClusterOptions} [options]
   */
  client(options) {
    const client = new Cluster(
      this.nodes.map(({ host, port }) => ({ host, port })),
      { ...options, redisOptions: { password: this.password, ...options?.redisOptions } },
    );
    client.on('error', () => {});
    this.#clients.add(client);
    client.once('end', () => this.#clients.delete(client));
    const ofAll =
      (name) =>
      async (...args) => {
        const primaries = await this.primaries();
        return Promise.all(primaries.map((node) => node.redis[name](...args)));
      };
    return Object.assign(client, {
      keys: async (pattern) => (await ofAll('keys')(pattern)).flat(),
      keysBuffer: async (pattern) => (await ofAll('keysBuffer')(pattern)).flat(),
      dbsize: async () => (await ofAll('dbsize')()).reduce((sum, size) => sum + size, 0),
      flushall: async () => (await ofAll('flushall')())[0],
      flushdb: async () => (await ofAll('flushdb')())[0],
    });
  }

  /** The primaries, with and without slots, as the nodes that answer see them. */
  async primaries() {
    const rows = await this.#view();
    return rows.filter((row) => row.isPrimary && !row.failed).map(({ node }) => node);
  }

  /** @param {ClusterNode} [primary] whose; left out: of all */
  async replicas(primary) {
    const rows = await this.#view();
    return rows
      .filter((row) => !row.isPrimary && !row.failed)
      .filter((row) => !primary || row.follows === primary.id)
      .map(({ node }) => node);
  }

  /** @param {number} slot */
  async slotOwner(slot) {
    const rows = await this.#view();
    return rows.find(({ ranges }) => ranges.some(([from, to]) => from <= slot && slot <= to))?.node;
  }

  /** @param {string | Buffer} key @returns {Promise<number>} */
  slotOf(key) {
    return this.#working()[0].cluster('KEYSLOT', key);
  }

  /**
   * Moves slots, with their keys, as `redis-cli --cluster reshard` does.
   *
   * @param {number[]} slots
   * @param {ClusterNode} from
   * @param {ClusterNode} to
   * @param {{ begun?: (slot: number) => any, moved?: (slot: number) => any }} [hooks] `begun`: the
   *   slot is migrating, and no key has moved; `moved`: all keys have moved, and the slot is not assigned yet
   */
  async reshard(slots, from, to, { begun, moved } = {}) {
    for (const slot of slots) {
      await to.cluster('SETSLOT', slot, 'IMPORTING', from.id);
      await from.cluster('SETSLOT', slot, 'MIGRATING', to.id);
      await begun?.(slot);
      await from.migrateKeys(slot, to);
      await moved?.(slot);
      await to.cluster('SETSLOT', slot, 'NODE', to.id);
      await from.cluster('SETSLOT', slot, 'NODE', to.id).catch((error) => {
        // It has heard of it already, and has become a replica of the node that took its last slot.
        if (!/only with masters/.test(error.message)) throw error;
      });
    }
    await this.settled();
  }

  /**
   * Fails over from a primary to its replica, in agreement, and resolves to that replica.
   *
   * @param {ClusterNode} primary
   */
  async failover(primary) {
    const [replica] = await this.replicas(primary);
    if (!replica) throw new Error('a failover needs a replica');
    await replica.cluster('FAILOVER');
    await waitUntil(
      async () => (await this.primaries()).includes(replica),
      'the replica to become the primary',
    );
    await this.settled();
    return replica;
  }

  /** @param {{ follows?: ClusterNode }} [options] whose replica; left out: a primary without slots */
  async addNode({ follows } = {}) {
    const node = await startNode(this.#config, this.#env);
    this.nodes.push(node);
    await node.meet(this.#working());
    await waitUntil(
      () => this.#everyNode((each) => each.knows(this.#working())),
      'the new node to be known',
    );
    if (follows) await node.follow(follows);
    await this.settled();
    return node;
  }

  /** Removes and ends a node that has no slots. @param {ClusterNode} node */
  async removeNode(node) {
    this.nodes = this.nodes.filter((each) => each !== node);
    await node.cluster('RESET');
    await Promise.all(this.#working().map((each) => each.forget(node)));
    await node.stop();
    await this.settled();
  }

  /** Resolves when all nodes that run see the same cluster, and see it whole. */
  async settled() {
    await waitUntil(() => this.#agree(), 'the cluster to agree');
  }

  async #agree() {
    const nodes = this.#working();
    // A node that loads the data of its new primary answers nothing else.
    const loads = (error) => (/^LOADING/.test(error.message) ? undefined : Promise.reject(error));
    const views = await Promise.all(nodes.map((node) => node.view().catch(loads)));
    if (views.includes(undefined)) return false;
    const of = (view) =>
      view.map(({ id, isPrimary, follows, ranges }) => [id, isPrimary, follows, ranges]).sort();
    const texts = new Set(views.map((view) => JSON.stringify(of(view))));
    const isWhole = await Promise.all(nodes.map((node) => node.isWhole().catch(loads)));
    return texts.size === 1 && isWhole.every(Boolean);
  }

  /** @param {(node: ClusterNode) => Promise<boolean>} condition */
  async #everyNode(condition) {
    return (await Promise.all(this.#working().map(condition))).every(Boolean);
  }

  async #view() {
    const rows = await this.#working()[0].view();
    return rows
      .map((row) => ({ ...row, node: this.nodes.find(({ id }) => id === row.id) }))
      .filter(({ node }) => node !== undefined);
  }

  /** The nodes that run and are not paused. */
  #working() {
    return this.nodes.filter(({ works }) => works);
  }

  /** Disconnects the clients, ends the nodes and removes their folders. */
  async stop() {
    for (const client of this.#clients) client.disconnect();
    await Promise.all(this.nodes.map((node) => node.stop()));
  }
}

module.exports = { startCluster };
