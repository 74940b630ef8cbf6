'use strict';

// A NAT before servers: each is reached at a proxy, and announces an address that leads nowhere. Servers that announce
// such an address themselves reach each other only by a route of their own: `compileRoute` of preload.js.

const { startProxy } = require('./proxy.js');

/** An address for documentation, which no machine has (RFC 5737). */
const UNREACHABLE = '192.0.2.1';

/**
 * Puts a proxy before each server. It replaces the addresses that the server tells. All end with the test.
 *
 * @param {import('node:test').TestContext} t
 * @param {{ port: number }[]} servers nodes of a cluster, or sentinels and their servers
 * @param {string} [host] that all of them announce
 */
async function startNat(t, servers, host = UNREACHABLE) {
  const nat = new Nat(host);
  t.after(() => nat.stop());
  await Promise.all(servers.map((server) => nat.add(server)));
  return nat;
}

class Nat {
  #host;
  /** By the port of their servers. @type {Map<number, Awaited<ReturnType<typeof startProxy>>>} */
  #proxies = new Map();

  /** @param {string} host */
  constructor(host) {
    this.#host = host;
    /** The option `natMap` as an object. @type {Record<string, { host: string, port: number }>} */
    this.map = {};
  }

  /** @param {{ port: number }} server */
  async add({ port }) {
    const proxy = await startProxy(port);
    proxy.onReply = ({ bytes }) => this.#translate(bytes);
    this.#proxies.set(port, proxy);
    this.map[this.announced({ port })] = { host: proxy.host, port: proxy.port };
  }

  /** What a server announces, as a key of `natMap`. @param {{ port: number }} server */
  announced({ port }) {
    return `${this.#host}:${port}`;
  }

  /** Where a server is reached. @param {{ port: number }} server */
  reached({ port }) {
    return `127.0.0.1:${this.proxy({ port }).port}`;
  }

  /** @param {{ port: number }} server */
  proxy({ port }) {
    return this.#proxies.get(port);
  }

  /** Replaces addresses in CLUSTER SLOTS, SENTINEL, MOVED and ASK. @param {Buffer} bytes */
  #translate(bytes) {
    const text = bytes
      .toString('latin1')
      .replaceAll('$9\r\n127.0.0.1\r\n', `$${this.#host.length}\r\n${this.#host}\r\n`)
      .replace(/^-(MOVED|ASK) (\d+) 127\.0\.0\.1:/, `-$1 $2 ${this.#host}:`);
    return Buffer.from(text, 'latin1');
  }

  async stop() {
    await Promise.all([...this.#proxies.values()].map((proxy) => proxy.stop()));
  }
}

module.exports = { UNREACHABLE, startNat };
