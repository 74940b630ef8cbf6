'use strict';

// Races of a session's life: `maxSessions`, `sliding` and `lifetime`. `racers-of-life.test.js` runs each many times,
// each time with new sessions.

const assert = require('node:assert/strict');
const { idOf } = require('./keys.js');
const checks = require('./race-checks.js');
const { assertAlive, assertAllGone, assertGone, assertTidy, readIndex } = checks;
const { DATA, SHORT, inTurn, times } = checks;
const { waitUntil } = require('./wait-until.js');

/** @typedef {import('./race-checks.js').Track} Track */

const AT_ONCE = 50;

/** The sliding duration of sessions that a use extends, in seconds. They have less than nine tenths of it left. */
const SLIDING = 600;
const LEFT = 300;

/** Creates sliding sessions that the next use extends. */
async function createDue({ a, app }, ownerId, count) {
  const request = { app, ownerId, data: DATA, duration: SLIDING, sliding: true };
  const tokens = await Promise.all(times(count, () => a.create(request)));
  await Promise.all(tokens.map((token) => a.refresh({ app, token, duration: LEFT })));
  return tokens;
}

/**
 * Waits until the extension of a session has acted. If another session was used in the same batch, its extension has
 * acted, too: both are in one script.
 */
async function extended({ a, b, app, certain }, token) {
  const isExtended = async () => {
    if (!certain) await a.get({ app, token }); // an extension that fails is sent by the next use
    const { createdAt, expiresAt } = await b.info({ app, token });
    return Number(expiresAt) - Number(createdAt) >= SLIDING * 1000;
  };
  await waitUntil(isExtended, 'the extension');
}

