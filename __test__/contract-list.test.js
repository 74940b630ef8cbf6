'use strict';

// `list`: which sessions of an owner it shows, in which order, and how many.

const assert = require('node:assert/strict');
const { before, describe, test } = require('node:test');
const { idOf, ownersOnOneRoute } = require('./support/keys.js');
const { rejection } = require('./support/rejection.js');
const { forEachTarget, freshName } = require('./support/targets.js');
const { waitUntil } = require('./support/wait-until.js');

const MIB = 2 ** 20;
const ownerId = 'alice';
const idsOf = (listed) => listed.map(({ id }) => id);

/** The order of a list: the newest first, then by id. */
const inOrder = (one, other) => other.createdAt - one.createdAt || (one.id < other.id ? -1 : 1);

forEachTarget((_target, open) => {
  let sessions;
  before(() => {
    ({ sessions } = open());
  });

  const create = (app, more = {}) =>
    sessions.create({ app, ownerId, data: {}, duration: 600, ...more });
  const createMany = (app, count, more) =>
    Promise.all(Array.from({ length: count }, (_, n) => create(app, more?.(n))));

  /** A session that is later than the others by the server's clock. */
  async function createLater(app) {
    const [newest] = await sessions.list({ app, ownerId, limit: 1000 });
    return waitUntil(async () => {
      const token = await create(app);
      const { createdAt } = await sessions.info({ app, token });
      if (newest === undefined || createdAt > newest.createdAt) return token;
      await sessions.kill({ app, token });
    }, 'a later millisecond');
  }

  describe('list', () => {
    test('resolves to exactly id, data, createdAt, expiresAt and current of each session, in this order', async () => {
      const app = freshName();
      const token = await create(app, { data: { name: 'Zoë' } });
      const [session, ...others] = await sessions.list({ app, ownerId });
      assert.deepEqual(others, []);
      const names = ['id', 'data', 'createdAt', 'expiresAt', 'current'];
      assert.deepEqual(Reflect.ownKeys(session), names);
      assert.equal(Object.getPrototypeOf(session), Object.prototype);
      assert.equal(session.id, idOf(token));
      assert.deepEqual(session.data, { name: 'Zoë' });
      assert.ok(session.createdAt instanceof Date && session.expiresAt instanceof Date);
      assert.equal(session.expiresAt - session.createdAt, 600_000);
      assert.equal(session.current, false);
      const { createdAt } = await sessions.info({ app, token });
      assert.deepEqual(session.createdAt, createdAt);
    });

    test('has an expiresAt that is undefined for a session that never expires', async () => {
      const app = freshName();
      await create(app, { duration: Infinity });
      const [session] = await sessions.list({ app, ownerId });
      assert.ok('expiresAt' in session);
      assert.equal(session.expiresAt, undefined);
    });

    test('of an owner without sessions is an empty array', async () => {
      const app = freshName();
      assert.deepEqual(await sessions.list({ app, ownerId }), []);
      const token = await create(app);
      await sessions.kill({ app, token });
      assert.deepEqual(await sessions.list({ app, ownerId }), []);
    });

    test('shows the newest session first', async () => {
      const app = freshName();
      const tokens = [];
      for (let n = 0; n < 5; n++) tokens.push(await createLater(app));
      const oldestFirst = tokens.map(idOf);
      assert.deepEqual(idsOf(await sessions.list({ app, ownerId })), oldestFirst.toReversed());
      // The expiry does not matter.
      await sessions.refresh({ app, token: tokens[2], duration: 6000 });
      await sessions.refresh({ app, token: tokens[4], duration: 60 });
      assert.deepEqual(idsOf(await sessions.list({ app, ownerId })), oldestFirst.toReversed());
    });

    test('orders sessions of the same millisecond by id', async () => {
      const app = freshName();
      const tokens = await createMany(app, 60);
      const listed = await sessions.list({ app, ownerId });
      const times = new Set(listed.map(({ createdAt }) => createdAt.getTime()));
      assert.ok(times.size < 60, 'some were created in the same millisecond');
      assert.deepEqual(idsOf(listed), idsOf(listed.toSorted(inOrder)));
      assert.deepEqual(new Set(idsOf(listed)), new Set(tokens.map(idOf)));
    });

    test('keeps those that end last if there are more than the limit', async () => {
      const app = freshName();
      const durations = [100, 600, 300, Infinity, 200, 500, 400];
      const tokens = await createMany(app, durations.length, (n) => ({ duration: durations[n] }));
      const lasting = [3, 1, 5, 6, 2, 4, 0].map((n) => idOf(tokens[n]));
      for (let limit = 1; limit <= 10; limit++) {
        const listed = await sessions.list({ app, ownerId, limit });
        assert.deepEqual(new Set(idsOf(listed)), new Set(lasting.slice(0, limit)));
        assert.deepEqual(listed, listed.toSorted(inOrder));
      }
      await sessions.refresh({ app, token: tokens[3], duration: 50 });
      const [first] = await sessions.list({ app, ownerId, limit: 1 });
      assert.equal(first.id, lasting[1]);
    });

    test('has a limit of 100 if none is given, and of 1000 at most', async () => {
      const app = freshName();
      const tokens = await createMany(app, 1010, (n) => ({ data: { n }, duration: 600 + n }));
      const byDefault = await sessions.list({ app, ownerId });
      assert.equal(byDefault.length, 100);
      assert.deepEqual(await sessions.list({ app, ownerId, limit: undefined }), byDefault);
      const most = await sessions.list({ app, ownerId, limit: 1000 });
      assert.equal(most.length, 1000);
      for (const { id, data } of most) assert.equal(id, idOf(tokens[data.n]));
      assert.equal(new Set(idsOf(most)).size, 1000);
      assert.deepEqual(most, most.toSorted(inOrder));
      // A batch of creates is not one moment, so the last ten to end are certain, and the others nearly.
      const ends = most.map(({ expiresAt }) => expiresAt.getTime());
      assert.ok(
        byDefault.every(({ expiresAt }) => ends.filter((end) => end > expiresAt).length < 100),
      );
      assert.equal(
        (await rejection(() => sessions.list({ app, ownerId, limit: 1001 }))).name,
        'RangeError',
      );
    });

    test('marks the session whose token was given as current, and no other', async () => {
      const app = freshName();
      const tokens = await createMany(app, 5);
      for (const token of tokens) {
        const listed = await sessions.list({ app, ownerId, token });
        const current = listed.filter((session) => session.current === true);
        assert.deepEqual(idsOf(current), [idOf(token)]);
        assert.equal(listed.filter((session) => session.current === false).length, 4);
      }
      const bobs = await create(app, { ownerId: 'bob' });
      for (const token of [undefined, null, '', 'no token', bobs, 'x'.repeat(5000)]) {
        const listed = await sessions.list({ app, ownerId, token });
        assert.deepEqual(new Set(listed.map(({ current }) => current)), new Set([false]));
        assert.equal(listed.length, 5);
      }
    });

    test('shows no session of another owner or of another app', async () => {
      const app = freshName();
      const other = freshName();
      const [one, near] = ownersOnOneRoute(app);
      const token = await create(app, { ownerId: one });
      await Promise.all([
        create(app, { ownerId: near }),
        create(other, { ownerId: one }),
        create(app, { ownerId: `${one}x` }),
        create(`${app}x`, { ownerId: one }),
      ]);
      assert.deepEqual(idsOf(await sessions.list({ app, ownerId: one })), [idOf(token)]);
    });

    test('shows no session that was killed or has expired', async () => {
      const app = freshName();
      const [killed, kept] = await createMany(app, 2);
      const short = await create(app, { duration: 0.02 });
      await sessions.kill({ app, token: killed });
      await waitUntil(async () => !(await sessions.get({ app, token: short })), 'it to expire');
      assert.deepEqual(idsOf(await sessions.list({ app, ownerId })), [idOf(kept)]);
      assert.equal(await sessions.killAll({ app, ownerId }), true);
      assert.deepEqual(await sessions.list({ app, ownerId }), []);
    });

    test('shows updates, in records of several lines', async () => {
      const app = freshName();
      const [token, other] = await createMany(app, 2);
      for (let n = 0; n < 5; n++) await sessions.update({ app, token, data: { [`k${n}`]: n } });
      const listed = await sessions.list({ app, ownerId });
      const dataOf = (id) => listed.find((session) => session.id === id).data;
      assert.deepEqual(dataOf(idOf(token)), { k0: 0, k1: 1, k2: 2, k3: 3, k4: 4 });
      assert.deepEqual(dataOf(idOf(other)), {});
    });

    test('takes an owner that is a number, as create does', async () => {
      const app = freshName();
      const token = await create(app, { ownerId: 42 });
      for (const same of [42, '42', 42n])
        assert.deepEqual(idsOf(await sessions.list({ app, ownerId: same })), [idOf(token)]);
    });
  });

  describe('list of large records', () => {
    let patient;
    before(() => {
      ({ sessions: patient } = open({ commandTimeout: 60_000, maxDataSize: 8 * MIB }));
    });
    const createLarge = (app, bytes, n = 0) => {
      const text = `${n} `.padEnd(bytes - 20, String.fromCharCode(97 + (n % 26)));
      return patient.create({ app, ownerId, data: { n, text }, duration: 600 });
    };
    const assertWhole = (listed, tokens, bytes, numbers = [...tokens.keys()]) => {
      const expected = numbers.map((n) => idOf(tokens[n]));
      assert.deepEqual(new Set(idsOf(listed)), new Set(expected));
      for (const { id, data } of listed) {
        assert.equal(id, idOf(tokens[data.n]));
        const letter = String.fromCharCode(97 + (data.n % 26));
        assert.ok(data.text === `${data.n} `.padEnd(bytes - 20, letter), `${data.n} is mixed up`);
      }
    };

    test('of 5 MiB together is complete, and no record is mixed up', async () => {
      const app = freshName();
      const bytes = 100 * 1024;
      const numbers = Array.from({ length: 50 }, (_, n) => n);
      const tokens = await Promise.all(numbers.map((n) => createLarge(app, bytes, n)));
      const [listed, again] = await Promise.all([
        patient.list({ app, ownerId, limit: 1000 }),
        patient.list({ app, ownerId }),
      ]);
      assertWhole(listed, tokens, bytes);
      assert.deepEqual(again, listed);
      assert.deepEqual(listed, listed.toSorted(inOrder));
    });

    test('of more than 16 MiB together rejects and names limit, and a smaller limit works', async () => {
      const app = freshName();
      const bytes = 4 * MIB - 1000;
      const tokens = [];
      for (let n = 0; n < 4; n++) tokens.push(await createLarge(app, bytes, n));
      assertWhole(await patient.list({ app, ownerId }), tokens, bytes);
      tokens.push(await createLarge(app, bytes, 4));
      const [tooLarge, fits, neighbour] = await Promise.allSettled([
        patient.list({ app, ownerId }),
        patient.list({ app, ownerId, limit: 4 }),
        patient.list({ app, ownerId: 'bob' }),
      ]);
      assert.equal(tooLarge.reason?.code, 'ERR_SESSIONS_TOO_LARGE');
      assert.match(tooLarge.reason.message, /`limit`/);
      assertWhole(fits.value, tokens, bytes, [1, 2, 3, 4]);
      assert.deepEqual(neighbour.value, []);
      await patient.killAll({ app, ownerId });
    });
  });
});
