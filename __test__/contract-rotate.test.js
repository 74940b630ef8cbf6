'use strict';

// `rotate`: the new token opens what the old one did, and the old one opens nothing.

const assert = require('node:assert/strict');
const { before, describe, test } = require('node:test');
const { idOf, indexKey, routeOf, sessionKey } = require('./support/keys.js');
const { rejection } = require('./support/rejection.js');
const { forEachTarget, freshName, onRedis } = require('./support/targets.js');
const { expiryOf, slackOf } = require('./support/times.js');
const { waitUntil } = require('./support/wait-until.js');

const ownerId = 'alice';

forEachTarget((_target, open) => {
  let sessions;
  let redis;
  before(() => {
    ({ sessions, redis } = open());
  });

  const create = (app, more = {}) =>
    sessions.create({ app, ownerId, data: { a: 1 }, duration: 600, ...more });
  /** What the list says of the only session, but for its id. */
  const theOnly = async (app) => {
    const [{ id: _, ...session }, ...others] = await sessions.list({ app, ownerId });
    assert.deepEqual(others, []);
    return session;
  };
  /** Every method, with a token that opens nothing. */
  async function assertOpensNothing(app, token) {
    assert.equal(await sessions.get({ app, token }), undefined);
    assert.equal(await sessions.info({ app, token }), undefined);
    assert.equal(await sessions.rotate({ app, token }), undefined);
    assert.equal(await sessions.refresh({ app, token, duration: 600 }), false);
    assert.equal(await sessions.update({ app, token, data: { a: 2 } }), false);
    assert.equal(await sessions.kill({ app, token }), false);
    assert.equal(await sessions.kill({ app, ownerId, id: idOf(token) }), false);
    const listed = await sessions.list({ app, ownerId, token });
    assert.ok(listed.every(({ id, current }) => id !== idOf(token) && !current));
  }

  describe('rotate', () => {
    for (const [label, more] of [
      ['of 600 s', {}],
      ['without an expiry', { duration: Infinity }],
      ['that slides and has a lifetime', { sliding: true, lifetime: 6000 }],
      ['of 1 MiB', { data: { text: 'é"\n'.repeat(2 ** 17) } }],
      ['with nested data', { data: { deep: [{ x: [null] }] } }],
    ]) {
      test(`keeps owner, data, createdAt and expiresAt of a session ${label}`, async () => {
        const app = freshName();
        const token = await create(app, more);
        const old = await sessions.get({ app, token });
        const listed = await theOnly(app);
        const fresh = await sessions.rotate({ app, token });
        assert.equal(typeof fresh, 'string');
        assert.notEqual(fresh, token);
        assert.deepEqual(await theOnly(app), listed);
        assert.deepEqual(await sessions.get({ app, token: fresh }), old);
        assert.equal((await sessions.info({ app, token: fresh })).id, idOf(fresh));
        await assertOpensNothing(app, token);
        assert.deepEqual(await sessions.get({ app, token: fresh }), old);
      });
    }

    test('keeps updates, and the session can be updated, refreshed and killed with the new token', async () => {
      const app = freshName();
      const token = await create(app);
      await sessions.update({ app, token, data: { b: 2 } });
      const fresh = await sessions.rotate({ app, token });
      assert.equal(await sessions.update({ app, token: fresh, data: { c: 3 } }), true);
      assert.equal(await sessions.refresh({ app, token: fresh, duration: 6000 }), true);
      const { data } = await sessions.get({ app, token: fresh });
      assert.deepEqual(data, { a: 1, b: 2, c: 3 });
      assert.equal(await sessions.kill({ app, token: fresh }), true);
      assert.equal(await sessions.killAll({ app, ownerId }), false);
      if (redis) assert.deepEqual(await redis.keys(`*${app}*`), []);
    });

    test('may be repeated, and only the last token opens the session', async () => {
      const app = freshName();
      const tokens = [await create(app)];
      const session = await theOnly(app);
      for (let n = 0; n < 5; n++) tokens.push(await sessions.rotate({ app, token: tokens[n] }));
      const last = tokens.pop();
      for (const token of tokens) await assertOpensNothing(app, token);
      assert.deepEqual(await theOnly(app), session);
      assert.equal((await sessions.list({ app, ownerId, token: last }))[0].current, true);
      assert.equal(await sessions.killAll({ app, ownerId }), true);
      assert.equal(await sessions.get({ app, token: last }), undefined);
    });

    test('gives one token for one session, if it is called many times at once', async () => {
      const app = freshName();
      const token = await create(app);
      const calls = Array.from({ length: 50 }, () => sessions.rotate({ app, token }));
      const fresh = (await Promise.all(calls)).filter((each) => each !== undefined);
      assert.equal(fresh.length, 1);
      assert.equal((await sessions.list({ app, ownerId, token: fresh[0] }))[0].current, true);
    });

    test('of many sessions at once gives each its own', async () => {
      const app = freshName();
      const numbers = Array.from({ length: 100 }, (_, n) => n);
      const tokens = await Promise.all(
        numbers.map((n) => create(app, { ownerId: `owner-${n % 10}`, data: { n } })),
      );
      const fresh = await Promise.all(tokens.map((token) => sessions.rotate({ app, token })));
      assert.equal(new Set([...tokens, ...fresh]).size, 200);
      const found = await Promise.all(fresh.map((token) => sessions.get({ app, token })));
      assert.deepEqual(
        found,
        numbers.map((n) => ({ ownerId: `owner-${n % 10}`, data: { n } })),
      );
    });

    for (const [label, options, length] of [
      ['hex of 64 bytes', { tokenEncoding: 'hex', tokenSize: 64 }, 128],
      ['base64url of 32 bytes', { tokenEncoding: 'base64url', tokenSize: 32 }, 43],
    ]) {
      test(`makes tokens as create does: ${label}`, async () => {
        const { sessions: other } = open(options);
        const app = freshName();
        const token = await other.create({ app, ownerId });
        const fresh = await other.rotate({ app, token });
        assert.equal(fresh.length, length);
        // The owner's bytes come first. The others are random.
        const [before, after] = [token, fresh].map((t) => Buffer.from(t, options.tokenEncoding));
        assert.deepEqual(after.subarray(0, 16), before.subarray(0, 16));
        assert.notDeepEqual(after.subarray(16), before.subarray(16));
        assert.equal(after.toString('hex', 0, 4), routeOf(app, ownerId));
      });
    }

    test('resolves to undefined if there is no such session', async () => {
      const app = freshName();
      const killed = await create(app);
      await sessions.kill({ app, token: killed });
      const ended = await create(app, { duration: 0.02 });
      await waitUntil(async () => !(await sessions.get({ app, token: ended })), 'it to expire');
      const token = await create(freshName());
      for (const none of [killed, ended, token, '', 'no token', undefined, null, 'x'.repeat(5000)])
        assert.equal(await sessions.rotate({ app, token: none }), undefined);
      assert.equal(await sessions.rotate({ app }), undefined);
      assert.deepEqual(await sessions.list({ app, ownerId }), []);
      if (redis) assert.equal(await redis.exists(sessionKey(app, ownerId, killed)), 0);
    });

    test('refuses a property that it does not know, and the token stays', async () => {
      const app = freshName();
      const token = await create(app);
      const error = await rejection(() => sessions.rotate({ app, token, duration: 60 }));
      assert.ok(error instanceof TypeError);
      assert.match(error.message, /unknown property `duration`: rotate takes app, token/);
      assert.notEqual(await sessions.get({ app, token }), undefined);
    });
  });
});

