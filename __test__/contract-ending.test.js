'use strict';

// `kill` by id, and `killAll` with `except`: which sessions end, and which stay.

const assert = require('node:assert/strict');
const { before, describe, test } = require('node:test');
const { idOf, indexKey, ownersOnOneRoute, sessionKey } = require('./support/keys.js');
const { rejection } = require('./support/rejection.js');
const { forEachTarget, freshName, onRedis } = require('./support/targets.js');
const { TWISTS, twisted } = require('./support/twists.js');
const { waitUntil } = require('./support/wait-until.js');

const ownerId = 'alice';

forEachTarget((_target, open) => {
  let sessions;
  let redis;
  before(() => {
    ({ sessions, redis } = open());
  });

  const create = (app, more = {}) =>
    sessions.create({ app, ownerId, data: {}, duration: 600, ...more });
  const createMany = (app, count, more) =>
    Promise.all(Array.from({ length: count }, (_, n) => create(app, more?.(n))));
  const lives = async (app, token) => (await sessions.get({ app, token })) !== undefined;
  const alive = async (app, tokens) => {
    const found = await Promise.all(tokens.map((token) => lives(app, token)));
    return tokens.filter((_, n) => found[n]);
  };
  /** The ids of the owner's sessions, in any order. */
  const listed = async (app, owner = ownerId) => {
    const all = await sessions.list({ app, ownerId: owner, limit: 1000 });
    return new Set(all.map(({ id }) => id));
  };

  describe('kill by id', () => {
    test('ends the session with this id, and no other', async () => {
      const app = freshName();
      const [first, second, third] = await createMany(app, 3);
      const { id } = await sessions.info({ app, token: second });
      assert.equal(await sessions.kill({ app, ownerId, id }), true);
      assert.deepEqual(await alive(app, [first, second, third]), [first, third]);
      assert.deepEqual(await listed(app), new Set([first, third].map(idOf)));
      assert.equal(await sessions.kill({ app, ownerId, id }), false);
      assert.equal(await sessions.kill({ app, token: second }), false);
      assert.equal(await sessions.killAll({ app, ownerId }), true);
    });

    test('leaves nothing behind of the last session of an owner', async () => {
      const app = freshName();
      const token = await create(app);
      assert.equal(await sessions.kill({ app, ownerId, id: idOf(token) }), true);
      assert.equal(await sessions.killAll({ app, ownerId }), false);
      if (redis) assert.deepEqual(await redis.keys(`*${app}*`), []);
    });

    test('ends a session that never expires, one that slides, and one of an owner that is a number', async () => {
      const app = freshName();
      for (const more of [{ duration: Infinity }, { sliding: true }, { ownerId: 42 }]) {
        const token = await create(app, more);
        const request = { app, ownerId, ...more, id: idOf(token) };
        assert.equal(await sessions.kill({ app, ownerId: request.ownerId, id: request.id }), true);
        assert.equal(await lives(app, token), false);
      }
    });

    test("does nothing with another owner's id, or in another app", async () => {
      const app = freshName();
      const other = freshName();
      // Their hashes begin with the same four bytes, so their sessions share the beginning of the key.
      const [one, near] = ownersOnOneRoute(app);
      const token = await create(app, { ownerId: one });
      await Promise.all([create(app, { ownerId: near }), create(other, { ownerId: one })]);
      const id = idOf(token);
      for (const [inApp, owner] of [
        [app, near],
        [app, 'mallory'],
        [app, `${one} `],
        [app, one.toUpperCase()],
        [other, one],
        [`${app}x`, one],
      ]) {
        assert.equal(await sessions.kill({ app: inApp, ownerId: owner, id }), false);
        assert.equal(await lives(app, token), true);
      }
      assert.deepEqual(await listed(app, one), new Set([id]));
      assert.equal((await listed(app, near)).size, 1);
      assert.equal(await sessions.kill({ app, ownerId: one, id }), true);
    });

    test('does nothing with an id of another session, or of another form', async () => {
      const app = freshName();
      const token = await create(app);
      const id = idOf(token);
      const others = [
        '',
        '*',
        '?'.repeat(22),
        token,
        idOf('a token of nobody'),
        `${id}==`,
        'x'.repeat(5000),
        'x'.repeat(2 ** 20),
        ...TWISTS.map((label) => twisted(label, id)).filter((text) => text !== id),
      ];
      for (const text of others) {
        assert.equal(await sessions.kill({ app, ownerId, id: text }), false, JSON.stringify(text));
      }
      assert.equal(await lives(app, token), true);
      assert.equal(await sessions.kill({ app, ownerId, id }), true);
    });

    test('does nothing with the id that a session had before it was rotated', async () => {
      const app = freshName();
      const token = await create(app);
      const fresh = await sessions.rotate({ app, token });
      assert.equal(await sessions.kill({ app, ownerId, id: idOf(token) }), false);
      assert.equal(await lives(app, fresh), true);
      assert.equal(await sessions.kill({ app, ownerId, id: idOf(fresh) }), true);
      assert.equal(await lives(app, fresh), false);
    });

    test('does nothing with the id of a session that has expired', async () => {
      const app = freshName();
      const token = await create(app, { duration: 0.02 });
      await waitUntil(async () => !(await lives(app, token)), 'the session to expire');
      assert.equal(await sessions.kill({ app, ownerId, id: idOf(token) }), false);
    });

    test('refuses a token beside the id, and an id that is undefined, and ends nothing', async () => {
      const app = freshName();
      const [token, other] = await createMany(app, 2);
      const id = idOf(other);
      for (const given of [token, other, null, 5]) {
        const error = await rejection(() => sessions.kill({ app, ownerId, id, token: given }));
        assert.ok(error instanceof TypeError);
        assert.match(error.message, /`token` to be left out, because there is an `id`/);
      }
      for (const request of [
        { app, ownerId, id: undefined },
        { app, token, id: undefined },
        { app, token, ownerId, id: null },
      ]) {
        const error = await rejection(() => sessions.kill(request));
        assert.ok(error instanceof TypeError);
        assert.match(error.message, /`(id|token)`/);
      }
      assert.deepEqual(await alive(app, [token, other]), [token, other]);
      assert.equal(await sessions.kill({ app, ownerId, id, token: undefined }), true);
      assert.equal(await lives(app, token), true);
    });

    test('without an id is kill by token, which ignores other properties', async () => {
      const app = freshName();
      const token = await create(app);
      assert.equal(await sessions.kill({ app, ownerId: 'mallory', token, other: 1 }), true);
      assert.equal(await lives(app, token), false);
    });
  });

  describe('killAll with except', () => {
    for (const count of [1, 2, 100, 101, 250]) {
      test(`ends all sessions of ${count} except the one with this token`, async () => {
        const app = freshName();
        const tokens = await createMany(app, count, (n) => ({ duration: 600 + n }));
        const kept = tokens[Math.floor(count / 3)];
        const bobs = await create(app, { ownerId: 'bob' });
        const killed = await sessions.killAll({ app, ownerId, except: kept });
        assert.equal(killed, count > 1);
        assert.deepEqual(await alive(app, [...tokens, bobs]), [kept, bobs]);
        assert.deepEqual(await listed(app), new Set([idOf(kept)]));
        assert.equal(await sessions.killAll({ app, ownerId, except: kept }), false);
        assert.equal(await lives(app, kept), true);
        assert.equal(await sessions.killAll({ app, ownerId }), true);
        assert.equal(await lives(app, kept), false);
      });
    }

    for (const [label, place] of [
      ['first', 0],
      ['last', 119],
    ]) {
      test(`keeps the session that ends ${label} of 120`, async () => {
        const app = freshName();
        const tokens = await createMany(app, 120, (n) => ({ duration: 600 + 60 * n }));
        assert.equal(await sessions.killAll({ app, ownerId, except: tokens[place] }), true);
        assert.deepEqual(await alive(app, tokens), [tokens[place]]);
        if (redis) assert.equal(await redis.zcard(indexKey(app, ownerId)), 1);
      });
    }

    test('leaves data and expiry of the session that stays alone', async () => {
      const app = freshName();
      const kept = await create(app, { data: { a: 1 }, sliding: true, lifetime: 6000 });
      await sessions.refresh({ app, token: kept, duration: 100 });
      await create(app, { duration: Infinity });
      const all = await sessions.list({ app, ownerId });
      await sessions.killAll({ app, ownerId, except: kept });
      const expected = all.filter(({ id }) => id === idOf(kept));
      assert.deepEqual(await sessions.list({ app, ownerId }), expected);
    });

    test('ends all sessions if the token is none of them', async () => {
      const app = freshName();
      const other = freshName();
      const bobs = await create(app, { ownerId: 'bob' });
      const elsewhere = await create(other);
      const killed = await create(app);
      await sessions.kill({ app, token: killed });
      const old = await create(app);
      await sessions.rotate({ app, token: old });
      const short = await create(app, { duration: 0.02 });
      await waitUntil(async () => !(await lives(app, short)), 'a session to expire');
      const nobodys = ['', 'no token', `${old}x`, 'x'.repeat(5000), undefined, null];
      for (const except of [bobs, elsewhere, killed, old, short, ...nobodys]) {
        const tokens = await createMany(app, 3);
        assert.equal(await sessions.killAll({ app, ownerId, except }), true);
        assert.deepEqual(await alive(app, tokens), []);
        assert.equal(await sessions.killAll({ app, ownerId, except }), false);
      }
      assert.equal(await lives(app, bobs), true);
      assert.equal(await lives(other, elsewhere), true);
    });

    test('refuses a property that it does not know, and ends nothing', async () => {
      const app = freshName();
      const token = await create(app);
      const error = await rejection(() => sessions.killAll({ app, ownerId, excpet: token }));
      assert.ok(error instanceof TypeError);
      assert.match(error.message, /unknown property `excpet`: killAll takes app, ownerId, except/);
      assert.equal(await lives(app, token), true);
    });
  });
});

