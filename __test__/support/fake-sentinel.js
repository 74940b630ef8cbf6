'use strict';

// A fake sentinel. The test chooses its answers, and tells it when to announce a failover.

const { once } = require('node:events');
const net = require('node:net');

/** @param {number} [port] of the primary that it names at first; none if left out */
async function startFakeSentinel(port) {
  const fake = new FakeSentinel(port);
  await fake.listen();
  return fake;
}

class FakeSentinel {
  /** @type {Set<net.Socket>} */
  #sockets = new Set();
  /** @type {Set<net.Socket>} */
  #subscribers = new Set();
  #listener = net.createServer((socket) => {
    this.#sockets.add(socket);
    socket.on('error', () => {}).once('close', () => this.#sockets.delete(socket));
    socket.setEncoding('latin1').on('data', (text) => {
      if (this.isSilent) return;
      // Each command is an array of bulk strings, and comes whole.
      const commands = text.split(/(?=\*\d+\r\n\$)/);
      const answer = commands.map((command) => this.#answer(command)).join('');
      setTimeout(() => socket.write(answer), this.delay);
      if (text.includes('SUBSCRIBE')) this.#subscribers.add(socket);
    });
  });

  constructor(port) {
    /** The port of the primary that it names. @type {number | undefined} */
    this.names = port;
    /** Whether it answers nothing. */
    this.isSilent = false;
    /** Milliseconds by which its answers are late. */
    this.delay = 0;
    /** How often it was asked for the primary. */
    this.asked = 0;
    this.host = '127.0.0.1';
    this.port = 0;
  }

  /** How many connections have subscribed to its messages. */
  get subscribers() {
    return this.#subscribers.size;
  }

  async listen() {
    this.#listener.listen(0, this.host);
    await once(this.#listener, 'listening');
    const address = this.#listener.address();
    if (address && typeof address === 'object') this.port = address.port;
  }

  /** Names another primary, and tells its subscribers. @param {number} port */
  moveTo(port) {
    this.names = port;
    for (const socket of this.#subscribers)
      socket.write('*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$1\r\nx\r\n');
  }

  /** @param {string} command */
  #answer(command) {
    if (/\r\nSUBSCRIBE\r\n/.test(command))
      return '*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n';
    if (!/\r\nSENTINEL\r\n/.test(command)) return '+OK\r\n';
    this.asked++;
    if (this.names === undefined) return '*-1\r\n';
    const port = String(this.names);
    return `*2\r\n$9\r\n127.0.0.1\r\n$${port.length}\r\n${port}\r\n`;
  }

  async stop() {
    const closed = once(this.#listener, 'close');
    this.#listener.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

module.exports = { startFakeSentinel };
