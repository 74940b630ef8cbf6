'use strict';

// Races of `rotate` and of `kill` by id with the other calls. `racers-of-rotate.test.js` runs each many times, each time
// with new sessions.

const assert = require('node:assert/strict');
const { idOf, sessionKey } = require('./keys.js');
const checks = require('./race-checks.js');
const { assertAlive, assertAllGone, assertGone, assertTidy } = checks;
const { DATA, PAD, STEP, create, inTurn, times } = checks;

/** @typedef {import('./race-checks.js').Track} Track */

/** Asserts how a session ended that was rotated: the new token opens it, or nothing does if there is none. */
async function assertRotated(track, ownerId, old, fresh, data) {
  await assertGone(track, ownerId, [old]);
  if (fresh !== undefined) await assertAlive(track, ownerId, fresh, data);
  await assertTidy(track, ownerId, fresh === undefined ? [] : [fresh]);
}

/**
 * A race of a rotation with a kill, after which one of them has found the session.
 *
 * @param {(given: { ownerId: string, token: string, id: string }) => Promise<boolean>} end
 */
async function raceRotateAndKill(track, n, end) {
  const { a, app, certain, outcomes } = track;
  const ownerId = `owner ${n}`;
  const token = await create(track, ownerId);
  const id = idOf(token);
  const rotate = () => a.rotate({ app, token });
  const kill = () => end({ ownerId, token, id });
  const [fresh, killed] = await Promise.all(inTurn(n, rotate, kill));
  outcomes.add(killed ? 'killed' : 'rotated');
  // A kill that is sent again resolves to true.
  if (certain || fresh === undefined) assert.equal(killed, fresh === undefined);
  await assertRotated(track, ownerId, token, fresh);
}

