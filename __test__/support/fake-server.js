'use strict';

// A fake server that speaks the Redis protocol. The test chooses the reply to each command.

const { once } = require('node:events');
const net = require('node:net');

/**
 * @callback Answer the reply to a command, one character per byte; `undefined`: no reply, and the
 *   connection is closed
 * @param {string[]} command its name in capitals, and its arguments
 * @param {number} connection its number, from 1
 * @returns {string | undefined}
 */

/** The reply of a current server to HELLO, field by field. */
const HELLO = {
  server: 'redis',
  version: '7.0.15',
  proto: 2,
  id: 7,
  mode: 'standalone',
  role: 'master',
  modules: [],
};

/** @param {Record<string, unknown>} [changed] fields that are others; `undefined`: left out */
function hello(changed) {
  const fields = Object.entries({ ...HELLO, ...changed });
  return encode(fields.filter(([, value]) => value !== undefined).flat());
}

/** @param {unknown} value a string, a whole number, or an array of them @returns {string} */
function encode(value) {
  if (Array.isArray(value)) return `*${value.length}\r\n${value.map(encode).join('')}`;
  if (typeof value === 'number') return `:${value}\r\n`;
  return `$${Buffer.byteLength(String(value))}\r\n${value}\r\n`;
}

/**
 * Starts a server that ends with the test. If `answer` returns `null`, it replies as a server that
 * accepts every login and has no session.
 *
 * @param {import('node:test').TestContext} t
 * @param {(...args: Parameters<Answer>) => string | null | undefined} answer
 */
async function startFakeServer(t, answer) {
  const fake = new FakeServer((...args) => {
    const said = answer(...args);
    return said === null ? polite(args[0][0]) : said;
  });
  await fake.listen();
  t.after(() => fake.stop());
  return fake;
}

/** @param {string} name */
function polite(name) {
  if (name === 'HELLO') return hello();
  if (name === 'GET') return '$-1\r\n';
  if (name === 'EVALSHA' || name === 'EVAL') return ':1\r\n';
  return '+OK\r\n';
}

class FakeServer {
  #answer;
  /** @type {Set<net.Socket>} */
  #sockets = new Set();
  #listener = net.createServer((socket) => this.#serve(socket));

  /** @param {Answer} answer */
  constructor(answer) {
    this.#answer = answer;
    this.host = '127.0.0.1';
    this.port = 0;
    /** How many connections were made. */
    this.connections = 0;
    /** The commands that came. @type {string[][]} */
    this.commands = [];
  }

  get url() {
    return `redis://${this.host}:${this.port}`;
  }

  async listen() {
    this.#listener.listen(0, this.host);
    await once(this.#listener, 'listening');
    const address = this.#listener.address();
    if (address && typeof address === 'object') this.port = address.port;
  }

  /** @param {net.Socket} socket */
  #serve(socket) {
    const connection = ++this.connections;
    this.#sockets.add(socket);
    socket.on('error', () => {}).once('close', () => this.#sockets.delete(socket));
    let rest = '';
    socket.setEncoding('latin1').on('data', (text) => {
      rest += text;
      for (let read = readCommand(rest); read; read = readCommand(rest)) {
        const [name, ...args] = read.command;
        rest = rest.slice(read.length);
        const command = [name.toUpperCase(), ...args];
        this.commands.push(command);
        const said = this.#answer(command, connection);
        if (said === undefined) return socket.destroy();
        socket.write(said, 'latin1');
      }
    });
  }

  /** Closes all connections. */
  sever() {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop() {
    const closed = once(this.#listener, 'close');
    this.#listener.close();
    this.sever();
    await closed;
  }
}

/** @param {string} text in latin1, so that characters are bytes */
function readCommand(text) {
  let at = 0;
  const line = () => {
    const end = text.indexOf('\r\n', at);
    if (end < 0) return undefined;
    const read = text.slice(at, end);
    at = end + 2;
    return read;
  };
  const head = line();
  if (head === undefined) return undefined;
  const command = [];
  for (let left = Number(head.slice(1)); left > 0; left--) {
    const length = line();
    if (length === undefined) return undefined;
    const end = at + Number(length.slice(1));
    if (text.length < end + 2) return undefined;
    command.push(text.slice(at, end));
    at = end + 2;
  }
  return { command, length: at };
}

module.exports = { hello, startFakeServer };
