'use strict';

// `info`: what it says about a session, and that it never extends one.

const assert = require('node:assert/strict');
const { before, describe, test } = require('node:test');
const { idOf, sessionKey } = require('./support/keys.js');
const { rejection } = require('./support/rejection.js');
const { forEachTarget, freshName } = require('./support/targets.js');
const { expiryOf, serverTime, slackOf } = require('./support/times.js');
const { waitUntil } = require('./support/wait-until.js');

forEachTarget((_target, open) => {
  let sessions;
  let redis;
  let slack;
  before(async () => {
    ({ sessions, redis } = open());
    slack = await slackOf(redis);
  });

  /** A new session of a fresh app. */
  async function newSession(more = {}) {
    const app = freshName();
    const request = { app, ownerId: 'alice', data: { a: 1 }, duration: 600, ...more };
    return { app, token: await sessions.create(request) };
  }

  /** When the only session of an owner ends, to the millisecond. */
  async function endOf(app) {
    const [{ expiresAt }] = await sessions.list({ app, ownerId: 'alice' });
    return expiresAt.getTime();
  }

  describe('info', () => {
    test('resolves to exactly id, ownerId, data, createdAt and expiresAt, in this order', async () => {
      const { app, token } = await newSession({ data: { name: 'Zoë', list: [1, { b: null }] } });
      const info = await sessions.info({ app, token });
      assert.deepEqual(Reflect.ownKeys(info), ['id', 'ownerId', 'data', 'createdAt', 'expiresAt']);
      assert.equal(Object.getPrototypeOf(info), Object.prototype);
      const { id, ownerId, data, createdAt, expiresAt } = info;
      assert.deepEqual([id, ownerId], [idOf(token), 'alice']);
      assert.deepEqual(data, { name: 'Zoë', list: [1, { b: null }] });
      assert.ok(createdAt instanceof Date && expiresAt instanceof Date);
      assert.ok(Math.abs(expiresAt - createdAt - 600_000) <= slack, `${expiresAt - createdAt} ms`);
      assert.equal((await endOf(app)) - createdAt, 600_000);
    });

    test('says the times of the server', async () => {
      if (!redis) return;
      const begin = await serverTime(redis);
      const { app, token } = await newSession();
      const end = await serverTime(redis);
      const { createdAt, expiresAt } = await sessions.info({ app, token });
      assert.ok(begin <= createdAt && createdAt <= end, `${begin} ${+createdAt} ${end}`);
      const expiry = await expiryOf(redis, sessionKey(app, 'alice', token));
      assert.ok(Math.abs(expiry - expiresAt) <= slack, `${expiry} ${+expiresAt}`);
    });

    test('has an expiresAt that is undefined if the session never expires', async () => {
      const { app, token } = await newSession({ duration: Infinity });
      const info = await sessions.info({ app, token });
      assert.ok('expiresAt' in info);
      assert.equal(info.expiresAt, undefined);
    });

    test('shows what update and refresh have changed, and the same id and createdAt', async () => {
      const { app, token } = await newSession();
      const old = await sessions.info({ app, token });
      await sessions.update({ app, token, data: { b: 2 } });
      await sessions.refresh({ app, token, duration: 6000 });
      const { data, expiresAt, ...rest } = await sessions.info({ app, token });
      assert.deepEqual(data, { a: 1, b: 2 });
      assert.ok(expiresAt - old.createdAt >= 6_000_000 - slack);
      const { id, ownerId, createdAt } = old;
      assert.deepEqual(rest, { id, ownerId, createdAt });
      await sessions.refresh({ app, token, duration: Infinity });
      assert.equal((await sessions.info({ app, token })).expiresAt, undefined);
    });

    for (const tokenEncoding of ['base64', 'base64url', 'hex', 'latin1']) {
      test(`says the id of a token in ${tokenEncoding}, in a form that opens nothing`, async () => {
        const { sessions: encoded } = open({ tokenEncoding });
        const app = freshName();
        const token = await encoded.create({ app, ownerId: 'alice', data: {} });
        const { id } = await encoded.info({ app, token });
        assert.match(id, /^[\w-]{22}$/);
        assert.equal(await encoded.get({ app, token: id }), undefined);
        assert.equal(await encoded.info({ app, token: id }), undefined);
      });
    }

    test('describes a session of 1 MiB, beside small ones', async () => {
      const large = { text: 'é"\n'.repeat(2 ** 17) };
      const all = await Promise.all([newSession({ data: large }), newSession(), newSession()]);
      const infos = await Promise.all(all.map((request) => sessions.info(request)));
      assert.deepEqual(
        infos.map(({ id }) => id),
        all.map(({ token }) => idOf(token)),
      );
      assert.deepEqual(infos[0].data, large);
      assert.deepEqual(infos[2].data, { a: 1 });
    });

    test('resolves to undefined if there is no such session', async () => {
      const { app, token } = await newSession();
      const killed = await newSession();
      await sessions.kill(killed);
      const ended = await newSession({ duration: 0.02 });
      await waitUntil(async () => !(await sessions.get(ended)), 'a session to expire');
      const requests = [
        killed,
        ended,
        { app: freshName(), token },
        { app },
        { app, token: undefined },
        { app, token: null },
        { app, token: '' },
        { app, token: 'nobody has this token' },
        { app, token: `${token}x` },
        { app, token: 'x'.repeat(5000) },
      ];
      for (const request of requests) assert.equal(await sessions.info(request), undefined);
    });

    test('rejects if there is no token but the request is wrong', async () => {
      assert.match((await rejection(() => sessions.info({ app: '' }))).message, /`app`/);
      const unknown = await rejection(() => sessions.info({ app: 'a', tokn: 'x' }));
      assert.match(unknown.message, /unknown property `tokn`: info takes app, token/);
      assert.ok(unknown instanceof TypeError);
    });

    test('never extends a sliding session, and neither does list', async () => {
      const { app, token } = await newSession({ sliding: true });
      // Less than nine tenths are left, so that any use would extend it.
      await sessions.refresh({ app, token, duration: 300 });
      const end = await endOf(app);
      for (let n = 0; n < 3; n++) {
        assert.notEqual(await sessions.info({ app, token }), undefined);
        assert.equal(await endOf(app), end);
      }
      if (redis) {
        const expiry = await expiryOf(redis, sessionKey(app, 'alice', token));
        assert.ok(Math.abs(expiry - end) <= slack);
      }
      await sessions.get({ app, token });
      await waitUntil(async () => (await endOf(app)) > end, 'get to extend it');
    });
  });
});
