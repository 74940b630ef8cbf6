'use strict';

// A proxy between an instance and a server, which fails when a test tells it to. It can delay, slow down, cut, split,
// drop and forge replies. It can refuse connections, long commands and long replies. It can fall silent, and it can
// move to another server.

const { once } = require('node:events');
const net = require('node:net');
const { setTimeout: sleep } = require('node:timers/promises');

/**
 * @typedef {object} Passing one reply on its way back
 * @property {Buffer} bytes
 * @property {number} nth its number on this connection, from 0, those of the login included
 * @property {() => void} cut closes both connections. The replies that then arrive are not sent
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
  /** Connections up to this one stay silent. */
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

  /** Passes everything on unchanged from now on, also on connections that are silent. */
  reset() {
    /** How many connections were made since the last reset. */
    this.connections = 0;
    /** Whether it passes nothing on in either direction, and closes nothing. */
    this.silent = false;
    /** Milliseconds by which each reply is late. */
    this.delay = 0;
    /** @type {undefined | Promise<void>} until when replies are held back */
    this.held = undefined;
    /** How many bytes of a reply are sent at once. */
    this.piece = Infinity;
    /** How many bytes of replies are sent per second, on each connection. */
    this.rate = Infinity;
    /** How many bytes of commands are accepted per second, on each connection. */
    this.rateUp = Infinity;
    /** A command or a reply of more bytes resets the connection. */
    this.longestCommand = Infinity;
    this.longestReply = Infinity;
    /** @type {(connection: number) => boolean} whether a new connection, from 1, is closed at once */
    this.hangsUp = () => false;
    /** @type {(bytes: Buffer) => boolean} whether a request is lost, and the connection with it */
    this.loses = () => false;
    /** @type {undefined | ((reply: Passing) => Buffer | AsyncIterable<Buffer> | undefined)} what is sent in a reply's place */
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

  /** Closes all connections. The system refuses new ones until `accept`. */
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

  /** Makes all open connections silent: nothing is passed on, and nothing is closed. */
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

    let commands = Buffer.alloc(0);
    client.on('data', (bytes) => {
      if (isSilent()) return;
      if (this.loses(bytes)) return cut();
      if (this.rateUp < Infinity) {
        client.pause();
        setTimeout(() => client.resume(), (1000 * bytes.length) / this.rateUp);
      }
      if (this.longestCommand === Infinity) return server.write(bytes);
      // A command has the form of a reply. Each is passed on when it is complete.
      commands = Buffer.concat([commands, bytes]);
      let end = endOfReply(commands, 0);
      for (; end > 0 && end <= this.longestCommand; end = endOfReply(commands, 0)) {
        server.write(commands.subarray(0, end));
        commands = commands.subarray(end);
      }
      if (end > this.longestCommand || commands.length > this.longestCommand) cut();
    });
    let nth = 0;
    let rest = Buffer.alloc(0);
    server.on('data', (bytes) => {
      if (isSilent()) return;
      if (!this.onReply && this.longestReply === Infinity) return this.#send(client, bytes);
      rest = Buffer.concat([rest, bytes]);
      for (let end = endOfReply(rest, 0); end > 0; end = endOfReply(rest, 0)) {
        if (end > this.longestReply) return cut();
        const reply = rest.subarray(0, end);
        const sent = this.onReply ? this.onReply({ bytes: reply, nth: nth++, cut }) : reply;
        rest = rest.subarray(end);
        if (sent) this.#send(client, sent);
      }
      if (rest.length > this.longestReply) cut();
    });
  }

  /** @param {net.Socket} client @param {Buffer | AsyncIterable<Buffer>} sent */
  #send(client, sent) {
    const isWhole = Buffer.isBuffer(sent);
    const write = () => {
      if (!isWhole) return pipeThrough(sent, client);
      if (this.rate < Infinity) return pipeThrough(this.#slowly(sent), client);
      for (let at = 0; at < sent.length && !client.destroyed; at += this.piece)
        client.write(sent.subarray(at, at + this.piece));
    };
    const late = this.#late.get(client);
    const { held } = this;
    if (isWhole && this.delay === 0 && this.rate === Infinity && !held && !late) return write();
    // In order, even if the delay has become shorter.
    const due = Date.now() + this.delay;
    const written = (late ?? Promise.resolve())
      .then(() => held)
      .then(() => sleep(Math.max(0, due - Date.now())))
      .then(write)
      .then(() => {
        if (this.#late.get(client) === written) this.#late.delete(client);
      });
    this.#late.set(client, written);
  }

  /** @param {Buffer} bytes */
  async *#slowly(bytes) {
    const PIECES_A_SECOND = 50;
    for (let at = 0; at < bytes.length; ) {
      const end = at + Math.ceil(this.rate / PIECES_A_SECOND);
      yield bytes.subarray(at, end);
      await sleep(1000 / PIECES_A_SECOND);
      at = end;
    }
  }
}

/**
 * Writes pieces no faster than the client reads.
 *
 * @param {AsyncIterable<Buffer>} pieces
 * @param {net.Socket} client
 */
async function pipeThrough(pieces, client) {
  for await (const piece of pieces) {
    if (client.destroyed) return;
    if (client.write(piece)) continue;
    await new Promise((resolve) => {
      const done = () => {
        client.off('drain', done).off('close', done);
        resolve(undefined);
      };
      client.on('drain', done).on('close', done);
    });
  }
}

/**
 * Resets a connection. libuv does not reset one that is being shut down, and at the end of the process
 * Node would then wait for it indefinitely.
 *
 * @param {net.Socket} socket
 */
function reset(socket) {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

/**
 * The end of the reply (RESP2) that begins at `start`, or 0 if it is not complete.
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
