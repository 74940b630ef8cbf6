'use strict';

// Whatever arguments a method is given, it rejects with the right error and changes nothing.

const assert = require('node:assert/strict');
const { describe, test, before } = require('node:test');
const { assertArgumentError } = require('./support/argument-error.js');
const {
  HUGE,
  METHODS,
  SECRET,
  TYPE,
  VALUE,
  revokedProxy,
  touchy,
  wrongThis,
} = require('./support/bad-values.js');
const { rejection } = require('./support/rejection.js');
const { forEachTarget, freshName } = require('./support/targets.js');
const { SpotsSessions } = require('../index.js');

forEachTarget((_target, open) => {
  let sessions;
  let redis;
  let good;
  before(async () => {
    ({ sessions, redis } = open());
    const place = { app: freshName(), ownerId: 'alice' };
    const token = await sessions.create({ ...place, data: { a: 1 }, duration: 600 });
    good = { ...place, token, data: { b: 2 }, duration: 60 };
  });

  /** The state, which a refused call must not change. */
  async function state() {
    const { app, token } = good;
    const life =
      redis && (await redis.pttl((await redis.keys(`spots:{*:${app}}:s:*`))[0])) > 60_000;
    return { session: await sessions.get({ app, token }), keys: await redis?.dbsize(), life };
  }

  for (const [method, args] of Object.entries(METHODS)) {
    describe(method, () => {
      for (const [name, rows] of Object.entries(args)) {
        test(`refuses every bad ${name}, each with its error, and does nothing`, async () => {
          const before = await state();
          for (const { label, value, ...expected } of rows) {
            const error = await rejection(() => sessions[method]({ ...good, [name]: value }));
            try {
              assertArgumentError(error, expected, name);
            } catch (failure) {
              failure.message = `${label}: ${failure.message}`;
              throw failure;
            }
          }
          assert.deepEqual(await state(), before);
        });
      }

      test('refuses a request with one argument left out, and names it', async () => {
        const required = Object.keys(args).filter(
          (name) => name !== 'token' && (method !== 'create' || ['app', 'ownerId'].includes(name)),
        );
        assert.ok(required.length >= 1);
        for (const name of required) {
          const { [name]: _left, ...request } = good;
          assertArgumentError(await rejection(() => sessions[method](request)), TYPE, name);
        }
      });

      test('refuses an argument that is not an object', async () => {
        const before = await state();
        const { message } = await rejection(() => sessions[method]());
        assert.equal(message, 'expected the argument to be an object, got undefined');
        for (const args of [
          [],
          [undefined],
          [null],
          [true],
          [5],
          [5n],
          [''],
          [SECRET],
          [Symbol(SECRET)],
          [[]],
          [() => {}],
        ]) {
          assertArgumentError(await rejection(() => sessions[method](...args)), TYPE);
        }
        assert.deepEqual(await state(), before);
      });

      test('refuses a request that throws when it is read, and keeps the cause', async () => {
        const before = await state();
        for (const request of [revokedProxy(), touchy()]) {
          assertArgumentError(await rejection(() => sessions[method](request)), {
            ...VALUE,
            hasCause: true,
          });
        }
        for (const name of Object.keys(args)) {
          for (const thrown of [new Error('thrown by a getter'), null, undefined, SECRET]) {
            const request = Object.defineProperty({ ...good }, name, {
              get() {
                throw thrown;
              },
            });
            const error = await rejection(() => sessions[method](request));
            assertArgumentError(error, VALUE);
            assert.ok('cause' in error);
            assert.equal(error.cause, thrown);
          }
        }
        assert.deepEqual(await state(), before);
      });

      test('reads each argument once, so that it cannot change between check and use', async () => {
        const reads = [];
        const reader = { app: freshName(), ownerId: 'reader' };
        // bad-input-life.test.js has the rows of `except`.
        const except = method === 'killAll' && (await sessions.create(reader));
        const request = new Proxy(
          {
            ...Object.fromEntries(Object.entries(good).filter(([name]) => name in args)),
            ...('ownerId' in args && { ownerId: reader.ownerId }),
            ...('token' in args && { token: 'the token of nobody' }),
            ...(except && { except }),
            app: reader.app,
          },
          {
            get(target, name) {
              reads.push(name);
              return target[name];
            },
          },
        );
        await sessions[method](request);
        const all = [...Object.keys(args), ...(except ? ['except'] : [])];
        assert.deepEqual(reads.sort(), all.sort());
        if (except) assert.ok(await sessions.get({ app: reader.app, token: except }), 'it stays');
        await sessions.killAll(reader);
      });

      test('refuses a wrong `this`', async () => {
        const before = await state();
        for (const self of wrongThis(sessions)) {
          const error = await rejection(() => SpotsSessions.prototype[method].call(self, good));
          assert.ok(error instanceof TypeError);
          assert.equal(error.code, 'ERR_INVALID_THIS');
        }
        assert.deepEqual(await state(), before);
      });

      test('does not affect other calls of the same turn when its own are refused', async () => {
        const { app, token } = good;
        const session = await sessions.get({ app, token });
        const other = freshName();
        const kinds = [];
        const calls = Object.entries(args).flatMap(([name, rows]) =>
          rows.flatMap(({ value, code }) => {
            kinds.push(code);
            return [
              sessions[method]({ ...good, [name]: value }),
              sessions.get({ app, token }),
              sessions.create({
                app: other,
                ownerId: 'bob',
                data: { n: kinds.length },
                duration: 60,
              }),
            ];
          }),
        );
        const answers = await Promise.allSettled(calls);
        for (const [n, code] of kinds.entries()) {
          const [bad, read, created] = answers.slice(3 * n, 3 * n + 3);
          assert.equal(bad.reason?.code, code);
          assert.deepEqual(read, { status: 'fulfilled', value: session });
          const { data } = await sessions.get({ app: other, token: created.value });
          assert.deepEqual(data, { n: n + 1 });
        }
        await sessions.killAll({ app: other, ownerId: 'bob' });
      });
    });
  }

  test('close refuses a wrong `this`', async () => {
    for (const self of [undefined, null, {}, Object.create(sessions)]) {
      const error = await rejection(() => SpotsSessions.prototype.close.call(self));
      assert.equal(error.code, 'ERR_INVALID_THIS');
    }
  });

  describe('unusual arguments that are accepted', () => {
    test('no token opens no session, as in a request without a cookie', async () => {
      const before = await state();
      const { token: _none, ...request } = good;
      for (const given of [
        request,
        { ...request, token: undefined },
        { ...request, token: null },
      ]) {
        assert.equal(await sessions.get(given), undefined);
        assert.equal(await sessions.refresh(given), false);
        assert.equal(await sessions.update(given), false);
        assert.equal(await sessions.kill(given), false);
      }
      // Other wrong arguments are still reported.
      const wrong = await rejection(() => sessions.update({ ...request, data: undefined }));
      assertArgumentError(wrong, TYPE, 'data');
      assertArgumentError(await rejection(() => sessions.get({ app: '' })), VALUE, 'app');
      assert.deepEqual(await state(), before);
    });

    test('a property that is undefined counts as left out, even one that would be refused', async () => {
      const app = freshName();
      const none = { ttl: undefined, maxAge: undefined, expiresIn: undefined, expires: undefined };
      const token = await sessions.create({ app, ownerId: 'alice', data: undefined, ...none });
      assert.deepEqual(await sessions.get({ app, token }), { ownerId: 'alice', data: {} });
      await sessions.kill({ app, token });
    });

    test('a token of 64 MiB opens no session', async () => {
      const request = { ...good, token: 'x'.repeat(HUGE) };
      assert.equal(await sessions.get(request), undefined);
      assert.equal(await sessions.refresh(request), false);
      assert.equal(await sessions.update(request), false);
      assert.equal(await sessions.kill(request), false);
    });

    test('data of 64 MiB comes back whole, and other calls are answered meanwhile', async () => {
      const { sessions: patient } = open({ commandTimeout: 60_000, maxDataSize: 2 ** 28 });
      const app = freshName();
      const blob = 'é"\n'.repeat(HUGE / 4);
      const [token, small] = await Promise.all([
        patient.create({ app, ownerId: 'alice', data: { blob }, duration: 60 }),
        patient.create({ app, ownerId: 'alice', data: { small: true }, duration: 60 }),
      ]);
      const answers = await Promise.all([
        patient.get({ app, token }),
        patient.get({ app, token: small }),
      ]);
      assert.ok(answers[0].data.blob === blob);
      assert.deepEqual(answers[1].data, { small: true });
      await patient.killAll({ app, ownerId: 'alice' });
    });

    test('a request may be a proxy, inherit its properties, or have getters', async () => {
      const { app, token } = good;
      const session = await sessions.get({ app, token });
      class Request {
        get app() {
          return app;
        }
        get token() {
          return token;
        }
      }
      for (const request of [
        new Proxy({ app, token }, {}),
        new Request(),
        Object.create({ app, token }),
      ]) {
        assert.deepEqual(await sessions.get(request), session);
      }
    });

    test('data with more JSON than maxDataSize allows is refused, and other calls are answered', async () => {
      const app = freshName();
      const rows = [
        [{}, 2 ** 20],
        [{ maxDataSize: 1024 }, 1024],
        [{ maxDataSize: 5000 }, 5000],
      ];
      for (const [options, limit] of rows) {
        const { sessions: limited } = open(options);
        const token = await limited.create({ app, ownerId: 'alice', data: {}, duration: 60 });
        // Bytes count, not characters: `é` is two.
        const ofBytes = (bytes) => ({ x: 'é'.repeat((bytes - 8) / 2) });
        assert.equal(Buffer.byteLength(JSON.stringify(ofBytes(limit))), limit);
        const [created, updated, session] = await Promise.allSettled([
          limited.create({ app, ownerId: 'alice', data: ofBytes(limit + 2) }),
          limited.update({ app, token, data: ofBytes(limit + 2) }),
          limited.get({ app, token }),
        ]);
        for (const { reason } of [created, updated]) {
          assert.ok(reason instanceof RangeError);
          assert.equal(reason.code, 'ERR_OUT_OF_RANGE');
          assert.equal(
            reason.message,
            `expected \`data\` to be at most ${limit} bytes of JSON (maxDataSize), got an object`,
          );
        }
        assert.deepEqual(session.value, { ownerId: 'alice', data: {} });
        assert.equal(await limited.update({ app, token, data: ofBytes(limit) }), true);
        const full = await limited.create({ app, ownerId: 'alice', data: ofBytes(limit) });
        for (const each of [token, full])
          assert.deepEqual((await limited.get({ app, token: each })).data, ofBytes(limit));
      }
    });

    test('calls that are made while another call reads its arguments get their own answers', async () => {
      const { app, token } = good;
      const session = await sessions.get({ app, token });
      const inner = [];
      const data = {
        toJSON() {
          for (let n = 0; n < 100; n++) inner.push(sessions.get({ app, token }));
          return { outer: true };
        },
      };
      const other = freshName();
      const outer = await sessions.create({ app: other, ownerId: 'alice', data, duration: 60 });
      assert.deepEqual((await sessions.get({ app: other, token: outer })).data, { outer: true });
      assert.equal(inner.length, 100);
      for (const answer of await Promise.all(inner)) assert.deepEqual(answer, session);
    });

    test('close resolves, and the call settles, when close is called while the call reads its arguments', async () => {
      const { sessions: closing } = open();
      let closed;
      const data = {
        toJSON() {
          closed = closing.close();
          return {};
        },
      };
      const [{ status, reason }] = await Promise.allSettled([
        closing.create({ app: freshName(), ownerId: 'alice', data, duration: 60 }),
      ]);
      if (status === 'rejected') assert.equal(reason.code, 'ERR_SESSIONS_CLOSED');
      assert.equal(await closed, undefined);
    });
  });
});
