'use strict';

// A throw-away primary with replicas, and the sentinels that watch them, on free ports. They end in the same way as the
// servers of redis-server.js.

const { Redis } = require('ioredis');
const { startRedis } = require('./redis-server.js');
const { waitUntil } = require('./wait-until.js');

const NAME = 'mymaster';

/**
 * A sentinel that had no processor for two seconds only watches for the next 30 seconds: TILT mode.
 * https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/#tilt-mode
 */
const PATIENCE_MS = 90_000;

/**
 * @typedef {Awaited<ReturnType<typeof startRedis>>} Server
 *
 * @typedef {object} SentinelOptions
 * @property {number} [replicas]
 * @property {number} [sentinels]
 * @property {number} [downAfter] milliseconds of silence after which the primary counts as down
 * @property {Record<string, string | number | string[]>} [config] settings of each server
 * @property {string} [sentinelPassword] that the sentinels ask for
 */

/**
 * Starts them all and resolves when each sentinel knows the others and all replicas.
 *
 * @param {SentinelOptions} [options]
 */
async function startSentinels(options = {}) {
  const group = new SentinelGroup(options);
  try {
    await group.form();
    return group;
  } catch (error) {
    await group.stop();
    throw error;
  }
}

class SentinelGroup {
  #options;
  #clients = new Set();
  /** A connection to each, for the harness itself. @type {Map<Server, Redis>} */
  #admins = new Map();
  /** @type {Set<Server>} */
  #paused = new Set();

  /** @param {SentinelOptions} options */
  constructor(options) {
    this.#options = { replicas: 2, sentinels: 3, downAfter: 500, config: {}, ...options };
    this.name = NAME;
    /** @type {Server[]} the primary and its replicas */
    this.nodes = [];
    /** @type {Server[]} */
    this.sentinels = [];
  }

