'use strict';

// Sessions of the systems that `migrate` moves from: written by themselves, or as version 1 writes them.

const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const session = require('express-session');
const { connectRedis } = require('../../lib/migrate/connect-redis.js');
const { runScript } = require('./scripts.js');

/** How many commands are sent together. */
const AT_ONCE = 5000;

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

/** The name of an app, as hostile as a key of 1.x allows: only `|token:` in it would make the key ambiguous. */
const HOSTILE_APP = 'a|b:c *shop*|token\n🦀';

/**
 * @typedef {object} Written a session of another system
 * @property {string} key
 * @property {string} token
 * @property {string} ownerId
 * @property {object} data
 */

/** Resolves to what `call` resolves to for each item, some at once. */
async function each(items, call) {
  const results = [];
  for (let n = 0; n < items.length; n += AT_ONCE) {
    results.push(...(await Promise.all(items.slice(n, n + AT_ONCE).map(call))));
  }
  return results;
}

/**
 * Lets version 1 create sessions: its algorithm, in a process of its own, because it keeps its connection.
 *
 * @param {any} server as startRedis gives it
 * @param {string} app
 * @param {{ ownerId: string, data: object, duration: number }[]} all durations are in seconds
 * @returns {Promise<Written[]>}
 */
async function writeIn1x(server, app, all) {
  const { stdout, stderr } = await runScript(
    `require(root + '/benchmark/peers/version-1.js').open(given.url).then(async (peer) => {
      const tokens = await Promise.all(given.all.map((each) => peer.create({ app: given.app, ...each })));
      process.stdout.write(tokens.join('\\n'), () => process.exit(0));
    });`,
    { given: { url: server.url, app, all } },
  );
  assert.equal(stderr, '');
  const tokens = stdout.split('\n');
  const written = all.map(({ ownerId, data }, n) => {
    return { ownerId, data, token: tokens[n], key: keyOf1x(app, tokens[n], ownerId) };
  });
  // So its keys are those of `createIn1x`, on which other tests rely.
  const values = await valuesOf(server, written);
  assert.deepEqual(
    values,
    written.map(({ data }) => JSON.stringify(data)),
  );
  return written;
}

/**
 * Lets express-session make sessions, and connect-redis save them.
 *
 * @param {any} server as startRedis gives it
 * @param {import('connect-redis').RedisStore} store
 * @param {{ ownerId: string, data: object, maxAge?: number }[]} all without `maxAge`, in ms, a cookie lives as long as the
 *   browser
 * @returns {Promise<Written[]>}
 */
async function writeInStore(server, store, all) {
  // It gives the store its method `generate`.
  session({ store, secret: 'a secret', resave: false, saveUninitialized: false });
  const { parseKey } = connectRedis({ prefix: store.prefix });
  const written = await each(all, async ({ ownerId, data, maxAge }) => {
    const request = /** @type {any} */ ({});
    store.generate(request);
    const { sessionID, session } = request;
    if (maxAge !== undefined) session.cookie.maxAge = maxAge;
    Object.assign(session, { passport: { user: ownerId }, ...data });
    await store.set(sessionID, session);
    return { key: `${store.prefix}${sessionID}`, token: parseKey(sessionID).token, ownerId };
  });
  const values = await valuesOf(server, written);
  return written.map((session, n) => ({ ...session, data: JSON.parse(values[n]) }));
}

/** The values of sessions. @param {any} server @param {{ key: string }[]} written @returns {Promise<string[]>} */
async function valuesOf(server, written) {
  const redis = server.client();
  const values = await each(written, ({ key }) => redis.get(key));
  redis.disconnect();
  return values;
}

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

module.exports = { HOSTILE, HOSTILE_APP, createIn1x, each, keyOf1x, writeIn1x, writeInStore };
