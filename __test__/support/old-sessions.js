'use strict';

// Writes sessions as the systems do that `migrate` moves from.

const { randomBytes } = require('node:crypto');

/** Names that are patterns, marks of the keys of 1.x, or otherwise hard to read back. */
const HOSTILE = [
  'a|b',
  'a:b',
  '*',
  '?[a-z]^\\',
  'a\nb\r\n',
  'Ada 🦀',
  'x|ownerId:y',
  '|ownerId:',
  'ownerId:42',
  '{tag}',
  '"quoted"',
  '\x1b[2J',
];

/**
 * Creates a session as version 1 does (benchmark/peers/version-1.js). Returns its token.
 *
 * @param {any} redis a client, or a pipeline of one
 * @param {object} session
 * @param {string} session.app
 * @param {string} session.ownerId
 * @param {unknown} session.data
 * @param {number} [session.duration] in seconds; left out: as after an update that brought an expired session back
 * @param {number} [session.expiresAt] in ms since 1970, instead of a duration, so that a test knows it
 * @param {BufferEncoding} [session.encoding]
 * @param {number} [session.size] bytes
 */
function createIn1x(redis, { app, ownerId, data, duration, expiresAt, encoding, size = 128 }) {
  const token = randomBytes(size).toString(encoding ?? 'base64');
  const key = keyOf1x(app, token, ownerId);
  const expiry = duration === undefined ? [] : ['EX', duration];
  if (expiresAt !== undefined) expiry.push('PXAT', expiresAt);
  return { token, key, written: redis.set(key, JSON.stringify(data), ...expiry) };
}

/** @param {string} app @param {string} token @param {string} ownerId */
function keyOf1x(app, token, ownerId) {
  return `app:${app}|token:${token}|ownerId:${ownerId}`;
}

module.exports = { HOSTILE, createIn1x, keyOf1x };
