'use strict';

// What the methods answer, for a session that exists and for one that does not.

const assert = require('node:assert/strict');
const { describe, test, before } = require('node:test');
const { forEachTarget, freshName } = require('./support/targets.js');

forEachTarget((_target, open) => {
  let sessions;
  before(() => {
    ({ sessions } = open());
  });

  /** A new session of a fresh app, so that tests cannot meet. */
  async function newSession({ ownerId = 'alice', data = { name: 'Alice', age: 25 } } = {}) {
    const app = freshName();
    const token = await sessions.create({ app, ownerId, data, duration: 600 });
    return { app, ownerId, data, token };
  }

  describe('a session that is there', () => {
    test('create resolves to a token, which is a string and new each time', async () => {
      const request = { app: freshName(), ownerId: 'alice', data: {}, duration: 600 };
      const tokens = await Promise.all(Array.from({ length: 100 }, () => sessions.create(request)));
      for (const token of tokens) assert.equal(typeof token, 'string');
      assert.equal(new Set(tokens).size, 100);
    });

    test('get resolves to exactly the owner and the data, a plain object', async () => {
      const { app, token } = await newSession();
      const session = await sessions.get({ app, token });
      assert.deepEqual(session, { ownerId: 'alice', data: { name: 'Alice', age: 25 } });
      assert.deepEqual(Reflect.ownKeys(session), ['ownerId', 'data']);
      assert.equal(Object.getPrototypeOf(session), Object.prototype);
      assert.equal(Object.getPrototypeOf(session.data), Object.prototype);
    });

    test('get resolves to a new object each time, so that no caller can change the answer of another', async () => {
      const { app, token } = await newSession();
      const [first, second] = await Promise.all([
        sessions.get({ app, token }),
        sessions.get({ app, token }),
      ]);
      first.data.name = 'Mallory';
      assert.equal(second.data.name, 'Alice');
      assert.equal((await sessions.get({ app, token })).data.name, 'Alice');
    });

    test('refresh resolves to true and leaves owner and data alone', async () => {
      const { app, token, ownerId, data } = await newSession();
      assert.equal(await sessions.refresh({ app, token, duration: 1200 }), true);
      assert.deepEqual(await sessions.get({ app, token }), { ownerId, data });
    });

    test('update resolves to true, and the next get has the new data', async () => {
      const { app, token, ownerId } = await newSession();
      assert.equal(await sessions.update({ app, token, data: { age: 26 } }), true);
      assert.deepEqual(await sessions.get({ app, token }), {
        ownerId,
        data: { name: 'Alice', age: 26 },
      });
    });

    test('kill resolves to true and ends this session and no other', async () => {
      const { app, token, ownerId, data } = await newSession();
      const other = await sessions.create({ app, ownerId, data, duration: 600 });
      assert.equal(await sessions.kill({ app, token }), true);
      assert.equal(await sessions.get({ app, token }), undefined);
      assert.deepEqual(await sessions.get({ app, token: other }), { ownerId, data });
    });

    test('killAll resolves to true and ends every session of the owner in the app, and no other', async () => {
      const app = freshName();
      const create = (inApp, ownerId) =>
        sessions.create({ app: inApp, ownerId, data: {}, duration: 600 });
      const phone = await create(app, 'alice');
      const laptop = await create(app, 'alice');
      const bobs = await create(app, 'bob');
      const elsewhereApp = freshName();
      const elsewhere = await create(elsewhereApp, 'alice');
      assert.equal(await sessions.killAll({ app, ownerId: 'alice' }), true);
      assert.equal(await sessions.get({ app, token: phone }), undefined);
      assert.equal(await sessions.get({ app, token: laptop }), undefined);
      assert.deepEqual(await sessions.get({ app, token: bobs }), { ownerId: 'bob', data: {} });
      assert.deepEqual(await sessions.get({ app: elsewhereApp, token: elsewhere }), {
        ownerId: 'alice',
        data: {},
      });
    });

    test('killAll ends 2,500 sessions of one owner, more than one step takes', async () => {
      const app = freshName();
      const create = () => sessions.create({ app, ownerId: 'alice', data: {}, duration: 600 });
      const tokens = await Promise.all(Array.from({ length: 2500 }, create));
      assert.equal(await sessions.killAll({ app, ownerId: 'alice' }), true);
      const left = await Promise.all(tokens.map((token) => sessions.get({ app, token })));
      assert.equal(left.filter((session) => session !== undefined).length, 0);
      assert.equal(await sessions.killAll({ app, ownerId: 'alice' }), false);
    });

    test('an owner whose sessions were all killed can have new ones', async () => {
      const { app, ownerId, data } = await newSession();
      await sessions.killAll({ app, ownerId });
      const token = await sessions.create({ app, ownerId, data, duration: 600 });
      assert.deepEqual(await sessions.get({ app, token }), { ownerId, data });
    });
  });

  describe('a session that is not there', () => {
    const absent = [
      {
        label: 'a token that nobody made',
        arrange: async () => ({ app: freshName(), token: 'the token of nobody' }),
      },
      {
        label: 'a token of another app',
        arrange: async () => ({ app: freshName(), token: (await newSession()).token }),
      },
      {
        label: 'a session that was killed',
        arrange: async () => {
          const { app, token } = await newSession();
          await sessions.kill({ app, token });
          return { app, token };
        },
      },
      {
        label: 'a session whose owner was killed',
        arrange: async () => {
          const { app, token, ownerId } = await newSession();
          await sessions.killAll({ app, ownerId });
          return { app, token };
        },
      },
    ];
    for (const { label, arrange } of absent) {
      test(`${label}: get gives undefined; refresh, update and kill give false and create nothing`, async () => {
        const { app, token } = await arrange();
        assert.equal(await sessions.get({ app, token }), undefined);
        assert.equal(await sessions.refresh({ app, token, duration: 600 }), false);
        assert.equal(await sessions.update({ app, token, data: { a: 1 } }), false);
        assert.equal(await sessions.kill({ app, token }), false);
        assert.equal(await sessions.get({ app, token }), undefined);
      });
    }

    test('killAll of an owner without sessions gives false, the first time and after a killAll', async () => {
      const { app, ownerId } = await newSession();
      assert.equal(await sessions.killAll({ app, ownerId: 'nobody' }), false);
      assert.equal(await sessions.killAll({ app, ownerId }), true);
      assert.equal(await sessions.killAll({ app, ownerId }), false);
    });

    test('killAll of an owner whose only session was killed gives false', async () => {
      const { app, ownerId, token } = await newSession();
      await sessions.kill({ app, token });
      assert.equal(await sessions.killAll({ app, ownerId }), false);
    });
  });

  describe('many calls at once', () => {
    test('each call gets its own answer, with present and absent sessions and wrong arguments mixed', async () => {
      const app = freshName();
      const tokens = await Promise.all(
        Array.from({ length: 300 }, (_, n) =>
          sessions.create({ app, ownerId: `owner-${n}`, data: { n }, duration: 600 }),
        ),
      );
      const answers = await Promise.allSettled(
        tokens.flatMap((token) => [
          sessions.get({ app, token }),
          sessions.get({ app, token: `${token}x` }),
          sessions.get({ app, token: 7 }),
        ]),
      );
      for (let n = 0; n < tokens.length; n++) {
        const [present, missing, wrong] = answers.slice(3 * n, 3 * n + 3);
        assert.deepEqual(present.value, { ownerId: `owner-${n}`, data: { n } });
        assert.deepEqual(missing, { status: 'fulfilled', value: undefined });
        assert.equal(wrong.reason?.code, 'ERR_INVALID_ARG_TYPE');
      }
    });

    test('calls of one session made in one turn take effect in the order in which they were made', async () => {
      const { app, token } = await newSession({ data: {} });
      const answers = await Promise.all([
        sessions.update({ app, token, data: { step: 1 } }),
        sessions.get({ app, token }),
        sessions.update({ app, token, data: { step: 2 } }),
        sessions.get({ app, token }),
        sessions.kill({ app, token }),
        sessions.get({ app, token }),
        sessions.update({ app, token, data: { step: 3 } }),
      ]);
      assert.deepEqual(answers, [
        true,
        { ownerId: 'alice', data: { step: 1 } },
        true,
        { ownerId: 'alice', data: { step: 2 } },
        true,
        undefined,
        false,
      ]);
    });

    test('50 parallel updates of different keys all take effect', async () => {
      const numbers = Array.from({ length: 50 }, (_, n) => n);
      // Some keys are there already: an old value must not come back with another's update.
      const old = Object.fromEntries(numbers.slice(25).map((n) => [`key-${n}`, 'old']));
      const { app, token } = await newSession({ data: old });
      const answers = await Promise.all(
        numbers.map((n) => sessions.update({ app, token, data: { [`key-${n}`]: n } })),
      );
      assert.ok(answers.every((answer) => answer === true));
      const { data } = await sessions.get({ app, token });
      assert.deepEqual(data, Object.fromEntries(numbers.map((n) => [`key-${n}`, n])));
    });
  });

  test('properties that a method of 1.x does not know are ignored', async () => {
    const app = freshName();
    const more = { extra: 1, token: undefined, toJSON: null };
    const token = await sessions.create({
      ...more,
      app,
      ownerId: 'alice',
      data: { a: 1 },
      duration: 600,
    });
    const extra = { extra: Symbol('x'), ownerId: 'bob' };
    assert.deepEqual(await sessions.get({ ...extra, app, token, duration: -1, data: 5 }), {
      ownerId: 'alice',
      data: { a: 1 },
    });
    assert.equal(
      await sessions.update({ ...extra, app, token, data: { b: 2 }, duration: -1 }),
      true,
    );
    assert.equal(await sessions.refresh({ ...extra, app, token, duration: 60, data: 5 }), true);
    assert.equal(await sessions.killAll({ app, ownerId: 'alice' }), true);
    assert.equal(await sessions.kill({ ...extra, app, token, duration: -1 }), false);
  });
});
