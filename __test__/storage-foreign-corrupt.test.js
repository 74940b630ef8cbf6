'use strict';

// A broken value under the key of a session with a token from elsewhere, or of an owner's pointers, rejects only its own
// calls.

const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const { describe, test } = require('node:test');
const foreign = require('../lib/foreign.js');
const { addressOf, foreignKey, pointersKey, sessionKey } = require('./support/keys.js');
const { freshName, onRedis } = require('./support/targets.js');

const ownerId = 'alice';
const durationMs = 600_000;
const SECRET = 'hunter2';
const head = (more) => `{"createdAt":1698765432123,${more}}\n"alice"\n{"secret":"${SECRET}"}`;

/** What lies under the key of the session. `mark` is the right one. @type {[string, (mark: string) => string][]} */
const RECORDS = [
  ['nothing in it', () => ''],
  ['no lines', () => 'garbage'],
  ['no owner in line 2', (mark) => head(`"mark":"${mark}","nonce":"n"`).replace('"alice"', '5')],
  ['a mark of another session', () => head('"mark":"zzzzzz","nonce":"n"')],
  ['no mark', () => head('"nonce":"n"')],
  ['a nonce with a quote', (mark) => head(`"mark":"${mark}","nonce":"n\\"x","owner":"o"`)],
  ['a nonce with a backslash', (mark) => head(`"mark":"${mark}","nonce":"n\\\\"`)],
  ['no nonce', (mark) => head(`"mark":"${mark}","owner":"o","until":1`)],
  ['an owner whose hash is none', (mark) => head(`"mark":"${mark}","nonce":"n","owner":"o\\n"`)],
  [
    'no time until when',
    (mark) => head(`"mark":"${mark}","nonce":"n","owner":"${'0'.repeat(24)}"`),
  ],
  ['a first line that is too long', (mark) => head(`"x":"${'x'.repeat(200)}","mark":"${mark}"`)],
];

/** Members that are no pointers, or lead nowhere. */
const GARBAGE = [
  '',
  'garbage',
  '\n',
  '"',
  '\\',
  'x'.repeat(100_000),
  'A'.repeat(28),
  `${'A'.repeat(28)}n n`,
  `${'A'.repeat(28)}"`,
  `${'A'.repeat(27)}B0`,
  `@${'A'.repeat(28)}0`,
  `${'A'.repeat(28)}0`,
  Buffer.from([0xff, 0xfe]),
];

