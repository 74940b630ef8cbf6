'use strict';

// The servers that keep the sessions, with a connection of our own to each. The methods' connections do not tell what
// `doctor` asks.

const { createClient } = require('../../client.js');

/** Nothing is tried twice, and nothing is sent that `doctor` does not ask. */
const PLAIN = {
  ...{ protocol: 2, disableClientInfo: true, enableReadyCheck: false, lazyConnect: true },
  ...{ maxRetriesPerRequest: 0, retryStrategy: () => null },
};

/**
 * @typedef {object} Place where a server is
 * @property {string} host
 * @property {number} port
 * @property {string} [primary] whose replica it is
 */

/** A server, or a sentinel. */
class Server {
  #client;

  /**
   * @param {{ connectTimeout: number, commandTimeout: number }} settings
   * @param {any} server as `readOptions` returns it
   * @param {Place} place
   */
  constructor({ connectTimeout, commandTimeout }, server, { host, port, primary }) {
    this.address = server.path ?? `${host}:${port}`;
    /** The address of the primary that a replica follows, or that a sentinel tells. @type {string | undefined} */
    this.primary = primary;
    this.isPrimary = primary === undefined;
    this.user = server.username ?? 'default';
    const clientOptions = { ...server.clientOptions, ...PLAIN, commandTimeout };
    const one = { cluster: undefined, sentinels: undefined, natMap: undefined };
    const alone = { ...server, ...one, host, port, clientOptions };
    this.#client = createClient({ server: alone, connectTimeout });
    /** Why there is no connection. @type {string | undefined} */
    this.failure = undefined;
  }

  async connect() {
    /** @type {any} */
    let reason;
    this.#client.on('error', (error) => {
      reason = error;
    });
    try {
      await this.#client.connect();
    } catch (error) {
      const { code, message } = reason ?? error;
      // A server's words might repeat the password. Its code does not.
      this.failure = code ?? /^[A-Z]+\b/.exec(message)?.[0] ?? 'the connection was closed';
    }
    return this;
  }

  /** The socket. @returns {any} */
  get stream() {
    return this.#client.stream;
  }

  /**
   * Sends a command. If the server refuses it, the error says that, and has the `command` for redis-cli that allows it.
   *
   * @param {...(string | number)} words
   * @returns {Promise<any>}
   */
  async ask(...words) {
    const [name, ...args] = words.map(String);
    try {
      // ioredis knows SUBSCRIBE only in lower case.
      return await this.#client.call(name.toLowerCase(), ...args);
    } catch (error) {
      throw this.#explain(error, name, args);
    }
  }

  /** @param {any} error @param {string} name @param {string[]} args */
  #explain(error, name, [first]) {
    const code = error.name === 'ReplyError' ? error.message.split(' ')[0] : undefined;
    if (code === undefined) return new Error(`${name} was not answered`);
    const isMissing = code === 'NOPERM';
    const isOfName = isMissing && /access .*(key|channel)/.test(error.message);
    const right = `${name}${['CLUSTER', 'CONFIG'].includes(name) ? `|${first}` : ''}`.toLowerCase();
    return Object.assign(
      new Error(
        isMissing ? `this user may not call ${name}` : `the server refuses ${name} (${code})`,
      ),
      { code, isOfName, ...(isMissing && { command: `ACL SETUSER ${this.user} +${right}` }) },
    );
  }

  /** Asks for a section of INFO. @param {string} section @returns {Promise<Record<string, string>>} */
  async info(section) {
    const text = await this.ask('INFO', section);
    return Object.fromEntries([...text.matchAll(/^(\w+):(.*?)\r?$/gm)].map(([, ...pair]) => pair));
  }

  /**
   * What HELLO tells: any user may ask that. A server that does not know the command tells the same by INFO: HELLO came
   * with Redis 6.0, and a server may be configured without it.
   *
   * @returns {Promise<Record<string, any>>}
   */
  async hello() {
    try {
      return pairs(await this.ask('HELLO'));
    } catch (error) {
      if (error.code !== 'ERR') throw error;
      const about = await this.info('server');
      const server = about.server_name ?? 'redis'; // only Valkey has a name there
      const version = about[`${server}_version`];
      if (version === undefined) throw error;
      const { role } = await this.info('replication');
      return { server, version, mode: about.redis_mode, role };
    }
  }

  close() {
    this.#client.disconnect();
  }
}

