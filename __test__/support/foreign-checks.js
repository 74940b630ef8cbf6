'use strict';

// Sessions whose token was not made for their owner, and what must hold of them when all calls have resolved.

const assert = require('node:assert/strict');
const { createHash, randomBytes } = require('node:crypto');
const foreign = require('../../lib/foreign.js');
const { idOf, indexKey, routeOf } = require('./keys.js');
const { expiryOf } = require('./times.js');

/** Until when a pointer is kept that never ends. Its score is later. */
const FOREVER = 9999999999999;

/**
 * @typedef {object} Place
 * @property {import('../../index.js').SpotsSessions} sessions
 * @property {any} redis null on `memory:`
 * @property {string} app
 */

/** Who may own a session. */
const OWNERS = ['ann', 'bob', 'cid'];
const MINUTES = 60_000;

/** A token of another system. */
const newToken = () => createHash('sha256').update(randomBytes(8)).digest('base64url');

/** The route of a token: its first four bytes, in hex. @param {string} token */
const routeOfToken = (token) => Buffer.from(token, 'base64url').toString('hex', 0, 4);

/** @param {string} app @param {string} token */
const foreignKey = (app, token) => `spots:{${routeOfToken(token)}:${app}}:s:${idOf(token)}`;

/** @param {string} app @param {string} ownerId */
const pointersKey = (app, ownerId) => indexKey(app, ownerId).replace(/:o:(.{16})$/, ':p:$1');

/** The public id of a session: its id, and its route. @param {string} token */
const publicIdOf = (token) =>
  idOf(token) + Buffer.from(routeOfToken(token), 'hex').toString('base64url');

let made = 0;

/**
 * Makes a session with a number that no other one has, and resolves to its token.
 *
 * @param {Place} place
 * @param {object} [more]
 */
async function make({ sessions, app }, more = {}) {
  const session = { app, token: newToken(), ownerId: 'ann', data: { made: ++made } };
  const given = { ...session, durationMs: 10 * MINUTES, replace: true, ...more };
  assert.equal(await foreign.create(sessions, given), true);
  return given.token;
}

/** The session that a token opens, with its number. @param {Place} place @param {string} token */
async function opened({ sessions, app }, token) {
  const found = await foreign.load(sessions, { app, token });
  return found && { token, ownerId: found.ownerId, made: found.data.made };
}

/** The sessions that tokens open. @param {Place} place @param {string[]} tokens */
async function openedBy(place, tokens) {
  const all = await Promise.all([...new Set(tokens)].map((token) => opened(place, token)));
  return all.filter((session) => session !== undefined);
}

/** All records in Redis, as they are. @param {Place} place */
async function recordsIn({ redis, app }) {
  const keys = (await redis.keys(`*${app}*`)).filter((key) => key.includes('}:s:'));
  const read = async (key) => {
    const [record, expiry] = [await redis.get(key), await expiryOf(redis, key)];
    if (record === null) return undefined;
    const [line, owner, data] = record.split('\n');
    const [, route, id] = key.match(/\{([0-9a-f]{8}):.*\}:s:(.{22})$/);
    const address = id + Buffer.from(route, 'hex').toString('base64url');
    return {
      ...JSON.parse(line),
      address,
      ownerId: JSON.parse(owner),
      expiry,
      ...JSON.parse(data),
    };
  };
  return (await Promise.all(keys.map(read))).filter((record) => record !== undefined);
}

/**
 * Asserts that each session of an owner is named by a pointer that outlives it, and that an anonymous one says no owner.
 *
 * @param {Place} place
 */
async function assertPointed(place) {
  const { redis, app } = place;
  if (!redis) return;
  for (const { ownerId, owner, nonce, address, mark, until, expiry } of await recordsIn(place)) {
    assert.equal(address.slice(0, 6), mark);
    if (ownerId === '') {
      assert.equal(owner, undefined);
      continue;
    }
    assert.equal(owner, routeOf(app, ownerId) + indexKey(app, ownerId).slice(-16));
    const score = await redis.zscore(pointersKey(app, ownerId), address + nonce);
    assert.ok(score !== null, `${ownerId} has no pointer to ${address}`);
    const kept = Number(score) > FOREVER ? Infinity : Number(score);
    const end = expiry === -1 ? Infinity : expiry;
    assert.ok(kept >= (until === FOREVER ? Infinity : until), `kept until ${kept}: ${until}`);
    assert.ok(kept >= end, `the pointer is kept until ${kept}, the session until ${end}`);
  }
}

/**
 * Asserts what must hold when all calls have resolved: each owner's list shows the sessions that live, and no other one;
 * and then that killAll ends those of its owner alone.
 *
 * @param {Place} place
 * @param {string[]} tokens all that may open a session
 */
async function assertFound(place, tokens) {
  const { sessions, app } = place;
  await assertPointed(place);
  let live = await openedBy(place, tokens);
  if (place.redis) assert.equal((await recordsIn(place)).length, live.length, 'of no known token');
  for (const ownerId of OWNERS) {
    const own = live.filter((session) => session.ownerId === ownerId);
    const listed = await sessions.list({ app, ownerId, limit: 1000 });
    assert.deepEqual(
      listed.map(({ id }) => id).sort(),
      own.map(({ token }) => publicIdOf(token)).sort(),
      `the list of ${ownerId}`,
    );
  }
  for (const ownerId of OWNERS) {
    const [own, others] = [[], []];
    for (const session of live) (session.ownerId === ownerId ? own : others).push(session);
    assert.equal(await sessions.killAll({ app, ownerId }), own.length > 0);
    assert.deepEqual(await openedBy(place, tokens), others, `after killAll of ${ownerId}`);
    live = others;
  }
}

module.exports = {
  ...{ MINUTES, OWNERS },
  ...{ assertFound, assertPointed, make, newToken, opened, openedBy, recordsIn },
  ...{ foreignKey, pointersKey, publicIdOf },
};