/** @type {Record<string, (track: Track, n: number) => Promise<void>>} */
const RACES = {
  async 'an update during a rotation is in the data under the new token exactly if it resolves to true'(
    track,
    n,
  ) {
    const { a, b, app, certain, outcomes } = track;
    const ownerId = `owner ${n}`;
    const token = await create(track, ownerId);
    // Some records are folded meanwhile.
    const patch = (m) => ({ [`key ${m}`]: m, ...(n % 4 < 2 && { pad: PAD }) });
    const update = (m) => a.update({ app, token, data: patch(m) });
    const updates = () => Promise.all(times(3, update));
    const [updated, fresh] = await Promise.all(inTurn(n, updates, () => b.rotate({ app, token })));
    updated.push(await update(3)); // and one that is made after the rotation
    outcomes.add(updated[0] ? 'updated' : 'rotated first');
    assert.equal(updated[3], false);
    const { data } = await a.get({ app, token: fresh });
    for (const m of times(4, Number)) {
      // An update that is sent again may have acted, too.
      if (updated[m] || certain) assert.equal(`key ${m}` in data, updated[m], `key ${m}`);
    }
    await assertRotated(track, ownerId, token, fresh, data);
  },

  async 'a refresh during a rotation is kept under the new token exactly if it resolves to true'(
    track,
    n,
  ) {
    const { a, b, app, certain, outcomes } = track;
    const ownerId = `owner ${n}`;
    const token = await create(track, ownerId);
    const refresh = () => a.refresh({ app, token, duration: 7000 });
    const calls = inTurn(n, refresh, () => b.rotate({ app, token }));
    const [refreshed, fresh] = await Promise.all(calls);
    outcomes.add(refreshed ? 'refreshed' : 'rotated first');
    const { createdAt, expiresAt } = await b.info({ app, token: fresh });
    const life = (Number(expiresAt) - Number(createdAt)) / 1000;
    if (certain || refreshed) assert.equal(life >= 7000, refreshed, `it lives for ${life} s`);
    if (certain && !refreshed) assert.equal(life, 600, 'to the millisecond');
    await assertRotated(track, ownerId, token, fresh);
  },

  'of a rotation and a kill, exactly one finds the session': (track, n) =>
    raceRotateAndKill(track, n, ({ token }) => track.b.kill({ app: track.app, token })),

  'of a rotation and a kill by id, exactly one finds the session': (track, n) =>
    raceRotateAndKill(track, n, async ({ ownerId, id }) => {
      const { b, app } = track;
      const strangers = b.kill({ app, ownerId: `stranger ${n}`, id });
      const killed = b.kill({ app, ownerId, id });
      if (track.certain) assert.equal(await strangers, false, 'it is the session of another');
      return killed;
    }),

  async 'killAll during a rotation ends the session under either token'(track, n) {
    const { a, b, app, outcomes } = track;
    const ownerId = `owner ${n}`;
    const token = await create(track, ownerId);
    const rotate = () => a.rotate({ app, token });
    const calls = inTurn(n, rotate, () => b.killAll({ app, ownerId }));
    const [fresh, killed] = await Promise.all(calls);
    outcomes.add(fresh === undefined ? 'killed first' : 'rotated first');
    assert.equal(killed, true);
    await assertGone(track, ownerId, [token, fresh ?? token]);
    await assertTidy(track, ownerId, []);
  },

  async 'exactly one of several rotations at once gives a token'(track, n) {
    const { a, b, app } = track;
    const ownerId = `owner ${n}`;
    const token = await create(track, ownerId);
    const rotate = (sessions) => () => Promise.all(times(2, () => sessions.rotate({ app, token })));
    const answers = (await Promise.all(inTurn(n, rotate(a), rotate(b)))).flat();
    const given = answers.filter((answer) => answer !== undefined);
    assert.equal(given.length, 1, `${given.length} tokens`);
    await assertRotated(track, ownerId, token, given[0]);
  },

  async 'a list during a rotation shows the session once, and to its owner alone'(track, n) {
    const { a, b, app, outcomes } = track;
    const ownerId = `owner ${n}`;
    const neighbour = `neighbour ${n}`;
    const owners = [ownerId, ownerId, neighbour];
    const [token, other, next] = await Promise.all(owners.map((owner) => create(track, owner)));
    const { createdAt, expiresAt } = await a.info({ app, token });
    const list = () =>
      Promise.all([b.list({ app, ownerId, token }), b.list({ app, ownerId: neighbour })]);
    const rotate = () => a.rotate({ app, token });
    const [[listed, neighbours], fresh] = await Promise.all(inTurn(n, list, rotate));
    const [id, freshId, otherId] = [token, fresh, other].map(idOf);
    const isOld = listed.some((session) => session.id === id);
    outcomes.add(isOld ? 'the old id' : 'the new id');
    const ids = listed.map((session) => session.id);
    assert.deepEqual(ids.sort(), [otherId, isOld ? id : freshId].sort());
    const shown = listed.find((session) => session.id !== otherId);
    const expected = { createdAt, expiresAt, data: DATA, current: isOld };
    assert.deepEqual(shown, { id: shown.id, ...expected });
    assert.deepEqual(
      neighbours.map((session) => session.id),
      [idOf(next)],
    );
    await assertGone(track, ownerId, [token]);
    await assertAlive(track, ownerId, fresh);
    await assertTidy(track, ownerId, [fresh, other]);
    await assertTidy(track, neighbour, [next]);
  },

  async 'a list in steps shows each session at most once, whatever is rotated'(track, n) {
    const { a, b, app, redis, outcomes } = track;
    const ownerId = `owner ${n}`;
    const pad = 'x'.repeat(600_000); // so that a step has two of them
    const names = times(5, String);
    const make = (name) => a.create({ app, ownerId, data: { name, pad }, duration: 600 });
    let tokens = await Promise.all(names.map(make));
    const given = [tokens];
    let runs = true;
    const list = b.list({ app, ownerId }).finally(() => {
      runs = false;
    });
    while (runs) {
      tokens = await Promise.all(tokens.map((token) => a.rotate({ app, token })));
      given.push(tokens);
    }
    const listed = await list;
    const shown = new Set(listed.map(({ data }) => data.name));
    assert.equal(shown.size, listed.length, 'none is there twice');
    for (const { id, data } of listed)
      assert.ok(
        given.some((some) => idOf(some[data.name]) === id),
        'under an id of its own',
      );
    if (listed.length < names.length || !redis) outcomes.add('between two steps');
    await assertTidy(track, ownerId, tokens);
    assert.equal(await b.killAll({ app, ownerId }), true);
    await assertAllGone(track, ownerId, given.flat());
  },

  async 'killAll with an exception spares what is created meanwhile or ends it, and ends all others'(
    track,
    n,
  ) {
    const { a, b, app, outcomes } = track;
    const ownerId = `owner ${n}`;
    const [except, ...others] = await Promise.all(times(4, () => create(track, ownerId)));
    const creates = () => Promise.all(times(3, () => create(track, ownerId)));
    const killAll = () => b.killAll({ app, ownerId, except });
    const [created, killed] = await Promise.all(inTurn(n, creates, killAll));
    assert.equal(killed, true);
    await assertGone(track, ownerId, others);
    await assertAlive(track, ownerId, except);
    const found = await Promise.all(created.map((token) => a.get({ app, token })));
    const left = created.filter((_, m) => found[m]);
    outcomes.add(left.length > 0 ? 'created after it' : 'ended');
    await assertTidy(track, ownerId, [except, ...left]);
  },

  async 'killAll during a rotation of the excepted session spares it or ends it, and ends all others'(
    track,
    n,
  ) {
    const { a, b, app, certain, outcomes } = track;
    const ownerId = `owner ${n}`;
    const [except, ...others] = await Promise.all(times(4, () => create(track, ownerId)));
    const rotate = () => a.rotate({ app, token: except });
    const calls = inTurn(n, rotate, () => b.killAll({ app, ownerId, except }));
    const [fresh, killed] = await Promise.all(calls);
    assert.equal(killed, true);
    // A rotation that is sent again may find that killAll has ended what it had moved.
    if (certain) assert.equal(typeof fresh, 'string', 'killAll did not end it under the old token');
    await assertGone(track, ownerId, [except, ...others]);
    const isAlive = fresh !== undefined && (await a.get({ app, token: fresh })) !== undefined;
    outcomes.add(isAlive ? 'spared' : 'ended');
    await assertTidy(track, ownerId, isAlive ? [fresh] : []);
  },

  async 'killAll in steps ends all sessions but the excepted one, whatever is rotated and created'(
    track,
    n,
  ) {
    const { a, b, app, redis, outcomes } = track;
    const ownerId = `owner ${n}`;
    const count = STEP + 50 + (n % 100);
    let tokens = await Promise.all(times(count, (m) => create(track, ownerId, 600 + m)));
    const except = n % 2 ? tokens[n % count] : undefined;
    const began = tokens;
    let runs = true;
    const killed = b.killAll({ app, ownerId, except }).finally(() => {
      runs = false;
    });
    const made = [];
    for (let m = n; runs; m++) {
      made.push(await create(track, ownerId, [300, 600 + count / 2, 900][m % 3]));
      const rotate = (token) => (token === except ? token : a.rotate({ app, token }));
      const rotated = await Promise.all(tokens.map(rotate));
      const gone = rotated.filter((token) => token === undefined).length;
      // One session was gone while another one was still there.
      if ((gone > 0 && gone < count) || !redis) outcomes.add('between two steps');
      tokens = rotated.map((token, k) => token ?? tokens[k]);
    }
    assert.equal(await killed, true);
    const others = [...began, ...tokens].filter((token) => token !== except);
    await assertAllGone(track, ownerId, others);
    if (except) await assertAlive(track, ownerId, except);
    await b.killAll({ app, ownerId, except });
    await assertAllGone(track, ownerId, made);
    await assertTidy(track, ownerId, except ? [except] : []);
    if (redis && except) assert.equal(await redis.exists(sessionKey(app, ownerId, except)), 1);
  },
};

module.exports = { RACES };
