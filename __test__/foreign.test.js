'use strict';

// Sessions whose token was not made by `create`: every method works on them, as on others.

const assert = require('node:assert/strict');
const { createHash, randomBytes } = require('node:crypto');
const { before, describe, test } = require('node:test');
const foreign = require('../lib/foreign.js');
const { forEachTarget, freshName } = require('./support/targets.js');
const { waitUntil } = require('./support/wait-until.js');
const { rejection } = require('./support/rejection.js');

const ownerId = 'alice';
const durationMs = 600_000;

/** Tokens of other systems. */
const FORMS = [
  ['base64url of a hash', () => createHash('sha256').update(randomBytes(8)).digest('base64url')],
  ['base64', () => randomBytes(128).toString('base64')],
  ['hex', () => randomBytes(16).toString('hex')],
  ['latin1', () => randomBytes(20).toString('latin1')],
  ['a UUID', () => crypto.randomUUID()],
  ['a text of 16 characters', () => randomBytes(4).toString('hex').padEnd(16, '*')],
];
const newToken = FORMS[0][1];

forEachTarget((target, open) => {
  let sessions;
  let redis;
  before(() => {
    ({ sessions, redis } = open());
  });

  const create = async (app, more = {}) => {
    const token = newToken();
    const session = { app, token, ownerId, data: { a: 1 }, durationMs, replace: false, ...more };
    assert.equal(await foreign.create(sessions, session), true);
    return session.token;
  };
  /** Every method, with a token that opens nothing. */
  async function assertOpensNothing(app, token) {
    assert.equal(await sessions.get({ app, token }), undefined);
    assert.equal(await sessions.info({ app, token }), undefined);
    assert.equal(await foreign.load(sessions, { app, token }), undefined);
    assert.equal(await sessions.rotate({ app, token }), undefined);
    assert.equal(await sessions.refresh({ app, token, duration: 600 }), false);
    assert.equal(await sessions.update({ app, token, data: { a: 2 } }), false);
    assert.equal(await foreign.update(sessions, { app, token, set: {}, deleted: [] }), false);
    assert.equal(await sessions.kill({ app, token }), false);
  }

  describe('a session with a token from elsewhere', () => {
    for (const [label, make] of FORMS) {
      test(`is found by ${label}`, async () => {
        const app = freshName();
        const token = await create(app, { token: make() });
        assert.deepEqual(await sessions.get({ app, token }), { ownerId, data: { a: 1 } });
      });
    }

    test('is not made of a token that is too short', async () => {
      const [app, data] = [freshName(), {}];
      const session = { app, token: 'short', ownerId, data, durationMs, replace: false };
      assert.equal(await foreign.create(sessions, session), undefined);
      assert.deepEqual(await sessions.list({ app, ownerId }), []);
    });

    test('is described by info, list and load in the same way', async () => {
      const app = freshName();
      const token = await create(app);
      const { ownerId: owner, ...described } = await sessions.info({ app, token });
      assert.equal(owner, ownerId);
      assert.match(described.id, /^[\w-]{28}$/);
      assert.deepEqual(Reflect.ownKeys(described), ['id', 'data', 'createdAt', 'expiresAt']);
      assert.ok(Math.abs(described.expiresAt - described.createdAt - durationMs) <= 1);
      assert.deepEqual(await sessions.list({ app, ownerId }), [{ ...described, current: false }]);
      const [current] = await sessions.list({ app, ownerId, token });
      assert.deepEqual(Reflect.ownKeys(current), [...Reflect.ownKeys(described), 'current']);
      assert.equal(current.current, true);
      const { id: _, ...loaded } = described;
      assert.deepEqual(await foreign.load(sessions, { app, token }), { ...loaded, ownerId });
    });

    test('is in one list with sessions of create', async () => {
      const app = freshName();
      const token = await create(app);
      await sessions.create({ app, ownerId, data: { own: true }, duration: 60 });
      await create(app, { ownerId: 'bob' });
      const listed = await sessions.list({ app, ownerId, token });
      assert.equal(listed.length, 2);
      assert.deepEqual(listed.map(({ current }) => current).sort(), [false, true]);
      const [longest, ...others] = await sessions.list({ app, ownerId, limit: 1 });
      assert.deepEqual([longest.data, others], [{ a: 1 }, []]);
    });

    test('keeps null as a value, and loses the keys that are deleted', async () => {
      const app = freshName();
      const token = await create(app, { data: { a: 1, b: null, c: { d: null } } });
      const patch = { set: { e: null, 'ké"y': 2, a: [null] }, deleted: ['b'] };
      assert.equal(await foreign.update(sessions, { app, token, ...patch }), true);
      const data = { a: [null], c: { d: null }, e: null, 'ké"y': 2 };
      assert.deepEqual((await foreign.load(sessions, { app, token })).data, data);
      // An update of the public method deletes what is null.
      await sessions.update({ app, token, data: { e: null, f: 1 } });
      const { e: _, ...rest } = data;
      assert.deepEqual((await sessions.get({ app, token })).data, { ...rest, f: 1 });
      await foreign.update(sessions, { app, token, set: {}, deleted: ['ké"y', 'nothing'] });
      const { 'ké"y': __, ...left } = rest;
      assert.deepEqual((await sessions.get({ app, token })).data, { ...left, f: 1 });
    });

    test('keeps null when its patches are folded', async () => {
      const app = freshName();
      const token = await create(app, { data: { kept: null } });
      for (let n = 0; n < 200; n++) {
        const set = { [`k${n % 7}`]: n % 2 ? null : 'x'.repeat(100) };
        await foreign.update(sessions, { app, token, set, deleted: [`k${(n + 3) % 7}`] });
      }
      const { data } = await foreign.load(sessions, { app, token });
      assert.equal(data.kept, null);
      assert.equal(Object.keys(data).length, 1 + 4);
    });

    test('is ended by its token, by its id, and by killAll', async () => {
      const app = freshName();
      const [first, second, third, fourth] = await Promise.all([1, 2, 3, 4].map(() => create(app)));
      const { id } = await sessions.info({ app, token: second });
      assert.equal(await sessions.kill({ app, token: first }), true);
      await assertOpensNothing(app, first);
      assert.equal(await sessions.kill({ app, ownerId: 'bob', id }), false);
      assert.equal(await sessions.kill({ app, ownerId, id }), true);
      assert.equal(await sessions.kill({ app, ownerId, id }), false);
      await assertOpensNothing(app, second);
      assert.equal((await sessions.list({ app, ownerId })).length, 2);
      assert.equal(await sessions.killAll({ app, ownerId, except: third }), true);
      await assertOpensNothing(app, fourth);
      assert.deepEqual((await sessions.get({ app, token: third })).data, { a: 1 });
      assert.equal(await sessions.killAll({ app, ownerId }), true);
      await assertOpensNothing(app, third);
      assert.equal(await sessions.killAll({ app, ownerId }), false);
    });

    test('leaves nothing behind in Redis when it has ended', {
      skip: target === 'memory' && 'memory: has no keys',
    }, async () => {
      const app = freshName();
      const [first, second] = [await create(app), await create(app)];
      await sessions.kill({ app, token: first });
      await sessions.killAll({ app, ownerId });
      await waitUntil(async () => (await redis.keys(`*${app}*`)).length === 0, 'no key is left');
      await assertOpensNothing(app, second);
    });

    test('is rotated within its route', async () => {
      const app = freshName();
      const token = await create(app);
      const before = await sessions.info({ app, token });
      const fresh = await sessions.rotate({ app, token });
      assert.equal(typeof fresh, 'string');
      await assertOpensNothing(app, token);
      const after = await sessions.info({ app, token: fresh });
      assert.notEqual(after.id, before.id);
      assert.deepEqual({ ...after, id: '' }, { ...before, id: '' });
      const listed = await sessions.list({ app, ownerId, token: fresh });
      assert.deepEqual(
        listed.map(({ id, current }) => [id, current]),
        [[after.id, true]],
      );
      assert.equal(await sessions.kill({ app, ownerId, id: before.id }), false);
      const again = await sessions.rotate({ app, token: fresh });
      assert.equal(await sessions.killAll({ app, ownerId }), true);
      await assertOpensNothing(app, again);
    });

    test('is refreshed, also for ever and back', async () => {
      const app = freshName();
      const token = await create(app);
      for (const duration of [60, 6000, Infinity, 60, 10 ** 11]) {
        assert.equal(await sessions.refresh({ app, token, duration }), true);
        const { createdAt, expiresAt } = await sessions.info({ app, token });
        if (duration === Infinity) assert.equal(expiresAt, undefined);
        else assert.ok(expiresAt - createdAt >= duration * 1000, `${duration} s`);
        assert.equal((await sessions.list({ app, ownerId })).length, 1);
      }
      assert.equal(await sessions.killAll({ app, ownerId }), true);
      await assertOpensNothing(app, token);
    });

    test('ends at a time, however long its create takes, if that is before its duration ends', async () => {
      const app = freshName();
      const [now, lifetime] = [Date.now(), 3600];
      const endOf = async (more) => {
        const token = await create(app, more);
        return (await foreign.load(sessions, { app, token })).expiresAt?.getTime();
      };
      assert.equal(await endOf({ notAfter: now + 500_000 }), now + 500_000);
      assert.equal(await endOf({ durationMs: Infinity, notAfter: now + 500_000 }), now + 500_000);
      assert.ok((await endOf({ notAfter: now + 5_000_000 })) < now + 4_000_000);
      assert.ok((await endOf({ notAfter: 10 ** 14 })) < now + 4_000_000);
      const limited = open({ lifetime }).sessions;
      const token = newToken();
      const session = {
        app,
        token,
        ownerId,
        data: {},
        durationMs: 10 ** 8,
        notAfter: now + 10 ** 8,
      };
      await foreign.create(limited, { ...session, replace: false });
      const { createdAt, expiresAt } = await foreign.load(limited, { app, token });
      assert.equal(expiresAt - createdAt, lifetime * 1000);
    });

    test('takes the place of another one only if that is asked for', async () => {
      const app = freshName();
      const token = await create(app);
      const other = { app, token, ownerId: 'bob', data: { b: 2 }, durationMs };
      assert.equal(await foreign.create(sessions, { ...other, replace: false }), false);
      assert.deepEqual(await sessions.get({ app, token }), { ownerId, data: { a: 1 } });
      assert.equal(await foreign.create(sessions, { ...other, replace: true }), true);
      assert.deepEqual(await sessions.get({ app, token }), { ownerId: 'bob', data: { b: 2 } });
      assert.deepEqual(await sessions.list({ app, ownerId }), []);
      assert.equal(await sessions.killAll({ app, ownerId }), false);
      assert.equal((await sessions.list({ app, ownerId: 'bob' })).length, 1);
    });

    test('is not written with data beyond maxDataSize', async () => {
      const app = freshName();
      const data = { text: 'x'.repeat(2 ** 20) };
      const session = { app, token: newToken(), ownerId, data, durationMs, replace: false };
      assert.equal(
        (await rejection(() => foreign.create(sessions, session))).code,
        'ERR_OUT_OF_RANGE',
      );
      const token = await create(app);
      const patch = { app, token, set: data, deleted: [] };
      assert.equal(
        (await rejection(() => foreign.update(sessions, patch))).code,
        'ERR_OUT_OF_RANGE',
      );
    });
  });

  describe('a session without an owner', () => {
    test('is seen by load alone', async () => {
      const app = freshName();
      const token = await create(app, { ownerId: undefined });
      assert.equal(await sessions.get({ app, token }), undefined);
      assert.equal(await sessions.info({ app, token }), undefined);
      const loaded = await foreign.load(sessions, { app, token });
      assert.equal(loaded.ownerId, undefined);
      assert.deepEqual(loaded.data, { a: 1 });
      assert.equal(await foreign.refresh(sessions, { app, token, durationMs: 60_000 }), true);
      const fresh = await sessions.rotate({ app, token });
      await assertOpensNothing(app, token);
      assert.equal(await sessions.kill({ app, token: fresh }), true);
    });

    test('gets one by a claim, and another one, and none', async () => {
      const app = freshName();
      const token = await create(app, { ownerId: undefined });
      const { createdAt, expiresAt } = await foreign.load(sessions, { app, token });
      const claim = (before, after, set = {}, deleted = []) =>
        foreign.claim(sessions, { app, token, before, after, set, deleted, durationMs });
      assert.equal(await claim('bob', 'carol'), false);
      assert.equal(await claim(undefined, ownerId, { b: null }, ['a']), true);
      assert.deepEqual(await sessions.get({ app, token }), { ownerId, data: { b: null } });
      const [listed, ...others] = await sessions.list({ app, ownerId });
      assert.deepEqual(others, []);
      assert.deepEqual([listed.createdAt, listed.expiresAt], [createdAt, expiresAt]);
      assert.equal(await claim(undefined, 'carol'), false);
      assert.equal(await claim(ownerId, 'bob'), true);
      assert.deepEqual(await sessions.list({ app, ownerId }), []);
      assert.equal((await sessions.list({ app, ownerId: 'bob' })).length, 1);
      assert.equal(await sessions.killAll({ app, ownerId }), false);
      assert.equal(await claim('bob', undefined), true);
      assert.equal(await sessions.killAll({ app, ownerId: 'bob' }), false);
      assert.deepEqual((await foreign.load(sessions, { app, token })).data, { b: null });
      assert.equal(await sessions.kill({ app, token }), true);
      assert.equal(await claim(undefined, 'bob'), false);
    });

    test('keeps the end of its lifetime when it is claimed, however often it is refreshed', async () => {
      const app = freshName();
      const token = newToken();
      const limited = open({ lifetime: 3600 }).sessions;
      const session = { app, token, ownerId: undefined, data: {}, durationMs, replace: false };
      assert.equal(await foreign.create(limited, session), true);
      const address = { app, token, durationMs: 7_200_000 };
      const patch = { set: {}, deleted: [] };
      const claim = { ...address, ...patch, before: undefined, after: ownerId };
      assert.equal(await foreign.claim(limited, claim), true);
      assert.equal(await foreign.refresh(limited, address), true);
      const { createdAt, expiresAt } = await foreign.load(limited, { app, token });
      assert.equal(expiresAt - createdAt, 3_600_000);
    });

    test('is claimed when its record is full of patches', async () => {
      const app = freshName();
      const small = open({ maxDataSize: 1024 }).sessions;
      const token = newToken();
      await foreign.create(small, { app, token, data: {}, durationMs, replace: false });
      const set = { text: 'x'.repeat(900) };
      for (let n = 0; n < 2; n++) await foreign.update(small, { app, token, set, deleted: [] });
      const claim = { app, token, before: undefined, after: ownerId, deleted: [], durationMs };
      assert.equal(await foreign.claim(small, { ...claim, set: { b: 'x'.repeat(900) } }), true);
      assert.equal((await small.get({ app, token })).data.b.length, 900);
      const full = { ...claim, before: ownerId, after: 'bob', set: { c: 'x'.repeat(900) } };
      const error = await rejection(() => foreign.claim(small, full));
      assert.equal(error.code, 'ERR_SESSIONS_TOO_LARGE');
      assert.equal((await small.get({ app, token })).ownerId, ownerId);
    });
  });

  describe('the constructor', () => {
    test("'s lifetime ends a session whatever happens", async () => {
      const app = freshName();
      const limited = open({ lifetime: 60 }).sessions;
      const token = newToken();
      const session = { app, token, ownerId, data: {}, durationMs: 30_000, replace: false };
      await foreign.create(limited, session);
      await limited.refresh({ app, token, duration: Infinity });
      const { createdAt, expiresAt } = await limited.info({ app, token });
      assert.ok(Math.abs(expiresAt - createdAt - 60_000) <= 1);
    });

    test("'s maxSessions ends those that would end soonest, never the new one", async () => {
      const app = freshName();
      const limited = open({ maxSessions: 3 }).sessions;
      const make = (more) =>
        foreign.create(limited, {
          app,
          token: newToken(),
          ownerId,
          data: {},
          replace: false,
          ...more,
        });
      for (let n = 0; n < 5; n++) await make({ data: { n }, durationMs: 60_000 * (9 - n) });
      const listed = await limited.list({ app, ownerId });
      assert.deepEqual(listed.map(({ data }) => data.n).sort(), [0, 1, 4]);
      const token = newToken();
      const anonymous = { app, token, data: { n: 5 }, durationMs, replace: false };
      await foreign.create(limited, anonymous);
      const claim = { app, token, before: undefined, after: ownerId, set: {}, deleted: [] };
      await foreign.claim(limited, { ...claim, durationMs });
      const after = await limited.list({ app, ownerId });
      assert.deepEqual(after.map(({ data }) => data.n).sort(), [0, 1, 5]);
    });

    test("'s maxSessions holds when many log in at once", async () => {
      const app = freshName();
      const limited = open({ maxSessions: 3 }).sessions;
      const creates = Array.from({ length: 20 }, (_, n) =>
        foreign.create(limited, {
          app,
          token: newToken(),
          ownerId,
          data: { n },
          durationMs,
          replace: false,
        }),
      );
      await Promise.all(creates);
      assert.equal((await limited.list({ app, ownerId })).length, 3);
    });
  });
});
