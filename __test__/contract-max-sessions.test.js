'use strict';

// `maxSessions`: how many live sessions an owner may have, and which of them end.

const assert = require('node:assert/strict');
const { before, describe, test } = require('node:test');
const { idOf, indexKey, ownersOnOneRoute } = require('./support/keys.js');
const { forEachTarget, freshName, onRedis } = require('./support/targets.js');
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
  const alive = async (app, tokens) => {
    const found = await Promise.all(tokens.map((token) => sessions.get({ app, token })));
    return tokens.filter((_, n) => found[n] !== undefined);
  };
  const count = async (app, owner = ownerId) =>
    (await sessions.list({ app, ownerId: owner, limit: 1000 })).length;

  describe('maxSessions', () => {
    test('ends those that would end soonest, and never the new one', async () => {
      const app = freshName();
      const durations = [300, 100, Infinity, 200, 400];
      const tokens = await createMany(app, 5, (n) => ({ duration: durations[n] }));
      const newest = await create(app, { duration: 50, maxSessions: 4 });
      const [, , endless, , longest] = tokens;
      assert.deepEqual(await alive(app, tokens), [tokens[0], endless, longest]);
      assert.deepEqual(await alive(app, [newest]), [newest]);
      const last = await create(app, { duration: 20, maxSessions: 2 });
      assert.deepEqual(await alive(app, [...tokens, newest, last]), [endless, last]);
      if (redis) {
        const members = await redis.zrange(indexKey(app, ownerId), 0, -1);
        assert.deepEqual(new Set(members), new Set([endless, last].map(idOf)));
      }
    });

    test('ends the older ones first if they would end in the same millisecond', async () => {
      const app = freshName();
      const tokens = [];
      // Those that never expire tie. Each is later than the one before.
      for (let last = 0; tokens.length < 6; ) {
        const token = await create(app, { duration: Infinity });
        const { createdAt } = await sessions.info({ app, token });
        if (createdAt > last) tokens.push(token);
        else await sessions.kill({ app, token });
        last = +createdAt;
      }
      for (const most of [6, 5, 3]) {
        tokens.push(await create(app, { duration: 60, maxSessions: most }));
        const living = await alive(app, tokens);
        assert.equal(living.length, most);
        assert.equal(living.at(-1), tokens.at(-1));
        const endless = living.filter((token) => tokens.indexOf(token) < 6);
        assert.deepEqual(endless, tokens.slice(6 - endless.length, 6));
        await sessions.kill({ app, token: tokens.pop() });
      }
    });

    test('of 1 leaves the new session alone', async () => {
      const app = freshName();
      const tokens = await createMany(app, 20);
      tokens.push(await create(app, { maxSessions: 1 }));
      assert.deepEqual(await alive(app, tokens), tokens.slice(-1));
    });

    test('does nothing while the owner has no more than this', async () => {
      const app = freshName();
      const tokens = await createMany(app, 4);
      for (const maxSessions of [5, 6, 10_000, Infinity, undefined])
        tokens.push(await create(app, { maxSessions: maxSessions === 5 ? 5 : maxSessions }));
      assert.deepEqual(await alive(app, tokens), tokens.length === 9 ? tokens : []);
    });

    test('counts no session of another owner, of another app, or that has ended', async () => {
      const app = freshName();
      const other = freshName();
      const [one, near] = ownersOnOneRoute(app);
      const theirs = await Promise.all([
        create(app, { ownerId: near }),
        create(app, { ownerId: near }),
        create(app, { ownerId: `${one}x` }),
      ]);
      const elsewhere = await create(other, { ownerId: one });
      const ended = await create(app, { ownerId: one, duration: 0.02 });
      const killed = await create(app, { ownerId: one });
      await sessions.kill({ app, token: killed });
      await waitUntil(async () => !(await sessions.get({ app, token: ended })), 'it to expire');
      const first = await create(app, { ownerId: one });
      const second = await create(app, { ownerId: one, maxSessions: 2 });
      assert.deepEqual(await alive(app, [first, second]), [first, second]);
      const third = await create(app, { ownerId: one, maxSessions: 1 });
      assert.deepEqual(await alive(app, [first, second, third]), [third]);
      assert.deepEqual(await alive(app, theirs), theirs);
      assert.deepEqual(await alive(other, [elsewhere]), [elsewhere]);
    });

    test('holds for creates that are made at once, and the last one lives', async () => {
      const app = freshName();
      const tokens = await createMany(app, 50, () => ({ maxSessions: 5 }));
      const living = await alive(app, tokens);
      assert.equal(living.length, 5);
      assert.equal(await count(app), 5);
      const newest = await create(app, { maxSessions: 5 });
      assert.deepEqual(await alive(app, [newest]), [newest]);
      assert.equal(await count(app), 5);
    });

    test('holds beside creates without it, in one batch', async () => {
      const app = freshName();
      const [limited, ...others] = await Promise.all([
        create(app, { ownerId: 'bob', maxSessions: 1 }),
        ...Array.from({ length: 40 }, () => create(app)),
      ]);
      assert.deepEqual(await alive(app, [limited]), [limited]);
      assert.deepEqual(await alive(app, others), others);
    });

    test('ends at most 100 sessions in one create, and the rest in the next', async () => {
      const app = freshName();
      await createMany(app, 250, (n) => ({ duration: 600 + n }));
      const tokens = [];
      for (const left of [151, 52, 3, 3]) {
        tokens.push(await create(app, { duration: 60, maxSessions: 3 }));
        assert.equal(await count(app), left);
        assert.deepEqual(await alive(app, tokens.slice(-1)), tokens.slice(-1));
      }
    });
  });

  test('the option maxSessions is the default of create, and create can change or lift it', async () => {
    const { sessions: limited } = open({ maxSessions: 2 });
    const app = freshName();
    const make = (more) => limited.create({ app, ownerId, duration: 600, ...more });
    const living = async () => (await limited.list({ app, ownerId })).length;
    for (const [maxSessions, left] of [
      [undefined, 1],
      [undefined, 2],
      [undefined, 2],
      [3, 3],
      [Infinity, 4],
      [Infinity, 5],
      [undefined, 2],
      [1, 1],
    ]) {
      await make({ maxSessions });
      assert.equal(await living(), left, `maxSessions: ${maxSessions}`);
    }
  });
});

onRedis((open, server) => {
  test('a create with maxSessions is one script of its own, and one without it shares', async () => {
    const { sessions, redis } = open();
    const app = freshName();
    const make = (maxSessions) =>
      Promise.all(
        Array.from({ length: 16 }, (_, n) =>
          sessions.create({ app, ownerId: `owner ${n}`, duration: 600, maxSessions }),
        ),
      );
    await make();
    await redis.config('RESETSTAT');
    await make(5);
    assert.equal((await server().commandStats()).evalsha, 16);
    await redis.config('RESETSTAT');
    await make();
    assert.ok((await server().commandStats()).evalsha < 16);
  });

  test('maxSessions ends a session whose key holds something else, and one that is in the index alone', async () => {
    const { sessions, redis } = open();
    const app = freshName();
    const create = (more) => sessions.create({ app, ownerId, duration: 600, ...more });
    await create();
    const [key] = await redis.keys(`*${app}*:s:*`);
    await redis.del(key);
    await redis.rpush(key, 'no record');
    await create();
    const token = await create({ maxSessions: 1 });
    assert.deepEqual(await redis.zrange(indexKey(app, ownerId), 0, -1), [idOf(token)]);
    assert.equal((await redis.keys(`*${app}*`)).length, 2);
  });
});
