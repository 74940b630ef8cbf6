'use strict';

// Calls that race about sessions whose token was not made for their owner, with checks that must hold whichever comes first.
// `racers-of-foreign.test.js` runs each race many times, each time with new sessions.

const assert = require('node:assert/strict');
const foreign = require('../../lib/foreign.js');
const { newToken, publicIdOf } = require('./foreign-checks.js');
const { inTurn, times } = require('./race-checks.js');

/** @typedef {import('./race-checks.js').Track} Track */

const patch = { set: {}, deleted: [], durationMs: 600_000 };

/** Makes a session, or puts it in the place of another one. */
const put = (sessions, { app }, ownerId, token, more = {}) =>
  foreign.create(sessions, {
    ...{ app, token, ownerId, data: {}, durationMs: 600_000, replace: true },
    ...more,
  });

async function make(track, ownerId, more) {
  const token = newToken();
  assert.equal(await put(track.a, track, ownerId, token, more), true);
  return token;
}

const claim = (sessions, { app }, token, before, after) =>
  foreign.claim(sessions, { app, token, before, after, ...patch });

/** Makes two calls of several steps each, some steps apart. */
function apart({ b, app }, n, first, second) {
  const late = async (call) => {
    for (let trips = Math.floor(4 * Math.random()); trips > 0; trips--)
      await foreign.load(b, { app, token: 'A'.repeat(43) });
    return call();
  };
  return Promise.all(
    inTurn(
      n,
      () => late(first),
      () => late(second),
    ),
  );
}

async function openedBy({ b, app }, tokens) {
  const found = await Promise.all(tokens.map((token) => foreign.load(b, { app, token })));
  return tokens.filter((_, n) => found[n] !== undefined);
}

/** Asserts that the owner's list shows these sessions, and that killAll ends them. */
async function assertOwns(track, ownerId, tokens) {
  const { a, b, app } = track;
  const listed = await b.list({ app, ownerId });
  assert.deepEqual(listed.map(({ id }) => id).sort(), tokens.map(publicIdOf).sort());
  const killed = await a.killAll({ app, ownerId });
  if (track.certain) assert.equal(killed, tokens.length > 0);
  assert.deepEqual(await openedBy(track, tokens), []);
}

/** @type {Record<string, (track: Track, n: number) => Promise<void>>} */
const RACES = {
  async 'killAll ends what was there, whatever is rotated, refreshed and claimed'(track, n) {
    const { a, b, app, outcomes } = track;
    const ownerId = `owner ${n}`;
    const tokens = await Promise.all(times(4, () => make(track, ownerId)));
    const calls = () =>
      Promise.all([
        a.rotate({ app, token: tokens[0] }),
        a.rotate({ app, token: tokens[1] }),
        a.refresh({ app, token: tokens[1], duration: 6000 }),
        claim(a, track, tokens[2], ownerId, ownerId),
        a.refresh({ app, token: tokens[3], duration: 6000 }),
      ]);
    const killAll = () => b.killAll({ app, ownerId });
    const [[first, second], killed] = await apart(track, n, calls, killAll);
    assert.equal(killed, true);
    outcomes.add(first === undefined ? 'killed first' : 'rotated first');
    const all = [...tokens, first, second].filter(Boolean);
    assert.deepEqual(await openedBy(track, all), []);
    await assertOwns(track, ownerId, []);
  },

  async 'of two creates of one token at once, one is left, and its owner finds it'(track, n) {
    const { a, b } = track;
    const [ann, bob] = [`ann ${n}`, `bob ${n}`];
    const token = newToken();
    const replace = n % 4 < 2;
    const create = (sessions, ownerId) => () => put(sessions, track, ownerId, token, { replace });
    const made = await apart(track, n, create(a, ann), create(b, bob));
    if (track.certain) assert.equal(made.filter(Boolean).length, replace ? 2 : 1);
    const { ownerId } = await foreign.load(b, { app: track.app, token });
    if (!replace && track.certain) assert.equal(ownerId, made[0] ? ann : bob);
    await assertOwns(track, ownerId === ann ? bob : ann, []);
    await assertOwns(track, ownerId, [token]);
  },

  async 'of two claims at once, one gets the session'(track, n) {
    const { a, b, certain } = track;
    const [ann, bob] = [`ann ${n}`, `bob ${n}`];
    const token = await make(track, undefined);
    const get = (sessions, ownerId) => () => claim(sessions, track, token, undefined, ownerId);
    const got = await apart(track, n, get(a, ann), get(b, bob));
    if (certain) assert.equal(got.filter(Boolean).length, 1);
    const { ownerId } = await foreign.load(b, { app: track.app, token });
    if (certain) assert.equal(ownerId, got[0] ? ann : bob);
    await assertOwns(track, ownerId === ann ? bob : ann, []);
    await assertOwns(track, ownerId, [token]);
  },

  async 'a create of the same token during killAll is ended by the next one at the latest'(
    track,
    n,
  ) {
    const { a, b, app, outcomes } = track;
    const ownerId = `owner ${n}`;
    const token = await make(track, ownerId, { data: { old: true } });
    const again = () => put(a, track, ownerId, token, { data: { old: false } });
    const [made] = await apart(track, n, again, () => b.killAll({ app, ownerId }));
    assert.equal(made, true);
    const found = await foreign.load(b, { app, token });
    outcomes.add(found ? 'created after it' : 'ended');
    assert.notEqual(found?.data.old, true);
    await assertOwns(track, ownerId, found ? [token] : []);
  },

  async 'a kill by token, by id or by killAll ends a session that is claimed by its owner'(
    track,
    n,
  ) {
    const { a, b, app } = track;
    const ownerId = `owner ${n}`;
    const token = await make(track, ownerId);
    const end = [
      () => b.kill({ app, token }),
      () => b.kill({ app, ownerId, id: publicIdOf(token) }),
      () => b.killAll({ app, ownerId }),
    ][n % 3];
    const take = () => claim(a, track, token, ownerId, ownerId);
    const [, ended] = await apart(track, n >> 1, take, end);
    assert.equal(ended, true);
    assert.deepEqual(await openedBy(track, [token]), []);
    await assertOwns(track, ownerId, []);
  },
};

/** Races of instances that let an owner have three sessions. @type {typeof RACES} */
const LIMITED = {
  async 'of many logins with maxSessions as many stay, the last one among them'(track, n) {
    const { a, b, app } = track;
    const ownerId = `owner ${n}`;
    const [token, ...anonymous] = await Promise.all(times(4, () => make(track, undefined)));
    const logins = anonymous.flatMap((each, m) => [
      claim([a, b][m % 2], track, each, undefined, ownerId),
      put([b, a][m % 2], track, ownerId, newToken()),
    ]);
    await Promise.all(logins);
    assert.equal((await b.list({ app, ownerId })).length, 3);
    assert.equal(await claim(a, track, token, undefined, ownerId), true);
    const listed = await b.list({ app, ownerId, token });
    assert.equal(listed.length, 3);
    assert.ok(listed.some(({ current }) => current));
    await a.killAll({ app, ownerId });
  },
};

module.exports = { LIMITED, RACES };
