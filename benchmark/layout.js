'use strict';

// Writes sessions in the package's own Redis layout (docs/design.md, section 4) without the package, which takes a
// quarter of the time. The token and the keys of a session follow from its number, 0 to `count` - 1.

const { createHash } = require('node:crypto');
const { once } = require('node:events');
const net = require('node:net');
const { app, duration, sessionOf } = require('./payload');

const sha256 = (data) => createHash('sha256').update(data).digest();

/** @param {number} index the number of the session and of its owner; each owner has one session */
function tokenOf(index) {
  const length = Buffer.alloc(8);
  length.writeUInt32BE(app.length, 4);
  const owner = sha256(Buffer.concat([length, Buffer.from(`${app}user-${index}`)]));
  // Looks random, but the same index always gives the same token.
  const random = createHash('shake256', { outputLength: 112 }).update(`${index}`).digest();
  return Buffer.concat([owner.subarray(0, 16), random]).toString('base64');
}

/** @param {string} token */
function keysOf(token) {
  const owner = Buffer.from(token, 'base64').subarray(0, 16);
  const tag = `spots:{${owner.toString('hex', 0, 4)}:${app}}`;
  const id = sha256(token).toString('base64url', 0, 16);
  return { session: `${tag}:s:${id}`, owned: `${tag}:o:${owner.toString('base64url', 4)}`, id };
}

/** Encodes a command in RESP; ASCII only. */
function command(...words) {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;
}

/**
 * Writes the sessions from 0 to `count` - 1.
 *
 * @param {string} url of an empty database
 * @param {number} count
 * @param {number} size of payload.js
 */
async function plant(url, count, size) {
  const { hostname, port, pathname } = new URL(url);
  const socket = net.connect(Number(port), hostname).setEncoding('latin1');
  await once(socket, 'connect');
  socket.write(command('SELECT', pathname.slice(1)) + command('CLIENT', 'REPLY', 'OFF'));
  const now = Date.now();
  const expiry = now + duration * 1000;
  const indexExpiry = expiry + Math.min(duration, 3600) * 1000;
  for (let index = 0; index < count; ) {
    let commands = '';
    for (const end = Math.min(index + 500, count); index < end; index++) {
      const { session, owned, id } = keysOf(tokenOf(index));
      const { ownerId, data } = sessionOf(size, index);
      const record = `{"createdAt":${now}}\n"${ownerId}"\n${JSON.stringify(data)}`;
      commands +=
        command('ZADD', owned, `${expiry}`, id) +
        command('SET', session, record, 'PXAT', `${expiry}`) +
        command('PEXPIREAT', owned, `${indexExpiry}`);
    }
    if (!socket.write(commands, 'latin1')) await once(socket, 'drain');
  }
  // Replies were off, so errors were not reported. The number of keys shows whether all were written.
  socket.end(command('CLIENT', 'REPLY', 'ON') + command('DBSIZE'));
  let replies = '';
  for await (const text of socket) replies += text;
  if (!replies.endsWith(`:${2 * count}\r\n`)) {
    throw new Error(`the server does not hold ${count} sessions`);
  }
}

module.exports = { command, keysOf, plant, tokenOf };
