'use strict';

// One server of the cluster of cluster.js, with the queries and commands that tests need.

const { once } = require('node:events');
const net = require('node:net');
const { startRedis } = require('./redis-server.js');
const { waitUntil } = require('./wait-until.js');

const SLOTS = 16384;

/** The port of a node's bus is so far above its own port, and at most the highest port. */
const BUS = 10_000;

/**
 * A port that is free, and whose bus port is free, too. Below 32768, because the system gives higher
 * ports to connections, one of which could take it.
 */
async function findPort() {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 12_000);
    if ((await isFree(port)) && (await isFree(port + BUS))) return port;
  }
}

/** @param {number} port */
async function isFree(port) {
  const listener = net.createServer().listen(port, '127.0.0.1');
  try {
    await once(listener, 'listening');
  } catch {
    return false;
  }
  listener.close();
  await once(listener, 'close');
  return true;
}

/** @param {Record<string, string | number | string[]>} config @param {Record<string, string>} [env] */
async function startNode(config, env) {
  const password = config.requirepass;
  const server = await startRedis({
    findPort,
    env,
    config: {
      'cluster-enabled': 'yes',
      // A replica takes over however long it was cut off, and does not move to another primary.
      'cluster-replica-validity-factor': 0,
      'cluster-migration-barrier': 100,
      'repl-diskless-sync-delay': 0,
      ...(password !== undefined && { masterauth: password }),
      ...config,
    },
  });
  const node = new ClusterNode(server);
  node.id = await node.cluster('MYID');
  return node;
}

class ClusterNode {
  #paused = false;

  /** @param {Awaited<ReturnType<typeof startRedis>>} server */
  constructor(server) {
    this.server = server;
    this.redis = server.client();
    this.id = '';
  }

  get host() {
    return this.server.host;
  }

  get port() {
    return this.server.port;
  }

  get address() {
    return `${this.host}:${this.port}`;
  }

  get pid() {
    return this.server.pid;
  }

  /** Whether it runs and is not paused. */
  get works() {
    return this.pid !== undefined && !this.#paused;
  }

  /** An ioredis client of this node alone. @param {import('ioredis').RedisOptions} [options] */
  client(options) {
    return this.server.client(options);
  }

  /** @param {...(string | number | Buffer)} args @returns {Promise<any>} */
  cluster(...args) {
    return this.redis.call('CLUSTER', ...args);
  }

  /**
   * The cluster as this node sees it.
   *
   * @returns {Promise<{ id: string, isPrimary: boolean, failed: boolean, connected: boolean, follows: string | undefined, ranges: [number, number][] }[]>}
   */
  async view() {
    const text = await this.cluster('NODES');
    return text
      .trim()
      .split('\n')
      .map((line) => {
        const [id, , flagList, follows, , , , link, ...slots] = line.split(' ');
        const flags = flagList.split(',');
        return {
          id,
          isPrimary: flags.includes('master'),
          failed: flags.some((flag) => /^(fail|fail\?|handshake|noaddr)$/.test(flag)),
          connected: flags.includes('myself') || link === 'connected',
          follows: follows === '-' ? undefined : follows,
          ranges: slots
            .filter((range) => !range.startsWith('['))
            .map((range) => range.split('-').map(Number))
            .map(([from, to = from]) => [from, to]),
        };
      });
  }

  /** Whether it sees the whole cluster served, and has all data of its primary. */
  async isWhole() {
    if (!/^cluster_state:ok/m.test(await this.cluster('INFO'))) return false;
    const info = await this.redis.info('replication');
    return /^role:master/m.test(info) || /^master_link_status:up/m.test(info);
  }

  /** Whether it is connected with these and with no others. @param {ClusterNode[]} nodes */
  async knows(nodes) {
    const seen = (await this.view()).filter(({ failed, connected }) => connected && !failed);
    return (
      seen.length === nodes.length && nodes.every(({ id }) => seen.some((row) => row.id === id))
    );
  }

  /** @param {ClusterNode[]} nodes */
  async meet(nodes) {
    const others = nodes.filter((node) => node !== this);
    await Promise.all(others.map(({ host, port }) => this.cluster('MEET', host, port)));
  }

  /** Makes it a replica. @param {ClusterNode} primary */
  async follow(primary) {
    await this.cluster('REPLICATE', primary.id);
  }

  /** @param {ClusterNode} node that may be forgotten already */
  async forget(node) {
    await this.cluster('FORGET', node.id).catch((error) => {
      if (!/Unknown node/.test(error.message)) throw error;
    });
  }

  /** Moves the keys of a slot. @param {number} slot @param {ClusterNode} to */
  async migrateKeys(slot, to) {
    for (;;) {
      const keys = await this.redis.callBuffer('CLUSTER', 'GETKEYSINSLOT', slot, 100);
      if (keys.length === 0) return;
      const { password } = this.server;
      const login = password === undefined ? [] : ['AUTH', password];
      await this.redis.call('MIGRATE', to.host, to.port, '', 0, 5000, ...login, 'KEYS', ...keys);
    }
  }

  /** Kills it, as a crash would. `start` brings it back as the same node of the cluster. */
  async kill() {
    await this.server.down();
  }

  async start() {
    await this.server.start();
  }

  pause() {
    this.#paused = true;
    this.server.kill('SIGSTOP');
  }

  /** Resolves when it answers again. */
  async resume() {
    this.server.kill('SIGCONT');
    await waitUntil(async () => (await this.redis.ping()) === 'PONG', 'the node to answer');
    this.#paused = false;
  }

  async stop() {
    await this.server.stop();
  }
}

module.exports = { SLOTS, startNode };