onRedis((open, server) => {
  test('kill by an id of another form does not ask the server', async () => {
    const { sessions, redis } = open();
    const app = freshName();
    const token = await sessions.create({ app, ownerId, duration: 600 });
    await redis.config('RESETSTAT');
    for (const id of ['', token, `${idOf(token)}=`, idOf(token).slice(1), '*'.repeat(22)])
      assert.equal(await sessions.kill({ app, ownerId, id }), false);
    const { evalsha, eval: evaluated, del } = await server().commandStats();
    assert.deepEqual([evalsha, evaluated, del], [undefined, undefined, undefined]);
  });

  test('kill by id and killAll with except keep the index of the sessions that stay', async () => {
    const { sessions, redis } = open();
    const app = freshName();
    const create = (duration) => sessions.create({ app, ownerId, duration });
    const [short, long, endless] = [await create(600), await create(6000), await create(Infinity)];
    assert.equal(await redis.pttl(indexKey(app, ownerId)), -1);
    await sessions.kill({ app, ownerId, id: idOf(endless) });
    const life = await redis.pttl(indexKey(app, ownerId));
    assert.ok(life > (await redis.pttl(sessionKey(app, ownerId, long))) && life < 2 * 6_000_000);
    await sessions.killAll({ app, ownerId, except: short });
    assert.deepEqual(await redis.zrange(indexKey(app, ownerId), 0, -1), [idOf(short)]);
    const left = await redis.pttl(sessionKey(app, ownerId, short));
    assert.ok((await redis.pttl(indexKey(app, ownerId))) >= left);
  });
});
