'use strict';

// A network that fails on demand, between an instance and a server: it delays, cuts, splits, swallows
// and forges replies, refuses connections, falls silent, and moves to another server.

const { once } = require('node:events');
const net = require('node:net');
const { setTimeout: sleep } = require('node:timers/promises');

/**
 * @typedef {object} Passing one reply on its way back
 * @property {Buffer} bytes
 * @property {number} nth its number on this connection, from 0, those of the login included
 * @property {() => void} cut closes both ends; what comes back now is not sent
 */

/** @param {number} upstream the port of the server */
async function startProxy(upstream) {
  const proxy = new FaultyProxy(upstream);
  await proxy.accept();
  return proxy;
}

class FaultyProxy {
  #listener = net.createServer({ allowHalfOpen: false }, (client) => this.#pass(client));
  /** @type {Set<net.Socket>} */
  #sockets = new Set();
  /** Connections up to this one are silent for ever. */
  #forgotten = 0;
  #accepted = 0;
  /** When replies that are late will have been sent. @type {WeakMap<net.Socket, Promise<void>>} */
  #late = new WeakMap();

  /** @param {number} upstream */
  constructor(upstream) {
    this.upstream = upstream;
    this.host = '127.0.0.1';
    this.port = 0;
    this.reset();
  }

  /** Passes everything on as it is, from now on and on connections that are silent too. */
  reset() {
    /** How many connections were made since. */
    this.connections = 0;
    /** Whether nothing is passed on, either way, and nothing is closed. */
    this.silent = false;
    /** Milliseconds that each reply is late. */
    this.delay = 0;
    /** @type {undefined | Promise<void>} until when replies are held back */
    this.held = undefined;
    /** Bytes of a reply that are sent at once. */
    this.piece = Infinity;
    /** @type {(connection: number) => boolean} whether a new connection, from 1, is closed at once */
    this.hangsUp = () => false;
    /** @type {(bytes: Buffer) => boolean} whether a request is lost, and the connection with it */
    this.loses = () => false;
    /** @type {undefined | ((reply: Passing) => Buffer | undefined)} what is sent in a reply's place */
    this.onReply = undefined;
  }

  get url() {
    return `redis://${this.host}:${this.port}`;
  }

  /** Listens, again on the same port. */
  async accept() {
    this.#listener.listen(this.port, this.host);
    await once(this.#listener, 'listening');
    const address = this.#listener.address();
    if (address && typeof address === 'object') this.port = address.port;
  }

  /** Closes all connections; the system refuses what comes after, until `accept`. */
  async refuse() {
    const closed = once(this.#listener, 'close');
    this.#listener.close();
    this.sever();
    await closed;
  }

  /** Resets all connections. */
  sever() {
    for (const socket of this.#sockets) reset(socket);
  }

  /** Passes nothing on any more on the connections that there are, and does not close them either. */
  forget() {
    this.#forgotten = this.#accepted;
  }

  async stop() {
    if (this.#listener.listening) await this.refuse();
  }

  /** @param {net.Socket} client */
  #pass(client) {
    this.connections++;
    const number = ++this.#accepted;
    const isSilent = () => this.silent || number <= this.#forgotten;
    const server = net.connect(this.upstream, this.host);
    const ends = [client, server];
    const cut = () => {
      for (const end of ends) reset(end);
    };
    for (const end of ends) {
      this.#sockets.add(end);
      end.setNoDelay(true).on('error', () => {});
      end.once('close', () => {
        this.#sockets.delete(end);
        for (const other of ends) other.destroy();
      });
    }
    if (this.hangsUp(this.connections)) return cut();

    client.on('data', (bytes) => {
      if (isSilent()) return;
      if (this.loses(bytes)) cut();
      else server.write(bytes);
    });
    let nth = 0;
    let rest = Buffer.alloc(0);
    server.on('data', (bytes) => {
      if (isSilent()) return;
      if (!this.onReply) return this.#send(client, bytes);
      rest = Buffer.concat([rest, bytes]);
      for (let end = endOfReply(rest, 0); end > 0; end = endOfReply(rest, 0)) {
        const sent = this.onReply({ bytes: rest.subarray(0, end), nth: nth++, cut });
        rest = rest.subarray(end);
        if (sent) this.#send(client, sent);
      }
    });
  }

  /** @param {net.Socket} client @param {Buffer} bytes */
  #send(client, bytes) {
    const write = () => {
      for (let at = 0; at < bytes.length && !client.destroyed; at += this.piece)
        client.write(bytes.subarray(at, at + this.piece));
    };
    const late = this.#late.get(client);
    const { held } = this;
    if (this.delay === 0 && !held && !late) return write();
    // In their order, also when the delay has become shorter.
    const due = Date.now() + this.delay;
    const written = (late ?? Promise.resolve())
      .then(() => held)
      .then(() => sleep(Math.max(0, due - Date.now())))
      .then(() => {
        write();
        if (this.#late.get(client) === written) this.#late.delete(client);
      });
    this.#late.set(client, written);
  }
}

/**
 * Resets a connection. libuv does not reset one that is being shut down, and Node would then wait for
 * its end for ever, when the process ends.
 *
 * @param {net.Socket} socket
 */
function reset(socket) {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

/**
 * Where a reply (RESP2) ends that begins at `start`; 0 if it has not all come.
 *
 * @param {Buffer} bytes
 * @param {number} start
 * @returns {number}
 */
function endOfReply(bytes, start) {
  const line = bytes.indexOf('\r\n', start);
  if (line < 0) return 0;
  const kind = String.fromCharCode(bytes[start]);
  if (kind !== '$' && kind !== '*') return line + 2;
  const size = Number(bytes.toString('latin1', start + 1, line));
  if (size < 0) return line + 2;
  if (kind === '$') return line + 4 + size <= bytes.length ? line + 4 + size : 0;
  let end = line + 2;
  for (let n = 0; n < size && end > 0; n++) end = endOfReply(bytes, end);
  return end;
}

module.exports = { startProxy };
