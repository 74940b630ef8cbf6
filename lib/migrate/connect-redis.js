'use strict';

// The sessions that express-session or @fastify/session keeps through connect-redis. A key is a prefix and the id of the
// session. Its value is the session as JSON. It becomes a session of our SessionStore, which finds it by the same id, so
// the browser's cookie still opens it.

const { tokenOf } = require('../session-store/names.js');

/**
 * @param {{ prefix: string, owner?: string }} options `owner`: where a session names its owner, such as `passport.user`
 * @returns {import('./old-session.js').OldSystem}
 */
function connectRedis({ prefix, owner }) {
  const path = owner?.split('.');
  return {
    prefix,
    needsOwner: false,
    parseKey: (sid) => ({
      token: tokenOf(sid),
      ownerOf: (session) => path && ownerAt(path, session),
    }),
    isSession: ({ cookie }) => isObject(cookie),
  };
}

/**
 * Returns the owner that a session names. Returns undefined if it names none, or something that is no name: then it is
 * the session of a visitor.
 *
 * @param {string[]} path
 * @param {unknown} session
 */
function ownerAt(path, session) {
  const step = (value, name) =>
    isObject(value) && Object.hasOwn(value, name) ? value[name] : null;
  const value = path.reduce(step, session);
  const isName = typeof value === 'number' || (typeof value === 'string' && value !== '');
  return isName ? String(value) : undefined;
}

/** @param {unknown} value */
function isObject(value) {
  return typeof value === 'object' && value !== null;
}

module.exports = { connectRedis };
