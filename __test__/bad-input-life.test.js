'use strict';

// The methods that refuse what they do not know: whatever they are given, they reject with the right error and change
// nothing. bad-input.test.js has the other methods.

const assert = require('node:assert/strict');
const { before, describe, test } = require('node:test');
const { assertArgumentError } = require('./support/argument-error.js');
const {
  SECRET,
  STRICT_METHODS,
  TYPE,
  VALUE,
  revokedProxy,
  touchy,
  wrongThis,
} = require('./support/bad-values.js');
const { rejection } = require('./support/rejection.js');
const { forEachTarget, freshName } = require('./support/targets.js');
const { SpotsSessions } = require('../index.js');

/** Without these, a request is valid. Without `id`, it is `kill` by token. */
const OPTIONAL = ['token', 'limit', 'except', 'id'];

forEachTarget((_target, open) => {
  let sessions;
  let good;
  before(async () => {
    ({ sessions } = open());
    const place = { app: freshName(), ownerId: 'alice' };
    const [token] = await Promise.all(
      [1, 2].map((n) => sessions.create({ ...place, data: { n }, duration: 600 })),
    );
    const { id } = await sessions.info({ app: place.app, token });
    good = { ...place, token, id, except: token, limit: 10 };
  });

  /** The state, which a refused call must not change. */
  const state = () => sessions.list({ app: good.app, ownerId: good.ownerId, token: good.token });

  /** Asserts that a method is refused on everything that is no instance. */
  async function assertRefusesWrongThis(method, request) {
    const before = await state();
    for (const self of wrongThis(sessions)) {
      const error = await rejection(() => SpotsSessions.prototype[method].call(self, request));
      assert.ok(error instanceof TypeError);
      assert.equal(error.code, 'ERR_INVALID_THIS');
    }
    assert.deepEqual(await state(), before);
  }

  for (const [label, args] of Object.entries(STRICT_METHODS)) {
    const [method] = label.split(' ');
    const call = (request) => sessions[method](request);
    /** A valid request, which would do something. */
    const valid = () => {
      const names = Object.keys(args).filter((name) => !(name === 'token' && 'id' in args));
      return Object.fromEntries(names.map((name) => [name, good[name]]));
    };

    describe(label, () => {
      for (const [name, rows] of Object.entries(args)) {
        test(`refuses every bad ${name}, each with its error, and does nothing`, async () => {
          const before = await state();
          for (const { label: value, ...row } of rows) {
            const error = await rejection(() => call({ ...valid(), [name]: row.value }));
            try {
              assertArgumentError(error, row, name);
            } catch (failure) {
              failure.message = `${value}: ${failure.message}`;
              throw failure;
            }
          }
          assert.deepEqual(await state(), before);
          assert.equal(before.length, 2);
        });
      }

      test('refuses a request with one argument left out, and names it', async () => {
        for (const name of Object.keys(args).filter((each) => !OPTIONAL.includes(each))) {
          const { [name]: _left, ...request } = valid();
          assertArgumentError(await rejection(() => call(request)), TYPE, name);
        }
      });

      test('refuses a property that it does not know, and names it', async () => {
        const before = await state();
        for (const name of ['x', 'ownerID', 'Token', 'duration', 'data', '__proto__ ', '', '0']) {
          for (const value of [SECRET, undefined, null]) {
            const error = await rejection(() => call({ ...valid(), [name]: value }));
            assertArgumentError(error, VALUE, name);
            assert.match(error.message, new RegExp(`^unknown property .*: ${method} takes app, `));
          }
        }
        const long = await rejection(() => call({ ...valid(), ['x'.repeat(5000)]: 1 }));
        assertArgumentError(long, VALUE);
        assert.deepEqual(await state(), before);
      });

      test('refuses an argument that is not an object', async () => {
        const before = await state();
        const wrong = [undefined, null, true, 5, 5n, '', SECRET, Symbol(SECRET), [], () => {}];
        for (const request of wrong) {
          const error = await rejection(() => call(request));
          assert.ok(error instanceof TypeError);
          assert.ok(!error.message.includes(SECRET));
        }
        assert.deepEqual(await state(), before);
      });

      test('refuses a request that throws when it is read, and keeps the cause', async () => {
        const before = await state();
        for (const request of [revokedProxy(), touchy()])
          assertArgumentError(await rejection(() => call(request)), { ...VALUE, hasCause: true });
        for (const name of Object.keys(valid())) {
          for (const thrown of [new Error('thrown by a getter'), null, undefined, SECRET]) {
            const get = () => {
              throw thrown;
            };
            const request = Object.defineProperty(valid(), name, { get });
            const error = await rejection(() => call(request));
            assertArgumentError(error, VALUE);
            assert.ok('cause' in error);
            assert.equal(error.cause, thrown);
          }
        }
        const keys = new Proxy(valid(), { ownKeys: () => assert.fail('thrown by a test') });
        assertArgumentError(await rejection(() => call(keys)), { ...VALUE, hasCause: true });
        assert.deepEqual(await state(), before);
      });

      test('reads each argument once, so that it cannot change between check and use', async () => {
        const reads = [];
        const get = (target, name) => {
          reads.push(name);
          return target[name];
        };
        const before = await state();
        // Of an owner without sessions, so that nothing ends.
        const request = { ...valid(), app: freshName() };
        await call(new Proxy(request, { get }));
        assert.deepEqual(reads.sort(), Object.keys(args).sort());
        assert.deepEqual(await state(), before);
      });

      test('refuses a wrong `this`', () => assertRefusesWrongThis(method, valid()));

      test('does not affect other calls of the same turn when its own are refused', async () => {
        const { app, token } = good;
        const session = await sessions.get({ app, token });
        const kinds = [];
        const calls = Object.entries(args).flatMap(([name, rows]) =>
          rows.flatMap(({ value, code }) => {
            kinds.push(code);
            return [call({ ...valid(), [name]: value }), sessions.get({ app, token })];
          }),
        );
        const answers = await Promise.allSettled(calls);
        for (const [n, code] of kinds.entries()) {
          const [bad, read] = answers.slice(2 * n, 2 * n + 2);
          assert.equal(bad.reason?.code, code);
          assert.deepEqual(read, { status: 'fulfilled', value: session });
        }
      });
    });
  }

  describe('ping', () => {
    test('reads nothing of an argument', async () => {
      for (const argument of [touchy(), revokedProxy(), SECRET, { app: good.app }])
        assert.equal(await sessions.ping(argument), undefined);
    });

    test('refuses a wrong `this`', () => assertRefusesWrongThis('ping'));
  });

  test('a property that is undefined counts as left out, except the id', async () => {
    const { app, ownerId, token } = good;
    const listed = await sessions.list({ app, ownerId, token: undefined, limit: undefined });
    assert.equal(listed.length, 2);
    const limits = { sliding: undefined, lifetime: undefined, maxSessions: undefined };
    const other = await sessions.create({ app, ownerId: 'bob', duration: 600, ...limits });
    const { id } = await sessions.info({ app, token: other });
    assert.equal(await sessions.kill({ app, ownerId: 'bob', id, token: undefined }), true);
    assert.equal(await sessions.killAll({ app, ownerId: 'bob', except: undefined }), false);
    assert.notEqual(await sessions.get({ app, token }), undefined);
  });

  test('the largest and the smallest values are accepted', async () => {
    const app = freshName();
    for (const more of [
      { maxSessions: 1 },
      { maxSessions: 10_000 },
      { lifetime: 1e-300, duration: 600 },
      { lifetime: Number.MAX_VALUE, sliding: true },
      { lifetime: Infinity, maxSessions: Infinity, sliding: false },
    ])
      assert.equal(typeof (await sessions.create({ app, ownerId: 'alice', ...more })), 'string');
    for (const limit of [1, 1000])
      assert.ok((await sessions.list({ app, ownerId: 'alice', limit })).length >= 1);
  });
});