  async form() {
    const { replicas, sentinels } = this.#options;
    const primary = await startRedis({ config: this.#config() });
    this.nodes = [primary];
    const replicaof = [primary.host, String(primary.port)];
    await Promise.all([
      ...times(replicas, async () => {
        this.nodes.push(await startRedis({ config: { ...this.#config(), replicaof } }));
      }),
      ...times(sentinels, async () => {
        this.sentinels.push(await startRedis({ sentinel: this.#lines(primary) }));
      }),
    ]);
    await Promise.all(this.sentinels.map((sentinel) => this.#hurry(sentinel)));
    await this.settled();
  }

  /** Settings of a server. All have the password, because each may become the primary. */
  #config() {
    const { config } = this.#options;
    return {
      'repl-diskless-sync-delay': 0,
      ...(config.requirepass !== undefined && { masterauth: config.requirepass }),
      ...config,
    };
  }

  /** The configuration of a sentinel. @param {Server} primary */
  #lines(primary) {
    const { config, downAfter, sentinelPassword, sentinels } = this.#options;
    const quorum = Math.floor(sentinels / 2) + 1;
    return [
      `sentinel monitor ${NAME} ${primary.host} ${primary.port} ${quorum}`,
      `sentinel down-after-milliseconds ${NAME} ${downAfter}`,
      `sentinel failover-timeout ${NAME} 3000`,
      config.requirepass && `sentinel auth-pass ${NAME} ${JSON.stringify(config.requirepass)}`,
      sentinelPassword && `requirepass ${JSON.stringify(sentinelPassword)}`,
      sentinelPassword && `sentinel sentinel-pass ${JSON.stringify(sentinelPassword)}`,
    ]
      .filter(Boolean)
      .join('\n');
  }

  /** The connection string, with the passwords. */
  get url() {
    const { config, sentinelPassword } = this.#options;
    const login = config.requirepass ? `:${encodeURIComponent(config.requirepass)}@` : '';
    const list = this.sentinels.map(({ host, port }) => `${host}:${port}`).join(',');
    const own = sentinelPassword ? `&sentinelPassword=${encodeURIComponent(sentinelPassword)}` : '';
    return `redis-sentinel://${login}${list}?name=${NAME}${own}`;
  }

  /**
   * An ioredis client that follows the primary. `stop` disconnects it.
   *
   * @param {import('ioredis').RedisOptions} [options]
   */
  client(options) {
    const client = new Redis({
      sentinels: this.sentinels.map(({ host, port }) => ({ host, port })),
      name: NAME,
      password: this.nodes[0].password,
      sentinelPassword: this.#options.sentinelPassword,
      ...options,
    });
    client.on('error', () => {});
    this.#clients.add(client);
    client.once('end', () => this.#clients.delete(client));
    return client;
  }

  /** The primary that the answering sentinels name. */
  async primary() {
    const [sentinel] = this.#working(this.sentinels);
    const [, port] = await this.#ask(sentinel, 'GET-MASTER-ADDR-BY-NAME', NAME);
    return this.nodes.find((node) => node.port === Number(port));
  }

  /** The other servers that run. */
  async replicas() {
    const primary = await this.primary();
    return this.#working(this.nodes).filter((node) => node !== primary);
  }

  /** Lets the sentinels promote a replica, and resolves with it. */
  async failover() {
    const old = await this.primary();
    await this.settled();
    await waitUntil(() => this.#hasFailedOver(old), 'a failover', PATIENCE_MS);
    return this.promoted(old);
  }

  /**
   * Whether a sentinel names another primary. Asks it to begin a failover unless one is in progress. Asking once is not
   * enough. After the last failover a sentinel refuses the next one for a while (NOGOODSLAVE, INPROG), and it aborts one
   * when another sentinel still takes the promoted replica for a replica and turns it back.
   *
   * @param {Server} old
   */
  async #hasFailedOver(old) {
    const [sentinel] = this.#working(this.sentinels);
    const { port, flags } = asObject(await this.#ask(sentinel, 'MASTER', NAME));
    if (Number(port) !== old.port) return true;
    if (!flags.includes('failover_in_progress'))
      await this.#ask(sentinel, 'FAILOVER', NAME).catch(() => {});
    return false;
  }

  /** Resolves with the primary after this one, when all agree on it. @param {Server} old */
  async promoted(old) {
    const isAnother = async () => (await this.primary()) !== old;
    await waitUntil(isAnother, 'another primary', PATIENCE_MS);
    await this.settled();
    return this.primary();
  }

  /** Resolves when all that run agree on the primary and on its replicas, and each replica has its data. */
  async settled() {
    await waitUntil(() => this.#agree(), 'the sentinels to agree', PATIENCE_MS);
  }

  async #agree() {
    const sentinels = this.#working(this.sentinels);
    const nodes = this.#working(this.nodes);
    const views = await Promise.all(
      sentinels.map(async (sentinel) => asObject(await this.#ask(sentinel, 'MASTER', NAME))),
    );
    const primary = nodes.find(({ port }) => port === Number(views[0].port));
    if (!primary) return false;
    const isSeen = (view) =>
      view.flags === 'master' &&
      Number(view.port) === primary.port &&
      Number(view['num-slaves']) >= nodes.length - 1 &&
      Number(view['num-other-sentinels']) === this.sentinels.length - 1;
    if (!views.every(isSeen)) return false;
    if (!(await this.#sawReplicas(sentinels, nodes))) return false;
    const roles = await Promise.all(nodes.map((node) => this.#call(node, 'ROLE')));
    return nodes.every((node, n) =>
      node === primary
        ? roles[n][0] === 'master'
        : roles[n][2] === primary.port && roles[n][3] === 'connected',
    );
  }

  /**
   * Whether each sentinel has seen each replica as one. If not, it turns the replica back as soon as the next failover
   * promotes it.
   *
   * @param {Server[]} sentinels @param {Server[]} nodes
   */
  async #sawReplicas(sentinels, nodes) {
    const answers = await Promise.all(
      sentinels.map((sentinel) => this.#ask(sentinel, 'REPLICAS', NAME)),
    );
    const ports = new Set(nodes.map(({ port }) => String(port)));
    const replicas = answers.flat().map(asObject);
    return replicas.every(
      (replica) => !ports.has(replica.port) || replica['role-reported'] === 'slave',
    );
  }

  /** Ends a server or a sentinel at once; `node.start()` brings it back. @param {Server} node */
  kill(node) {
    return node.down();
  }

  /** @param {Server} node a server or a sentinel */
  pause(node) {
    this.#paused.add(node);
    node.kill('SIGSTOP');
  }

  /** @param {Server} node */
  resume(node) {
    this.#paused.delete(node);
    node.kill('SIGCONT');
  }

  /** @param {Server[]} nodes */
  #working(nodes) {
    return nodes.filter((node) => node.pid !== undefined && !this.#paused.has(node));
  }

  /** @param {Server} sentinel @param {...(string | number)} args */
  #ask(sentinel, ...args) {
    return this.#call(sentinel, 'SENTINEL', ...args);
  }

  /** @param {Server} server @param {string} command @param {...(string | number)} args */
  #call(server, command, ...args) {
    if (!this.#admins.has(server)) {
      const isSentinel = this.sentinels.includes(server);
      const password = isSentinel ? this.#options.sentinelPassword : server.password;
      this.#admins.set(server, server.client({ password }));
    }
    return this.#admins.get(server).call(command, ...args);
  }

  /**
   * Makes a sentinel check servers more often than every 1 to 10 s. Possible from Redis 7 on. After four publish periods
   * a sentinel turns a replica that was promoted back, unless it has heard of the failover. The sentinel that leads the
   * failover asks the replica once a second, so four periods must be longer.
   */
  async #hurry(sentinel) {
    const periods = ['INFO-PERIOD', 200, 'PING-PERIOD', 200, 'PUBLISH-PERIOD', 500];
    await this.#ask(sentinel, 'DEBUG', ...periods).catch((error) => {
      if (!/unknown|wrong number/i.test(error.message)) throw error;
    });
  }

  /** Disconnects the clients, ends all and removes their folders. */
  async stop() {
    for (const client of this.#clients) client.disconnect();
    await Promise.all([...this.sentinels, ...this.nodes].map((node) => node.stop()));
  }
}

/** @param {string[]} pairs @returns {Record<string, string>} */
function asObject(pairs) {
  const names = pairs.filter((_, n) => n % 2 === 0);
  return Object.fromEntries(names.map((name, n) => [name, pairs[2 * n + 1]]));
}

/** @template T @param {number} count @param {(n: number) => T} make */
function times(count, make) {
  return Array.from({ length: count }, (_, n) => make(n));
}

module.exports = { startSentinels };