onRedis((open) => {
  async function fresh() {
    const { sessions, redis } = open();
    const app = freshName();
    const create = async (more) => {
      const token = randomBytes(32).toString('base64url');
      const session = { app, token, ownerId, data: { a: 1 }, durationMs, replace: false };
      assert.equal(await foreign.create(sessions, { ...session, ...more }), true);
      return token;
    };
    const token = await create();
    return {
      sessions,
      redis,
      app,
      create,
      token,
      key: foreignKey(app, token),
      pointers: pointersKey(app, ownerId),
    };
  }

  /** Each method resolves, or rejects with a code and without data; calls on another session are answered. */
  async function assertContained({ sessions, app, token, create }) {
    const other = await create({ ownerId: 'bob' });
    const claim = { before: ownerId, after: 'carol', set: {}, deleted: [], durationMs };
    const calls = [
      () => sessions.get({ app, token }),
      () => sessions.info({ app, token }),
      () => foreign.load(sessions, { app, token }),
      () => sessions.list({ app, ownerId }),
      () => foreign.refresh(sessions, { app, token, durationMs: 3 * durationMs }),
      () => foreign.claim(sessions, { app, token, ...claim }),
      () => foreign.update(sessions, { app, token, set: { b: 1 }, deleted: [] }),
      () => sessions.rotate({ app, token }),
      () => sessions.kill({ app, ownerId, id: addressOf(token) }),
    ];
    const all = calls.map((call) =>
      Promise.all([Promise.allSettled([call()]), sessions.get({ app, token: other })]),
    );
    for (const [[{ reason }], found] of await Promise.all(all)) {
      assert.equal(found.ownerId, 'bob');
      if (reason === undefined) continue;
      assert.match(reason.code, /^ERR_SESSIONS_(CORRUPT|REDIS)$/);
      assert.ok(!`${reason.stack}${JSON.stringify(reason)}`.includes(SECRET));
    }
  }

  describe('a session with a token from elsewhere', () => {
    for (const [label, record] of RECORDS) {
      test(`that has ${label} rejects only its own calls, and kill removes it`, async () => {
        const given = await fresh();
        const { sessions, redis, app, token, key } = given;
        await redis.set(key, record(addressOf(token).slice(0, 6)), 'PX', durationMs);
        await assertContained(given);
        await redis.set(key, record(addressOf(token).slice(0, 6)), 'PX', durationMs);
        assert.equal(await sessions.kill({ app, token }), true);
        assert.equal(await redis.exists(key), 0);
      });
    }

    test('that is a hash or a list rejects only its own calls, and kill removes it', async () => {
      for (const plant of ['hset', 'rpush']) {
        const given = await fresh();
        const { sessions, redis, app, token, key } = given;
        await redis.del(key);
        await redis[plant](key, 'a', 'b');
        await assertContained(given);
        assert.equal(await redis.type(key), plant === 'hset' ? 'hash' : 'list');
        assert.equal(await sessions.kill({ app, token }), true);
      }
    });

    test('is not opened by the record of another session, whatever its data says', async () => {
      const { sessions, redis, app, create, token, key } = await fresh();
      const mark = addressOf(token).slice(0, 6);
      const data = { mark, '"mark":"': `"mark":"${mark}"`, nonce: 'n' };
      const own = await sessions.create({ app, ownerId: `"mark":"${mark}"`, data, duration: 60 });
      const others = [
        sessionKey(app, `"mark":"${mark}"`, own),
        foreignKey(app, await create({ data })),
      ];
      for (const other of others) {
        await redis.set(key, await redis.get(other));
        await assert.rejects(sessions.get({ app, token }), { code: 'ERR_SESSIONS_CORRUPT' });
        await assert.rejects(foreign.load(sessions, { app, token }), {
          code: 'ERR_SESSIONS_CORRUPT',
        });
      }
    });
  });

  describe("an owner's pointers", () => {
    test('that are none are skipped by list, killAll and maxSessions', async () => {
      const { sessions, redis, app, create, token, pointers } = await fresh();
      const limited = open({ maxSessions: 2 }).sessions;
      const plant = async () => {
        for (const member of GARBAGE) {
          await redis.zadd(pointers, 1, member);
          await redis.zadd(
            pointers,
            '+inf',
            Buffer.concat([Buffer.from(member), Buffer.from(' ')]),
          );
        }
      };
      await plant();
      const ids = async () =>
        (await sessions.list({ app, ownerId, limit: 1000 })).map(({ id }) => id);
      assert.deepEqual(await ids(), [addressOf(token)]);
      await sessions.create({ app, ownerId, duration: 60 });
      const session = { app, token: await create(), ownerId, data: {}, durationMs, replace: true };
      await foreign.create(limited, session);
      assert.equal((await ids()).length, 2);
      await plant();
      assert.equal(await sessions.killAll({ app, ownerId }), true);
      assert.deepEqual(await ids(), []);
      assert.equal(await sessions.killAll({ app, ownerId }), false);
    });

    test('that name a session of another owner do not open or end it', async () => {
      const { sessions, redis, app, create, token, pointers } = await fresh();
      const bobs = await create({ ownerId: 'bob' });
      const [pointer] = await redis.zrange(pointersKey(app, 'bob'), 0, -1);
      await redis.zadd(pointers, '+inf', pointer);
      const ids = (await sessions.list({ app, ownerId })).map(({ id }) => id);
      assert.deepEqual(ids, [addressOf(token)]);
      assert.equal(await sessions.kill({ app, ownerId, id: addressOf(bobs) }), false);
      assert.equal(await sessions.killAll({ app, ownerId }), true);
      assert.equal((await sessions.get({ app, token: bobs })).ownerId, 'bob');
    });

    test('of the wrong type reject what needs them; killAll ends the sessions of create, and get still works', async () => {
      const { sessions, redis, app, create, token, pointers } = await fresh();
      const own = await sessions.create({ app, ownerId, duration: 60 });
      await redis.set(pointers, 'text');
      for (const call of [
        () => create(),
        () => sessions.list({ app, ownerId }),
        () => sessions.killAll({ app, ownerId }),
      ]) {
        await assert.rejects(call, { code: 'ERR_SESSIONS_CORRUPT' });
      }
      assert.equal((await sessions.get({ app, token })).ownerId, ownerId);
      assert.equal(await sessions.get({ app, token: own }), undefined);
      assert.equal(await foreign.refresh(sessions, { app, token, durationMs }), true);
      assert.equal(await sessions.kill({ app, token }), true);
    });
  });
});