onRedis((open) => {
  /** A session on the server, with its keys. */
  async function stored(more) {
    const { sessions, redis } = open();
    const app = freshName();
    const token = await sessions.create({ app, ownerId, data: {}, duration: 600, ...more });
    const index = indexKey(app, ownerId);
    const keyOf = (text) => sessionKey(app, ownerId, text);
    return { sessions, redis, app, token, index, keyOf };
  }

  for (const duration of [600, Infinity]) {
    test(`rotate moves the record of a session of ${duration} s, its expiry and its score, and leaves no other key`, async () => {
      const { sessions, redis, app, token, index, keyOf } = await stored({ duration });
      await sessions.update({ app, token, data: { b: 1 } });
      const before = [await redis.get(keyOf(token)), await redis.zscore(index, idOf(token))];
      const expiry = await expiryOf(redis, keyOf(token));
      const fresh = await sessions.rotate({ app, token });
      assert.deepEqual((await redis.keys(`*${app}*`)).sort(), [index, keyOf(fresh)].sort());
      const after = [await redis.get(keyOf(fresh)), await redis.zscore(index, idOf(fresh))];
      assert.deepEqual(after, before);
      const moved = (await expiryOf(redis, keyOf(fresh))) - expiry;
      assert.ok(Math.abs(moved) <= (await slackOf(redis)), `${moved} ms`);
      assert.deepEqual(await redis.zrange(index, 0, -1), [idOf(fresh)]);
    });

    test(`rotate puts a session of ${duration} s into its index again if the index was lost`, async () => {
      const { sessions, redis, app, token, index, keyOf } = await stored({ duration });
      await redis.del(index);
      const fresh = await sessions.rotate({ app, token });
      assert.deepEqual(await redis.zrange(index, 0, -1), [idOf(fresh)]);
      const expiry = await expiryOf(redis, keyOf(fresh));
      const score = Number((await redis.zscore(index, idOf(fresh))).replace('inf', 'Infinity'));
      if (duration === Infinity) assert.deepEqual([expiry, score], [-1, Infinity]);
      else assert.ok(score >= expiry && score - expiry < 1000, `${score} ${expiry}`);
      const life = await redis.pttl(index);
      assert.ok(duration === Infinity ? life === -1 : life >= (await redis.pttl(keyOf(fresh))));
      assert.equal(await sessions.killAll({ app, ownerId }), true);
      assert.equal(await sessions.get({ app, token: fresh }), undefined);
    });
  }

  test('rotate rejects if the index is no sorted set, and the old token still opens the session', async () => {
    const { sessions, redis, app, token, index } = await stored();
    await redis.set(index, 'no index');
    const error = await rejection(() => sessions.rotate({ app, token }));
    assert.equal(error.code, 'ERR_SESSIONS_CORRUPT');
    assert.deepEqual(await sessions.get({ app, token }), { ownerId, data: {} });
    assert.equal((await redis.keys(`*${app}*`)).length, 2);
  });
});