/**
 * @typedef {object} Servers
 * @property {'server' | 'sentinel' | 'cluster'} kind
 * @property {Server[]} nodes the primaries and the replicas
 * @property {Server[]} sentinels
 * @property {[from: number, to: number][]} ranges of slots that a node of a Cluster has
 */

/**
 * Finds the servers and connects to each. Those that cannot be reached have a `failure`.
 *
 * @param {any} settings as `readOptions` returns them
 * @returns {Promise<Servers>}
 */
async function connectAll(settings) {
  const { server } = settings;
  /** @param {Place} place @param {any} [login] */
  const open = (place, login = server) => new Server(settings, login, place).connect();
  if (server.cluster) {
    const { ranges, places } = await readSlots(server.cluster, open);
    return {
      kind: 'cluster',
      nodes: await Promise.all(places.map((place) => open(place))),
      sentinels: [],
      ranges,
    };
  }
  if (server.sentinels) {
    const { name, nodes: places, ...login } = server.sentinels;
    const own = { db: 0, clientOptions: {}, ...login };
    const sentinels = await Promise.all(
      places.map((/** @type {Place} */ place) => open(place, own)),
    );
    const nodes = (await readGroup(name, sentinels)).map((place) => open(place));
    return { kind: 'sentinel', nodes: await Promise.all(nodes), sentinels, ranges: [] };
  }
  return { kind: 'server', nodes: [await open(server)], sentinels: [], ranges: [] };
}

/**
 * Asks the nodes of a Cluster, one after the other, which nodes there are.
 *
 * @param {any[]} seeds
 * @param {(place: any) => Promise<Server>} open
 */
async function readSlots(seeds, open) {
  for (const seed of seeds) {
    const node = await open(seed);
    try {
      /** @type {[from: number, to: number, ...nodes: [host: string, port: number][]][]} */
      const slots = await node.ask('CLUSTER', 'SLOTS');
      const places = slots.flatMap(([, , ...nodes]) => {
        const [first, ...others] = nodes.map(([host, port]) => ({ host: host || seed.host, port }));
        return [first, ...others.map((place) => ({ ...place, primary: addressOf(first) }))];
      });
      return { ranges: slots.map(([from, to]) => [from, to]), places: distinct(places) };
    } catch {
      // Another node may know.
    } finally {
      node.close();
    }
  }
  return { ranges: [], places: seeds.map(({ host, port }) => ({ host, port })) };
}

/**
 * Asks sentinels for the primary and its replicas.
 *
 * @param {string} name
 * @param {Server[]} sentinels
 * @returns {Promise<Place[]>}
 */
async function readGroup(name, sentinels) {
  const answers = await Promise.all(
    sentinels.map(async (sentinel) => {
      const primary = await sentinel
        .ask('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name)
        .catch(() => {});
      const replicas = await sentinel.ask('SENTINEL', 'REPLICAS', name).catch(() => []);
      if (!primary) return [];
      const first = { host: primary[0], port: Number(primary[1]) };
      sentinel.primary = addressOf(first);
      return [
        first,
        ...replicas.map(pairs).map((/** @type {any} */ { ip, port }) => ({
          host: ip,
          port: Number(port),
          primary: sentinel.primary,
        })),
      ];
    }),
  );
  return distinct(answers.flat());
}

/** Keeps the first of the places with one address. @param {Place[]} places */
function distinct(places) {
  return [
    ...new Map(places.map((place) => [addressOf(place), place]).reverse()).values(),
  ].reverse();
}

/** @param {Place} place */
function addressOf({ host, port }) {
  return `${host}:${port}`;
}

/** @param {any[]} list names and values @returns {Record<string, any>} */
function pairs(list) {
  const names = list.filter((_, n) => n % 2 === 0);
  return Object.fromEntries(names.map((name, n) => [name, list[2 * n + 1]]));
}

module.exports = { connectAll };
