'use strict';

// Fake nodes of a cluster. The test chooses their answers, and real nodes give such answers rarely or never.

const { once } = require('node:events');
const net = require('node:net');

const bulk = (text) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
const array = (items) => `*${items.length}\r\n${items.join('')}`;
const integer = (number) => `:${number}\r\n`;

/** A node in the format of `CLUSTER SLOTS`. */
const node = (port, host = '127.0.0.1') => array([bulk(host), integer(port), bulk('id'), '*0\r\n']);

/** A range of slots and its nodes, in the format of `CLUSTER SLOTS`. */
const range = (first, last, ...nodes) => array([integer(first), integer(last), ...nodes]);

/** The slot of a key: CRC16/XMODEM of its hash tag. @param {string} key */
function slotOf(key) {
  let crc = 0;
  for (const byte of Buffer.from(/\{(.+?)\}/.exec(key)?.[1] ?? key, 'latin1')) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc & 0x8000 ? 0x11021 : 0);
  }
  return crc % 16384;
}

/** @param {number} count */
async function startFakeCluster(count) {
  const cluster = new FakeCluster();
  for (let n = 0; n < count; n++) await cluster.addNode();
  return cluster;
}

class FakeCluster {
  /** @type {net.Server[]} */
  #listeners = [];
  /** @type {Set<net.Socket>} */
  #sockets = new Set();

  constructor() {
    /** @type {number[]} */
    this.ports = [];
    /** How many connections each port has. @type {Map<number, number>} */
    this.connections = new Map();
    /** @type {() => string | undefined} what is answered to `CLUSTER SLOTS`; nothing: silence */
    this.slots = () => array([range(0, 16383, node(this.ports[0]))]);
    /** @type {(words: string[], port: number) => string | undefined} to what concerns sessions */
    this.answer = () => '$-1\r\n';
  }

  async addNode() {
    const listener = net.createServer((socket) => this.#serve(socket));
    this.#listeners.push(listener);
    await once(listener.listen(0, '127.0.0.1'), 'listening');
    const address = listener.address();
    if (address && typeof address === 'object') this.ports.push(address.port);
  }

  get url() {
    return `redis-cluster://127.0.0.1:${this.ports[0]}`;
  }

  /** How many connections there are to all nodes except the first one. */
  get others() {
    const counts = this.ports.slice(1).map((port) => this.connections.get(port) ?? 0);
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** @param {net.Socket} socket */
  #serve(socket) {
    const port = Number(socket.localPort);
    const count = (change) =>
      this.connections.set(port, (this.connections.get(port) ?? 0) + change);
    this.#sockets.add(socket);
    count(1);
    socket
      .setNoDelay(true)
      .on('error', () => {})
      .once('close', () => {
        this.#sockets.delete(socket);
        count(-1);
      });
    let text = '';
    socket.setEncoding('latin1').on('data', (piece) => {
      text += piece;
      for (;;) {
        const command = first(text);
        if (!command) return;
        text = text.slice(command.length);
        socket.write(this.#answer(command.words, port) ?? '');
      }
    });
  }

  /** @param {string[]} words @param {number} port */
  #answer(words, port) {
    const name = words[0].toUpperCase();
    if (name === 'CLUSTER') return this.slots();
    if (name === 'GET' || name.startsWith('EVAL')) return this.answer(words, port);
    return name === 'HELLO' || name === 'INFO' ? '-ERR unknown command\r\n' : '+OK\r\n';
  }

  async stop() {
    for (const socket of this.#sockets) socket.destroy();
    for (const listener of this.#listeners) listener.close();
    await Promise.all(this.#listeners.map((listener) => once(listener, 'close')));
  }
}

/** The first command in a text, and its length there, if it has come whole. @param {string} text */
function first(text) {
  let length = 0;
  /** The next line, without its first character. */
  const line = () => {
    const end = text.indexOf('\r\n', length);
    const number = end < 0 ? Number.NaN : Number(text.slice(length + 1, end));
    length = end + 2;
    return number;
  };
  const words = [];
  for (let count = line(); words.length !== count; ) {
    const size = line();
    if (Number.isNaN(size + count) || text.length < length + size + 2) return undefined;
    words.push(text.slice(length, length + size));
    length += size + 2;
  }
  return { words, length };
}

module.exports = { array, integer, node, range, slotOf, startFakeCluster };
