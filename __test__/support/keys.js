'use strict';

// The keys in Redis as docs/design.md describes them. This is a second implementation, independent of src/keys.rs.

const { createHash } = require('node:crypto');

/** The first 16 bytes of SHA-256(len(app) ‖ app ‖ ownerId). */
function ownerHash(app, ownerId) {
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(Buffer.byteLength(app)));
  const digest = createHash('sha256').update(length).update(app).update(ownerId).digest();
  return digest.subarray(0, 16);
}

/** The first four bytes of that, in hex. */
function routeOf(app, ownerId) {
  return ownerHash(app, ownerId).toString('hex', 0, 4);
}

/** The first 16 bytes of SHA-256(token), in base64url. */
function idOf(token) {
  return createHash('sha256').update(token).digest().subarray(0, 16).toString('base64url');
}

function sessionKey(app, ownerId, token) {
  return `spots:{${routeOf(app, ownerId)}:${app}}:s:${idOf(token)}`;
}

function indexKey(app, ownerId) {
  const name = ownerHash(app, ownerId).subarray(4).toString('base64url');
  return `spots:{${routeOf(app, ownerId)}:${app}}:o:${name}`;
}

/** Two owners of one app that share a route. A route has 32 bits, so it takes about 2^16 hashes. */
function ownersOnOneRoute(app) {
  const seen = new Map();
  for (let n = 0; ; n++) {
    const owner = `owner-${n}`;
    const route = routeOf(app, owner);
    if (seen.has(route)) return [seen.get(route), owner];
    seen.set(route, owner);
  }
}

/** The key of an owner's pointers to sessions whose token was not made for the owner. */
function pointersKey(app, ownerId) {
  return indexKey(app, ownerId).replace(/:o:(?=[^:]*$)/, ':p:');
}

/** The key of such a session. @param {string} token in base64url */
function foreignKey(app, token) {
  return `spots:{${Buffer.from(token, 'base64url').toString('hex', 0, 4)}:${app}}:s:${idOf(token)}`;
}

/** The public id of such a session. @param {string} token in base64url */
function addressOf(token) {
  return idOf(token) + Buffer.from(token, 'base64url').subarray(0, 4).toString('base64url');
}

module.exports = {
  addressOf,
  foreignKey,
  idOf,
  indexKey,
  ownerHash,
  ownersOnOneRoute,
  pointersKey,
  routeOf,
  sessionKey,
};