/** @type {Record<string, (track: Track, n: number) => Promise<void>>} */
const RACES = {
  async 'maxSessions with fifty creates at once leaves the limit: those that end last, and the newest'(
    track,
    n,
  ) {
    const { a, b, app, redis, certain } = track;
    const ownerId = `owner ${n}`;
    const most = 1 + ((n * 7) % 60); // sometimes more than there are
    // In any order. No two are close, so it is certain which ends sooner.
    const duration = (m) => 600 + 10 * ((m * 17 + n) % AT_ONCE);
    const create = (m) =>
      [a, b][m % 2].create({
        ...{ app, ownerId, data: { m }, duration: duration(m), maxSessions: most },
      });
    const tokens = await Promise.all(times(AT_ONCE, create));
    const listed = await a.list({ app, ownerId });
    const left = listed.map(({ data }) => data.m);
    assert.equal(left.length, Math.min(most, AT_ONCE), 'not more than the limit, and not fewer');
    // Whatever the order, one more session ends only if at least as many as the limit end later, or are new.
    const latest = times(AT_ONCE, Number).sort((m, k) => duration(k) - duration(m));
    for (const m of latest.slice(0, most - 1)) assert.ok(left.includes(m), `number ${m} ends late`);
    // Each instance sends its creates in their order, so the newest of all is the last one of an instance.
    const lasts = [AT_ONCE - 2, AT_ONCE - 1];
    if (certain)
      assert.ok(
        lasts.some((m) => left.includes(m)),
        `the newest is not in ${left}`,
      );
    if (certain && !redis) assert.ok(left.includes(AT_ONCE - 1));
    const gone = tokens.filter((_, m) => !left.includes(m));
    if (gone.length > 0) await assertAllGone(track, ownerId, gone);
    await assertTidy(
      track,
      ownerId,
      left.map((m) => tokens[m]),
    );
  },

  async 'maxSessions with creates of one duration at once leaves the newest of each instance'(
    track,
    n,
  ) {
    const { a, b, app, certain } = track;
    const ownerId = `owner ${n}`;
    const most = 1 + (n % 10);
    const duration = n % 4 < 2 ? 600 : Infinity;
    const create = (sessions) => (m) =>
      sessions.create({ app, ownerId, data: { m }, duration, maxSessions: most });
    const createAll = (sessions) => () => Promise.all(times(12, create(sessions)));
    const tokens = (await Promise.all(inTurn(n, createAll(a), createAll(b)))).flat();
    const listed = await b.list({ app, ownerId });
    assert.equal(listed.length, most);
    const left = tokens.map(idOf).map((id) => listed.find((session) => session.id === id));
    if (certain) assert.ok(left[11] || left[23], 'the newest is there');
    for (const half of [left.slice(0, 12), left.slice(12)]) {
      // Of those that are older than one that has ended, all were created in the same ms as it.
      const older = half.slice(0, half.lastIndexOf(undefined) + 1).filter(Boolean);
      const spread = Number(older.at(-1)?.createdAt) - Number(older[0]?.createdAt);
      if (certain && older.length > 0) assert.equal(spread, 0, 'the older ones end first');
    }
    const there = tokens.filter((_, m) => left[m]);
    await assertTidy(track, ownerId, there, { endless: duration === Infinity });
    assert.equal(await a.killAll({ app, ownerId }), true);
  },

  async 'a kill during a use of a sliding session ends it, and the extension brings nothing back'(
    track,
    n,
  ) {
    const { a, b, app, outcomes } = track;
    const ownerId = `owner ${n}`;
    const [token, witness] = await createDue(track, ownerId, 2);
    const use = () => Promise.all([token, witness].map((each) => a.get({ app, token: each })));
    const kill = () =>
      [
        () => b.kill({ app, token }),
        () => b.kill({ app, ownerId, id: idOf(token) }),
        () => b.killAll({ app, ownerId, except: witness }),
      ][n % 3]();
    const [[found], killed] = await Promise.all(inTurn(n >> 1, use, kill));
    assert.equal(killed, true);
    outcomes.add(found ? 'used' : 'killed first');
    await assertGone(track, ownerId, [token]);
    await extended(track, witness);
    await assertGone(track, ownerId, [token]);
    await assertTidy(track, ownerId, [witness]);
  },

  async 'a rotation during a use of a sliding session leaves nothing of the old token'(track, n) {
    const { a, b, app, outcomes } = track;
    const ownerId = `owner ${n}`;
    const [token, witness] = await createDue(track, ownerId, 2);
    const use = () => Promise.all([token, witness].map((each) => a.get({ app, token: each })));
    const [[found], fresh] = await Promise.all(inTurn(n, use, () => b.rotate({ app, token })));
    outcomes.add(found ? 'used' : 'rotated first');
    await extended(track, witness);
    await assertGone(track, ownerId, [token]);
    await assertAlive(track, ownerId, fresh);
    await extended(track, fresh);
    await assertTidy(track, ownerId, [fresh, witness]);
  },

  async 'no session outlives its lifetime by a millisecond, whatever uses and refreshes it'(
    track,
    n,
  ) {
    const { a, b, app, redis, outcomes } = track;
    const ownerId = `owner ${n}`;
    const [duration, lifetime] = [SHORT / 1000, (3 * SHORT) / 1000];
    const token = await a.create({ app, ownerId, data: DATA, duration, lifetime, sliding: true });
    const begun = await b.info({ app, token });
    if (!begun) return; // the machine was too busy
    const endsAt = Number(begun.createdAt) + 3 * SHORT;
    let last = Number(begun.expiresAt);
    const meet = (expiry, what) => {
      assert.ok(expiry <= endsAt, `${what} ${expiry} is ${expiry - endsAt} ms too late`);
      if (expiry > last) outcomes.add('extended');
      if (expiry === endsAt) outcomes.add('at the end of its lifetime');
      last = expiry;
    };
    const uses = [
      () => a.get({ app, token }),
      () => b.get({ app, token }),
      () => b.update({ app, token, data: { n } }),
      // It is refreshed in every second race, because then there is nothing left to slide.
      () => (n % 2 ? a.refresh({ app, token, duration: Infinity }) : a.get({ app, token })),
    ];
    const useAll = async () => {
      const used = Promise.all(uses.map((use) => use()));
      const info = await b.info({ app, token });
      if (info) meet(Number(info.expiresAt ?? Infinity), 'the end');
      if (redis) {
        const [member] = (await readIndex(track, ownerId)).members;
        if (member) meet(member.score, 'the score');
        if (member) assert.notEqual(member.expiry, -1, 'it never ends');
      }
      return (await used).every((answer) => !answer);
    };
    await waitUntil(useAll, 'the session to end');
    await assertGone(track, ownerId, [token]);
  },
};

module.exports = { RACES };
