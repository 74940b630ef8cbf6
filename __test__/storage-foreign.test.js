'use strict';

// Sessions whose token was not made for their owner: how they lie in Redis.

const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const { describe, test } = require('node:test');
const foreign = require('../lib/foreign.js');
const { partsOf } = require('../lib/operations.js');
const { stepByStep } = require('./support/foreign-steps.js');
const { addressOf, foreignKey, ownerHash, pointersKey } = require('./support/keys.js');
const { freshName, onRedis } = require('./support/targets.js');
const { waitUntil } = require('./support/wait-until.js');

const ownerId = 'alice';
const durationMs = 600_000;
const HOUR = 3_600_000;

/** @param {string} score as Redis writes it */
const numberOf = (score) => Number(score.replace('inf', 'Infinity'));
/** Until when a pointer is kept that never ends. Its score is later. */
const FOREVER = 9999999999999;

onRedis((open) => {
  /** An app of its own, and how its sessions are made. */
  function fresh(options) {
    const { sessions, redis } = open(options);
    const app = freshName();
    const create = async (more) => {
      const token = randomBytes(32).toString('base64url');
      const session = { app, token, ownerId, data: { a: 1 }, durationMs, replace: false, ...more };
      assert.equal(await foreign.create(sessions, session), true);
      return session.token;
    };
    const lineOf = async (token) => (await redis.get(foreignKey(app, token))).split('\n')[0];
    const aboutOf = async (token) => JSON.parse(await lineOf(token));
    const claim = (token, before, after, more) => {
      const patch = { set: {}, deleted: [] };
      return foreign.claim(sessions, { app, token, before, after, ...patch, durationMs, ...more });
    };
    const pointers = pointersKey(app, ownerId);
    return { sessions, redis, app, create, claim, lineOf, aboutOf, pointers };
  }

  describe('a session with a token from elsewhere', () => {
    test('lies on the route of its token, and its pointer on that of its owner', async () => {
      const { redis, app, create, aboutOf, pointers } = fresh();
      const token = await create();
      const keys = await redis.keys(`spots:{*:${app}}:*`);
      assert.deepEqual(keys.sort(), [foreignKey(app, token), pointers].sort());
      const [line, ...lines] = (await redis.get(foreignKey(app, token))).split('\n');
      assert.deepEqual(lines, ['"alice"', '{"a":1}']);
      const { createdAt, nonce, until, ...about } = JSON.parse(line);
      const hash = ownerHash(app, ownerId);
      const owner = hash.toString('hex', 0, 4) + hash.subarray(4).toString('base64url');
      assert.deepEqual(about, { mark: addressOf(token).slice(0, 6), owner });
      assert.match(nonce, /^[0-9a-z]{18}$/);
      const [member, score] = await redis.zrange(pointers, 0, -1, 'WITHSCORES');
      assert.equal(member, addressOf(token) + nonce);
      // The pointer was made before the session, and once more after it.
      assert.ok(until <= createdAt + 2 * durationMs && score >= createdAt + 2 * durationMs);
      const again = await create({ token, replace: true });
      assert.notEqual((await aboutOf(again)).nonce, nonce);
    });

    test('has no pointer if nobody owns it', async () => {
      const { redis, app, create } = fresh();
      const token = await create({ ownerId: undefined });
      assert.deepEqual(await redis.keys(`spots:{*:${app}}:*`), [foreignKey(app, token)]);
      const [line, owner] = (await redis.get(foreignKey(app, token))).split('\n');
      assert.equal(owner, '""');
      assert.deepEqual(Object.keys(JSON.parse(line)), ['createdAt', 'mark', 'nonce']);
    });

    test('has a first line of less than 200 bytes, with all fields and the largest numbers', async () => {
      const { create, claim, lineOf } = fresh({ lifetime: 4e12 });
      const token = await create({ durationMs: Infinity, data: { a: 'x'.repeat(5000) } });
      await claim(token, ownerId, 'bob');
      const line = (await lineOf(token)).replace('"size":5008', '"size":1073741824');
      assert.match(line, /"until":9999999999999,"endsAt":\d{16}|"endsAt":\d{16}.*"until":9{13}/);
      assert.ok(line.length + ',"folds":'.length + 16 < 200, line);
    });

    test('is found and ended whatever its app, its owner, its data and its token are', async () => {
      const { sessions } = fresh();
      const texts = ['"', '\n', '{}', '\\', '":"', '","mark":"AAAAAA', '\ud800', '\u2028', '%d*?['];
      for (const text of texts) {
        const [app, owner] = [freshName() + text, `${text}\n"mark":"AAAAAA"${text}`];
        const token = `${text}\n"${text}é`.padEnd(40, text).replace(/[^\n-~]/g, 'ÿ');
        const data = { [text]: text, '"nonce":"0"': '\n"mark":"x"' };
        const session = { app, token, ownerId: owner, data, durationMs, replace: false };
        assert.equal(await foreign.create(sessions, session), true);
        const found = await foreign.load(sessions, { app, token });
        assert.deepEqual([found.ownerId, found.data], [owner, data]);
        const update = { app, token, set: { [text]: null }, deleted: ['"nonce":"0"', text + text] };
        assert.equal(await foreign.update(sessions, update), true);
        const renamed = {
          app,
          token,
          before: owner,
          after: text,
          set: {},
          deleted: [],
          durationMs,
        };
        assert.equal(await foreign.claim(sessions, renamed), true);
        assert.equal(await foreign.refresh(sessions, { app, token, durationMs: 9e6 }), true);
        const [listed] = await sessions.list({ app, ownerId: text, token });
        assert.deepEqual([listed.data, listed.current], [{ [text]: null }, true]);
        const rotated = await sessions.rotate({ app, token });
        assert.equal((await sessions.info({ app, token: rotated })).ownerId, text);
        assert.equal(await sessions.killAll({ app, ownerId: owner }), false);
        assert.equal(await sessions.killAll({ app, ownerId: text }), true);
        assert.equal(await foreign.load(sessions, { app, token: rotated }), undefined);
      }
    });

    test('cannot have a token that is empty or too long, and other calls of the batch are answered', async () => {
      const { sessions, app, create } = fresh();
      const other = await create();
      for (const token of ['', 'x'.repeat(5000), 'short']) {
        const session = { app, token, ownerId, data: {}, durationMs, replace: true };
        const claim = { before: undefined, after: ownerId, set: {}, deleted: [], durationMs };
        const [created, loaded, updated, refreshed, claimed, killed, found] = await Promise.all([
          foreign.create(sessions, session),
          foreign.load(sessions, { app, token }),
          foreign.update(sessions, { app, token, set: {}, deleted: [] }),
          foreign.refresh(sessions, { app, token, durationMs }),
          foreign.claim(sessions, { app, token, ...claim }),
          foreign.kill(sessions, { app, token }),
          foreign.load(sessions, { app, token: other }),
        ]);
        assert.deepEqual([created, loaded], [undefined, undefined]);
        assert.deepEqual([updated, refreshed, claimed, killed], [false, false, false, false]);
        assert.equal(found.ownerId, ownerId);
      }
    });
  });

  describe('a step that runs twice, because its reply was lost,', () => {
    test('finds the session that it has stored, moved or claimed', async () => {
      const { sessions, app, create, aboutOf } = fresh();
      const { boundary } = partsOf(sessions);
      const token = await create();
      const { nonce, until } = await aboutOf(token);
      const place = `${app}\n${token}`;
      const put = `${place}\n"alice"\n${nonce}\n${durationMs}\n\n0\n${until}\n0\n0`;
      assert.equal(await boundary.send('P', put, '{"a":2}'), true);
      assert.deepEqual((await sessions.get({ app, token })).data, { a: 1 });
      const claim = `${place}\n"alice"\n"bob"\nn1\n9999999999999`;
      for (let n = 0; n < 2; n++) assert.equal(await boundary.send('C', claim, '[{},[]]'), true);
      const { owner } = await aboutOf(token);
      const other = token.slice(0, 22) + randomBytes(16).toString('base64url');
      const move = `${place}\n${other}\n${owner}\nn1\n9999999999999`;
      for (let n = 0; n < 2; n++) assert.equal(await boundary.send('M', move), true);
      assert.equal((await sessions.get({ app, token: other })).ownerId, 'bob');
    });
  });

  describe('a session of another system that is taken over', () => {
    const json = '{"a":1}';

    /** What takes over the session of an old key. */
    async function old(given, { value = json, ttl = durationMs } = {}) {
      const { sessions, redis, app } = given;
      const [token, key] = [randomBytes(32).toString('base64url'), `old\n${freshName()}`];
      await redis.set(key, value);
      if (ttl > 0) await redis.pexpire(key, ttl);
      const about = { app, token, ownerId, data: { a: 1 }, key, json };
      const take = (more) => foreign.takeOver(sessions, { ...about, ...more });
      return { token, key, take };
    }

    /** Whether nothing was done: the old key is there, and no session and no pointer. */
    async function isUndone({ redis, app }, { key, token }) {
      const found = await redis.exists(key, foreignKey(app, token));
      return found === 1 && (await redis.exists(pointersKey(app, ownerId))) === 0;
    }

    test('lies like others, ends when it would have ended, and its old key is gone', async () => {
      for (const ttl of [durationMs, 2 ** 40]) {
        const given = fresh();
        const { redis, app, create, lineOf, pointers } = given;
        const { token, key, take } = await old(given, { ttl });
        const ends = await redis.pexpiretime(key);
        assert.equal(await take(), true);
        assert.equal(await redis.exists(key), 0);
        assert.equal(await redis.pexpiretime(foreignKey(app, token)), ends);
        const { nonce, until, createdAt } = JSON.parse(await lineOf(token));
        const [pointer, score] = await redis.zrange(pointers, 0, -1, 'WITHSCORES');
        assert.deepEqual([pointer, numberOf(score)], [addressOf(token) + nonce, until]);
        assert.equal(until, 2 * ends - createdAt);
        // It differs from one that was created only in its numbers.
        const form = async (any) =>
          (await redis.get(foreignKey(app, any))).replace(/[0-9a-z]{13,18}/g, '0');
        const formOf = async (any) => (await form(any)).replace(addressOf(any).slice(0, 6), 'mark');
        assert.equal(await formOf(token), await formOf(await create()));
      }
    });

    test('may belong to nobody, and end with its lifetime', async () => {
      const given = fresh({ lifetime: 60 });
      const { redis, app, aboutOf } = given;
      const { token, take } = await old(given);
      assert.equal(await take({ ownerId: undefined }), true);
      const { endsAt, createdAt, ...about } = await aboutOf(token);
      assert.deepEqual(Object.keys(about), ['mark', 'nonce']);
      assert.equal(endsAt, createdAt + 60_000);
      assert.equal(await redis.pexpiretime(foreignKey(app, token)), endsAt);
      assert.equal(await redis.exists(pointersKey(app, ownerId)), 0);
    });

    test('is left alone if its old key is not what was read, or does not expire', async () => {
      for (const state of [{ value: '{"a":2}' }, { value: ' {"a":1}' }, { ttl: 0 }]) {
        const given = fresh();
        const session = await old(given, state);
        assert.equal(await session.take(), false);
        assert.equal(await isUndone(given, session), true, JSON.stringify(state));
      }
      const given = fresh();
      const { redis } = given;
      const session = await old(given);
      await redis.del(session.key);
      assert.equal(await session.take(), false);
      await redis.rpush(session.key, json);
      await redis.pexpire(session.key, durationMs);
      assert.equal(await session.take(), false);
      assert.equal(await isUndone(given, session), true);
    });

    test('is left alone if it would be stored in other words, or no session can have its token', async () => {
      const given = fresh();
      const session = await old(given);
      assert.equal(await session.take({ data: { a: 1, b: 2 } }), false);
      assert.equal(await session.take({ token: 'short' }), false);
      assert.equal(await isUndone(given, session), true);
    });

    test('is left alone if its token opens a session, which stays as it is', async () => {
      const given = fresh();
      const { sessions, redis, app, create, pointers } = given;
      const { token, key, take } = await old(given);
      await create({ token, data: { b: 1 } });
      const members = await redis.zrange(pointers, 0, -1);
      assert.equal(await take(), false);
      assert.deepEqual(await redis.zrange(pointers, 0, -1), members);
      assert.equal(await redis.exists(key), 1);
      assert.deepEqual((await sessions.get({ app, token })).data, { b: 1 });
    });

    test('ends a surplus session of its owner', async () => {
      const given = fresh({ maxSessions: 2 });
      const { sessions, app, create } = given;
      for (let n = 0; n < 2; n++) await create({ durationMs: durationMs / 2 });
      const { token, take } = await old(given);
      assert.equal(await take(), true);
      const listed = await sessions.list({ app, ownerId, token });
      assert.deepEqual([listed.length, listed.some(({ current }) => current)], [2, true]);
    });
  });

  describe('the pointers of an owner', () => {
    test('name one session: killAll by one with another nonce leaves a later session alone', async () => {
      const { sessions, redis, app, create, pointers } = fresh();
      const token = await create();
      const [pointer] = await redis.zrange(pointers, 0, -1);
      await redis.zrem(pointers, pointer);
      await redis.zadd(pointers, '+inf', `${addressOf(token)}0`);
      assert.equal(await sessions.killAll({ app, ownerId }), false);
      assert.equal((await sessions.get({ app, token })).ownerId, ownerId);
      await redis.zadd(pointers, '+inf', pointer);
      assert.equal(await sessions.killAll({ app, ownerId }), true);
    });

    test('live an hour longer than the last one of them, and forever with a session that never ends', async () => {
      const { sessions, redis, app, create, pointers } = fresh();
      await create();
      const left = async () => [
        await redis.zrange(pointers, -1, -1, 'WITHSCORES'),
        await redis.time(),
        await redis.pttl(pointers),
      ];
      const [[, score], [seconds, micros], ttl] = await left();
      const now = seconds * 1000 + micros / 1000;
      assert.ok(ttl > 0 && Math.abs(now + ttl - score - Math.min(score - now, HOUR)) < durationMs);
      const endless = await create({ durationMs: Infinity });
      assert.ok((await redis.pttl(pointers)) > FOREVER - now);
      assert.ok((await redis.zrange(pointers, -1, -1, 'WITHSCORES'))[1] > FOREVER);
      await sessions.kill({ app, token: endless });
      await waitUntil(
        async () => (await redis.pttl(pointers)) < FOREVER - now,
        'the key to get its expiry back',
      );
    });

    test('are kept, and expire, if one comes late', async () => {
      const { sessions, redis, app, pointers } = fresh();
      const { boundary } = partsOf(sessions);
      const pointer = `${addressOf('A'.repeat(43))}nonce`;
      await boundary.send('T', [app, '"alice"', '', pointer, '1000000000000', 0].join('\n'));
      assert.equal(await redis.zcard(pointers), 1);
      assert.ok((await redis.pttl(pointers)) > 0);
    });

    test('lose those whose time has passed by an hour, and no others, when one is added', async () => {
      const { redis, create, pointers } = fresh();
      const [seconds] = await redis.time();
      const old = (n) => `${addressOf('A'.repeat(43))}old${n}`;
      for (let n = 0; n < 4; n++) {
        await redis.zadd(pointers, (seconds - 3600 + 120 * (n - 2) + 60) * 1000, old(n));
      }
      await create();
      const members = await redis.zrange(pointers, 0, -1);
      assert.deepEqual(members.slice(0, 2), [old(2), old(3)]);
      assert.equal(members.length, 3);
    });

    for (const [label, each] of [
      ['never expire', Infinity],
      ['expire', durationMs],
    ]) {
      test(`are all followed by killAll, also if they are 1,200 and ${label}`, async () => {
        const { sessions, app, create } = fresh();
        const creates = Array.from({ length: 1200 }, () => create({ durationMs: each }));
        const tokens = await Promise.all(creates);
        assert.equal(await sessions.killAll({ app, ownerId }), true);
        const found = await Promise.all(tokens.map((token) => sessions.get({ app, token })));
        assert.equal(found.filter(Boolean).length, 0);
      });
    }

    test('are all followed by killAll, also if they are 1,200 and kept equally long', async () => {
      const { sessions, redis, app, create, pointers } = fresh();
      const tokens = await Promise.all(Array.from({ length: 1200 }, () => create()));
      const all = await redis.zrange(pointers, 0, -1);
      await redis.zadd(pointers, ...all.flatMap((pointer) => [FOREVER, pointer]));
      assert.equal(await sessions.killAll({ app, ownerId }), true);
      const found = await Promise.all(tokens.map((token) => sessions.get({ app, token })));
      assert.equal(found.filter(Boolean).length, 0);
    });

    test('are read again by killAll if a rotation has moved a session meanwhile', async () => {
      const { sessions, app, create } = fresh();
      const token = await create();
      let moved;
      const stepped = stepByStep(sessions, async ({ letter }) => {
        if (letter === 'K') moved ??= await sessions.rotate({ app, token });
      });
      assert.equal(await stepped.killAll({ app, ownerId }), true);
      assert.equal(await sessions.get({ app, token: moved }), undefined);
    });

    test('are lengthened before their sessions: at each refresh half a duration is left between the two', async () => {
      const { sessions, redis, app, create, pointers } = fresh();
      const token = await create({ durationMs: 1000 });
      for (const ms of [1000, 60_000, 60_000, 10_000, 86_400_000, Infinity, 1000]) {
        assert.equal(await foreign.refresh(sessions, { app, token, durationMs: ms }), true);
        const [, score] = await redis.zrange(pointers, 0, -1, 'WITHSCORES');
        const { expiresAt } = await sessions.info({ app, token });
        if (ms === Infinity) assert.ok(numberOf(score) > FOREVER);
        else assert.ok(numberOf(score) - Number(expiresAt) >= ms / 2 - 1, `${ms}`);
      }
    });

    test('outlive a session that is claimed, whatever duration the claim says', async () => {
      for (const lived of [durationMs, Infinity]) {
        const { sessions, redis, app, create, claim, pointers } = fresh();
        const token = await create({ ownerId: undefined, durationMs: lived });
        assert.equal(await claim(token, undefined, ownerId, { durationMs: 1000 }), true);
        const [, score] = await redis.zrange(pointers, 0, -1, 'WITHSCORES');
        const { expiresAt } = await sessions.info({ app, token });
        assert.ok(numberOf(score) >= Number(expiresAt ?? FOREVER));
      }
    });
  });
});
