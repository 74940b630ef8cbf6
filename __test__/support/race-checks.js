'use strict';

// What all races share: sessions to race about, and what must hold after each race, in the answers and in Redis.

const assert = require('node:assert/strict');
const { idOf, indexKey, routeOf, sessionKey } = require('./keys.js');

/**
 * @typedef {object} Track what a race is run on
 * @property {import('../../index.js').SpotsSessions} a
 * @property {import('../../index.js').SpotsSessions} b an instance with another connection, if there is one
 * @property {import('ioredis').Redis | null} redis
 * @property {string} app
 * @property {boolean} certain whether no reply gets lost. A kill that is sent again resolves to `true`
 * @property {Set<string>} outcomes the outcomes that have happened so far, of those that chance decides
 */

const times = (count, make) => Array.from({ length: count }, (_, n) => make(n));
const DATA = { a: 1 };
/** How many sessions one step of killAll removes: see kill_all.lua. */
const STEP = 100;
/** Three of these make a record long enough to be folded. */
const PAD = 'x'.repeat(1500);

/** The life of sessions that must end in the middle of a race, in ms. */
const SHORT = 40;

/** Makes the calls of a race. The two sides take turns to begin. */
const inTurn = (n, first, second) => (n % 2 ? [second(), first()].reverse() : [first(), second()]);

/** Creates a session. */
const create = ({ a, app }, ownerId, duration = 600) =>
  a.create({ app, ownerId, data: DATA, duration });

/** Asserts that tokens open nothing, and that Redis has nothing of their sessions. */
async function assertGone({ a, b, app, redis }, ownerId, tokens) {
  for (const token of tokens) {
    assert.equal(await a.get({ app, token }), undefined, 'it is back');
    assert.equal(await b.update({ app, token, data: {} }), false, 'it is back');
    if (redis) assert.equal(await redis.exists(sessionKey(app, ownerId, token)), 0);
  }
}

/** The same for many sessions at once. */
async function assertAllGone({ b, app, redis }, ownerId, tokens) {
  const found = await Promise.all(tokens.map((token) => b.get({ app, token })));
  const left = found.filter(Boolean).length;
  assert.equal(left, 0, `${left} of ${tokens.length} are there`);
  if (!redis) return;
  const keys = tokens.map((token) => sessionKey(app, ownerId, token));
  assert.equal(await redis.exists(keys), 0);
}

/** Asserts that the owner has no index in Redis. */
async function assertNoIndex({ redis, app }, ownerId) {
  if (redis) assert.equal(await redis.exists(indexKey(app, ownerId)), 0, 'the index has it');
}

/** Asserts that the session is not there without an expiry. */
async function assertEnds({ redis, app }, ownerId, token) {
  if (redis)
    assert.notEqual(await redis.pttl(sessionKey(app, ownerId, token)), -1, 'it has no expiry');
}

/** Asserts that a token opens a session with this data. */
async function assertAlive({ b, app }, ownerId, token, data = DATA) {
  assert.deepEqual(await b.get({ app, token }), { ownerId, data });
}

// In one script, so that nothing happens in between. Redis 6 does not know PEXPIRETIME.
const SNAPSHOT = `
  local function expiry(key)
    local at = redis.pcall('PEXPIRETIME', key)
    if type(at) == 'number' then return at end
    local time, left = redis.call('TIME'), redis.call('PTTL', key)
    return left < 0 and left or time[1] * 1000 + math.floor(time[2] / 1000) + left
  end
  local members = {}
  for n, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    members[n] = { id, redis.call('ZSCORE', KEYS[1], id), expiry(ARGV[1] .. id) }
  end
  return { expiry(KEYS[1]), members }`;

/** How far an expiry may be from a score on Redis 6, in ms: the clock goes on during a script. */
const CLOCK_GOES_ON = 1000;

/**
 * Reads the index of an owner, with the sessions that it lists.
 *
 * @returns {Promise<{ expiry: number, members: { id: string, score: number, expiry: number }[] }>} times in ms, as
 *   PEXPIRETIME tells them: -1 never expires, -2 is not there
 */
async function readIndex({ redis, app }, ownerId) {
  const prefix = `spots:{${routeOf(app, ownerId)}:${app}}:s:`;
  const [expiry, found] = await redis.eval(SNAPSHOT, 1, indexKey(app, ownerId), prefix);
  const members = found.map(([id, score, at]) => ({
    id,
    score: score === 'inf' ? Infinity : Number(score),
    expiry: at,
  }));
  return { expiry, members };
}

/**
 * Asserts what must hold for an owner after a race: the index lists the live sessions and nothing else, each with the
 * time of its expiry, and outlives them. No key is without an expiry, unless the sessions are `endless`.
 */
async function assertTidy(track, ownerId, tokens, { endless = false } = {}) {
  if (tokens.length === 0) return assertNoIndex(track, ownerId);
  if (!track.redis) return;
  const { expiry, members } = await readIndex(track, ownerId);
  const ids = members.map(({ id }) => id);
  assert.deepEqual(ids.sort(), tokens.map(idOf).sort(), 'the index lists the live sessions');
  if (endless) return assert.equal(expiry, -1, 'the index never expires');
  for (const { id, score, expiry: end } of members) {
    assert.ok(end > 0, `the session ${id} expires at ${end}`);
    assert.ok(Math.abs(score - end) <= CLOCK_GOES_ON, `score ${score}, expiry ${end}`);
    assert.ok(expiry >= end, `the index expires at ${expiry}, a session at ${end}`);
  }
}

/** Asserts of all keys of the app that they expire, and that each session is in the index of its owner. */
async function assertSwept({ redis, app }) {
  if (!redis) return;
  const check = async (key) => {
    assert.notEqual(await redis.pttl(key), -1, `${key} never expires`);
    const [, id] = key.split('}:s:');
    const record = id && (await redis.get(key));
    if (!record) return; // it is an index, or has just ended
    const ownerId = JSON.parse(record.split('\n')[1]);
    const score = await redis.zscore(indexKey(app, ownerId), id);
    assert.ok(score !== null || !(await redis.exists(key)), `${key} is in no index`);
  };
  const keys = await redis.keys(`*${app}*`);
  while (keys.length > 0) await Promise.all(keys.splice(0, 500).map(check));
}

module.exports = {
  ...{ DATA, PAD, SHORT, STEP },
  ...{ create, inTurn, times },
  ...{ assertAlive, assertAllGone, assertEnds, assertGone, assertNoIndex },
  ...{ assertSwept, assertTidy, readIndex },
};
