'use strict';

// Calls that race, with checks that must hold whichever call comes first. `racers.test.js` runs each race many times,
// each time with new sessions.

const assert = require('node:assert/strict');
const { setTimeout: sleep } = require('node:timers/promises');
const { indexKey, sessionKey } = require('./keys.js');
const checks = require('./race-checks.js');
const { waitUntil } = require('./wait-until.js');

const { assertAllGone, assertEnds, assertGone, assertNoIndex } = checks;
const { DATA, PAD, SHORT, STEP, create, inTurn, times } = checks;

/** @typedef {import('./race-checks.js').Track} Track */

/** @type {Record<string, (track: Track, n: number) => Promise<void>>} */
const RACES = {
  async 'update and kill at once leave no session, and none without an expiry'(track, n) {
    const { a, b, app } = track;
    const ownerId = `owner ${n}`;
    const token = await create(track, ownerId);
    const update = () => Promise.all(times(2, (m) => a.update({ app, token, data: { m } })));
    const kill = () => b.kill({ app, token });
    const calls = [...inTurn(n, update, kill), update()]; // and updates that are made after the kill
    await assertEnds(track, ownerId, token);
    assert.equal((await Promise.all(calls))[1], true, 'the kill found its session');
    await assertGone(track, ownerId, [token]);
    await assertNoIndex(track, ownerId);
  },

  async 'updates at once are all kept, and the later one of the same key wins'(track, n) {
    const { a, b, app } = track;
    const token = await create(track, 'updates');
    const update = (sessions, name) => () =>
      Promise.all(
        times(4, (m) =>
          sessions.update({ app, token, data: { [`${name}${m}`]: m, last: `${name}${m}` } }),
        ),
      );
    const answers = await Promise.all(inTurn(n, update(a, 'a'), update(b, 'b')));
    assert.ok(answers.flat().every((answer) => answer === true));
    const { data } = await a.get({ app, token });
    const { last, ...others } = data;
    const written = ['a', 'b'].flatMap((name) => times(4, (m) => [`${name}${m}`, m]));
    assert.deepEqual(others, { ...DATA, ...Object.fromEntries(written) });
    assert.ok(last === 'a3' || last === 'b3', `${last} is not the last of either`);
  },

  async 'exactly one of two kills at once resolves to true'(track, n) {
    const { a, b, app, certain } = track;
    const token = await create(track, `owner ${n}`);
    const kill = (sessions) => () => sessions.kill({ app, token });
    const answers = await Promise.all(inTurn(n, kill(a), kill(b)));
    const ended = answers.filter(Boolean).length;
    assert.ok(certain ? ended === 1 : ended >= 1, `${ended} say so`);
    await assertGone(track, `owner ${n}`, [token]);
  },

  async 'killAll ends sessions that were created before it, and the next killAll ends those created meanwhile'(
    track,
    n,
  ) {
    const { b, app } = track;
    const ownerId = `owner ${n}`;
    const given = [];
    let began = false;
    const creations = times(3, async () => {
      const token = await create(track, ownerId);
      if (!began) given.push(token);
      return token;
    });
    await Promise.race(creations);
    began = true;
    const killed = b.killAll({ app, ownerId });
    const late = create(track, ownerId);
    assert.equal(await killed, true);
    await assertGone(track, ownerId, given);
    const tokens = await Promise.all([...creations, late]);
    await b.killAll({ app, ownerId });
    await assertGone(track, ownerId, tokens);
    await assertNoIndex(track, ownerId);
  },

  async 'killAll and update at once bring no session back'(track, n) {
    const { a, b, app, certain } = track;
    const ownerId = `owner ${n}`;
    const tokens = await Promise.all(times(3, () => create(track, ownerId)));
    const touch = (token) => [
      a.update({ app, token, data: { n } }),
      a.refresh({ app, token, duration: 700 }),
    ];
    const touchAll = () => Promise.all(tokens.flatMap(touch));
    const calls = inTurn(n, touchAll, () => b.killAll({ app, ownerId }));
    const [, killed] = await Promise.all([...calls, touchAll()]);
    assert.equal(killed, true);
    await assertGone(track, ownerId, tokens);
    if (certain) assert.equal(await a.killAll({ app, ownerId }), false);
    await assertNoIndex(track, ownerId);
  },

  async 'refresh and kill at once bring nothing back, also not in the index'(track, n) {
    const { a, b, app } = track;
    const ownerId = `owner ${n}`;
    const token = await create(track, ownerId);
    const refresh = () => a.refresh({ app, token, duration: 700 });
    const [, killed] = await Promise.all(inTurn(n, refresh, () => b.kill({ app, token })));
    assert.equal(killed, true);
    await assertGone(track, ownerId, [token]);
    await assertNoIndex(track, ownerId);
  },

  async 'refresh at the expiry resolves to true for a session that lives on, and to false for one that is gone'(
    track,
    n,
  ) {
    const { a, b, app, redis, outcomes } = track;
    const ownerId = `owner ${n}`;
    const token = await create(track, ownerId, SHORT / 1000);
    await sleep(2 * SHORT * Math.random());
    const refreshed = await a.refresh({ app, token, duration: 600 });
    outcomes.add(refreshed ? 'in time' : 'too late');
    const found = await b.get({ app, token });
    assert.deepEqual(found, refreshed ? { ownerId, data: DATA } : undefined);
    if (!refreshed) return assertGone(track, ownerId, [token]);
    if (redis) {
      assert.ok((await redis.pttl(sessionKey(app, ownerId, token))) > 300_000);
      assert.ok((await redis.pttl(indexKey(app, ownerId))) > 300_000);
    }
    assert.equal(await b.killAll({ app, ownerId }), true, 'the index has it');
    await assertGone(track, ownerId, [token]);
  },

  async 'update at the expiry does not lengthen the life of the session'(track, n) {
    const { a, b, app, outcomes } = track;
    const ownerId = `owner ${n}`;
    const token = await create(track, ownerId, SHORT / 1000);
    await sleep(2 * SHORT * Math.random());
    const data = { pad: PAD };
    const updates = await Promise.all(times(3, () => a.update({ app, token, data })));
    outcomes.add(updates[0] ? 'in time' : 'too late');
    assert.ok(!updates.includes(true, updates.indexOf(false) + 1 || 3), 'it is back');
    await assertEnds(track, ownerId, token);
    if (updates[2] === false) await assertGone(track, ownerId, [token]);
    const gone = async () => (await b.get({ app, token })) === undefined;
    await waitUntil(gone, 'the session to end');
    await assertGone(track, ownerId, [token]);
  },

  async 'killAll during a hundred creates leaves no session out of the index'(track, n) {
    const { a, b, app, certain } = track;
    const ownerId = `owner ${n}`;
    const creations = times(100, (m) =>
      [a, b][m % 2].create({ app, ownerId, data: DATA, duration: m % 3 ? 600 : Infinity }),
    );
    // A killAll at the same time, too: it ends the sessions that it finds, and the next one ends the rest.
    const early = b.killAll({ app, ownerId });
    const tokens = await Promise.all(creations);
    const met = await early;
    const left = (await Promise.all(tokens.map((token) => a.get({ app, token })))).filter(Boolean);
    const killed = await b.killAll({ app, ownerId });
    if (certain) assert.deepEqual([met, killed], [left.length < 100, left.length > 0]);
    const found = await Promise.all(tokens.map((token) => a.get({ app, token })));
    assert.ok(
      found.every((session) => session === undefined),
      'a session survived killAll',
    );
    if (certain) assert.equal(await a.killAll({ app, ownerId }), false);
    await assertNoIndex(track, ownerId);
  },

  async 'killAll in steps ends all sessions that were there at its start, whatever is refreshed and created'(
    track,
    n,
  ) {
    const { a, b, app, redis, outcomes } = track;
    const ownerId = `owner ${n}`;
    const count = STEP + 50 + (n % 100);
    const tokens = await Promise.all(times(count, (m) => create(track, ownerId, 600 + m)));
    let runs = true;
    const killed = b.killAll({ app, ownerId }).finally(() => {
      runs = false;
    });
    const made = [];
    for (let m = n; runs; m++) {
      // These move a session to the front, the middle and the end of the index.
      const duration = [300, 600 + count / 2, 900, Infinity][m % 4];
      const some = times(20, () => tokens[Math.floor(Math.random() * count)]);
      const refreshes = some.map((token) => a.refresh({ app, token, duration }));
      made.push(await create(track, ownerId, duration));
      const refreshed = await Promise.all(refreshes);
      // One session was gone while another one was still there.
      const isBetween = refreshed.includes(true, refreshed.indexOf(false) + 1 || refreshed.length);
      if (isBetween || !redis) outcomes.add('between two steps'); // in memory there is one step
    }
    assert.equal(await killed, true);
    await assertAllGone(track, ownerId, tokens);
    await b.killAll({ app, ownerId });
    await assertAllGone(track, ownerId, made);
    await assertNoIndex(track, ownerId);
  },

  async 'gets during a kill find the whole session, then nothing, and never the session again'(
    track,
    n,
  ) {
    const { a, b, app, outcomes } = track;
    const token = await create(track, 'gets');
    const get = () => Promise.all(times(6, () => a.get({ app, token })));
    const [found, killed] = await Promise.all(inTurn(n, get, () => b.kill({ app, token })));
    assert.equal(killed, true);
    const there = found.filter((session) => session !== undefined);
    for (const session of there) assert.deepEqual(session, { ownerId: 'gets', data: DATA });
    assert.ok(found.slice(0, there.length).every(Boolean), 'it is back');
    outcomes.add(there.length > 0 ? 'found' : 'not found');
    assert.equal(await a.get({ app, token }), undefined);
  },
};

module.exports = { RACES };
