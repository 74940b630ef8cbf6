'use strict';

// The names of a session: its id in the framework, the token under which it is kept, and its public id.

const crypto = require('node:crypto');
const { typeError } = require('../errors.js');

/**
 * Returns the token of a session. It is a hash, so any text may be an id of a session, and no key holds a part of it.
 *
 * @param {unknown} sid the id of a session in its framework
 */
function tokenOf(sid) {
  if (typeof sid !== 'string' || !sid.isWellFormed()) {
    throw typeError('the id of a session', 'a string without lone surrogates', sid);
  }
  return sha256(sid, 'base64url');
}

/** @type {(text: string, encoding: any) => any} Each request needs it twice. Before Node 20.12 there is no `hash`. */
const sha256 =
  crypto.hash?.bind(undefined, 'sha256') ??
  ((text, encoding) => crypto.createHash('sha256').update(text).digest(encoding));

/** Returns the public id of a session, which opens nothing. @param {string} token */
function idOf(token) {
  const hash = sha256(token, 'buffer');
  return publicId(
    hash.toString('base64url', 0, 16),
    Buffer.from(token, 'base64url').subarray(0, 4),
  );
}

/**
 * @param {string} name the part of a key that names the session
 * @param {Buffer} route
 */
function publicId(name, route) {
  return `${name}${route.toString('base64url')}`;
}

module.exports = { idOf, publicId, tokenOf };
