'use strict';

// How an instance is closed, and the ioredis client that it offers.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');
const { Redis } = require('ioredis');
const { waitUntil } = require('./support/redis-server.js');
const { rejection } = require('./support/rejection.js');
const { METHODS, METHODS_OF_TOKEN, requestsOf } = require('./support/requests.js');
const { forEachTarget, freshName, onRedis } = require('./support/targets.js');
const { SpotsSessions } = require('../index.js');

forEachTarget((target, open) => {
  describe('close', () => {
    test('may be called twice, at once and one after the other', async () => {
      const { sessions } = open();
      assert.deepEqual(await Promise.all([sessions.close(), sessions.close()]), [
        undefined,
        undefined,
      ]);
      assert.equal(await sessions.close(), undefined);
    });

    test('lets pending calls finish', async () => {
      const { sessions } = open();
      const app = freshName();
      const settled = [];
      const calls = Array.from({ length: 200 }, (_, n) =>
        sessions
          .create({ app, ownerId: `owner-${n}`, data: {} })
          .then((token) => settled.push(token)),
      );
      await sessions.close();
      assert.equal(settled.length, 200, 'all have settled before close has');
      await Promise.all(calls);
    });

    for (const method of METHODS) {
      test(`${method} after close rejects with ERR_SESSIONS_CLOSED`, async () => {
        const { sessions } = open();
        const closing = sessions.close();
        const request = requestsOf(freshName())[method];
        const during = await rejection(() => sessions[method](request));
        await closing;
        const after = await rejection(() => sessions[method](request));
        for (const error of [during, after]) {
          assert.equal(error.code, 'ERR_SESSIONS_CLOSED');
          assert.equal(error.name, 'SpotsSessionsError');
        }
      });
    }

    test('rejects later calls even if they would not reach the store', async () => {
      const { sessions } = open();
      await sessions.close();
      for (const token of [undefined, null, '', 'x', 'x'.repeat(5000)]) {
        for (const method of METHODS_OF_TOKEN) {
          const request = { ...requestsOf(freshName())[method], token };
          const error = await rejection(() => sessions[method](request));
          assert.equal(error.code, 'ERR_SESSIONS_CLOSED');
        }
      }
    });

    test('Symbol.asyncDispose closes', async () => {
      const { sessions } = open();
      assert.equal(typeof sessions[Symbol.asyncDispose], 'function');
      assert.equal(await sessions[Symbol.asyncDispose](), undefined);
      assert.equal(
        (await rejection(() => sessions.get({ app: 'a', token: 't' }))).code,
        'ERR_SESSIONS_CLOSED',
      );
    });
  });

  test('client can be assigned, and the sessions work on', async () => {
    const { sessions } = open();
    const fake = { get: () => 'fake' };
    sessions.client = fake;
    assert.equal(sessions.client, fake);
    const app = freshName();
    const token = await sessions.create({ app, ownerId: 'alice', data: {} });
    assert.deepEqual(await sessions.get({ app, token }), { ownerId: 'alice', data: {} });
    await sessions.close();
    assert.equal(sessions.client, fake);
  });

  if (target === 'memory') {
    test('client throws and says that there is no server', () => {
      const { sessions } = open();
      assert.ok('client' in sessions);
      assert.throws(() => sessions.client, /memory/);
    });
  }
});

onRedis((open, server) => {
  describe('client', () => {
    test('is one ioredis client, made at the first use', async () => {
      const { sessions, redis } = open();
      await sessions.get({ app: 'a', token: 'the token of nobody' });
      const before = (await redis.client('LIST')).trim().split('\n').length;
      const { client } = sessions;
      assert.ok(client instanceof Redis);
      assert.equal(sessions.client, client);
      assert.equal(await client.ping(), 'PONG');
      assert.equal((await redis.client('LIST')).trim().split('\n').length, before + 1);
    });

    test('uses the database of the sessions', async () => {
      const sessions = new SpotsSessions(`${server().url}/3`);
      const app = freshName();
      await sessions.create({ app, ownerId: 'alice', data: {} });
      assert.equal(sessions.client.options.db, 3);
      assert.equal((await sessions.client.keys(`*${app}*`)).length, 2);
      const { redis } = open();
      assert.deepEqual(await redis.keys(`*${app}*`), [], 'nothing in database 0');
      await sessions.close();
    });

    test('is disconnected by close', async () => {
      const { sessions } = open();
      const { client } = sessions;
      await client.ping();
      await sessions.close();
      await waitUntil(() => client.status === 'end', 'the client to end');
    });

    test('is not made after close, because nothing would disconnect it', async () => {
      const { sessions } = open();
      await sessions.close();
      assert.throws(() => sessions.client, { code: 'ERR_SESSIONS_CLOSED' });
    });
  });
});
