'use strict';

// The holes of @spots-tech/sessions 1.x that only a server shows. The others are in
// holes-of-1x.test.js, which explains the numbers.

const assert = require('node:assert/strict');
const { inspect } = require('node:util');
const { describe, test } = require('node:test');
const { callEveryMethod } = require('./support/every-method.js');
const { idOf } = require('./support/keys.js');
const { waitUntil } = require('./support/redis-server.js');
const { rejection } = require('./support/rejection.js');
const { onRedis } = require('./support/targets.js');
const { SpotsSessions } = require('../index.js');

const APP = 'my-app';
const DATA = { role: 'user' };

describe('H19 a server without KEYS and SCAN', () => {
  onRedis(
    (open) => {
      test('serves every method', async () => {
        const { sessions, redis } = open();
        await assert.rejects(redis.keys('*'), /unknown command/);
        await assert.rejects(redis.scan(0), /unknown command/);
        await callEveryMethod(sessions, APP);
      });
    },
    { args: ['--rename-command', 'KEYS', '', '--rename-command', 'SCAN', ''] },
  );
});

describe('H19 an ACL without dangerous commands', () => {
  onRedis((open, server) => {
    test('serves every method, to a user who may touch our keys only', async () => {
      const { redis } = open();
      await redis.call(
        'ACL',
        'SETUSER',
        'app',
        'on',
        '>secret',
        '~spots:*',
        '+@all',
        '-@dangerous',
        '-@admin',
      );
      const sessions = new SpotsSessions(`redis://app:secret@127.0.0.1:${server().port}`);
      await callEveryMethod(sessions, APP);
      await sessions.close();
    });
  });
});

// A cluster of one node: faults/cluster.test.js has larger ones.
describe('H33 a cluster', () => {
  onRedis(
    (open) => {
      test('of one node serves every method: the keys of an owner share one slot', async () => {
        const { sessions, redis } = open();
        await redis.call(
          'CLUSTER',
          'ADDSLOTS',
          ...Array.from({ length: 16384 }, (_, slot) => slot),
        );
        await waitUntil(
          async () => /cluster_state:ok/.test(await redis.cluster('INFO')),
          'the cluster to be up',
        );
        for (let n = 0; n < 20; n++) await callEveryMethod(sessions, APP);
      });
    },
    { config: { 'cluster-enabled': 'yes' } },
  );
});

onRedis((open, server) => {
  test('H24: killAll on a server that is gone rejects, and never resolves to false', async () => {
    const sessions = new SpotsSessions({ connectionString: server().url, commandTimeout: 300 });
    const owner = { app: APP, ownerId: 'alice', data: DATA, duration: 600 };
    const token = await open().sessions.create(owner);
    server().kill('SIGSTOP');
    try {
      const killing = [
        sessions.killAll({ app: APP, ownerId: 'alice' }),
        sessions.kill({ app: APP, token }),
      ];
      for (const { reason } of await Promise.allSettled(killing)) {
        assert.match(reason.code, /^ERR_SESSIONS_(TIMEOUT|CONNECTION)$/);
      }
    } finally {
      server().kill('SIGCONT');
    }
    await waitUntil(async () => {
      try {
        return (
          (await sessions.get({ app: APP, token })) === undefined ||
          (await sessions.kill({ app: APP, token }))
        );
      } catch {
        return false;
      }
    }, 'the server to answer again');
    await sessions.close();
  });

  test('H27: no key and no line of SLOWLOG holds a token', async () => {
    const { sessions, redis } = open();
    await redis.config('SET', 'slowlog-log-slower-than', '0');
    await redis.config('SET', 'slowlog-max-len', '1000');
    const token = await sessions.create({ app: APP, ownerId: 'alice', data: DATA, duration: 600 });
    await sessions.get({ app: APP, token });
    await sessions.update({ app: APP, token, data: { a: 1 } });
    await sessions.refresh({ app: APP, token, duration: 60 });
    const keys = await redis.keys('*');
    await sessions.kill({ app: APP, token });
    const log = JSON.stringify(await redis.slowlog('GET', '1000'));
    await redis.config('SET', 'slowlog-log-slower-than', '-1');
    assert.ok(log.includes(idOf(token)) && keys.some((key) => key.endsWith(idOf(token))));
    // SLOWLOG truncates long arguments.
    for (const text of [log, ...keys]) assert.ok(!text.includes(token.slice(6, 60)));
  });

  test('H28: `REDISS://` means TLS and sends nothing in clear', async () => {
    const sessions = new SpotsSessions({
      connectionString: server().url.replace('redis://', 'REDISS://:sekret@'),
      commandTimeout: 500,
    });
    const watching = await server().monitor();
    const error = await rejection(() => sessions.get({ app: APP, token: 'the token of nobody' }));
    assert.match(error.code, /^ERR_SESSIONS_(CONNECTION|TIMEOUT)$/);
    assert.ok(!(await watching.stop()).includes('sekret'));
    assert.ok(!inspect(error).includes('sekret'));
    await sessions.close();
  });

  test('H29: a password with an unescaped # or / throws, and is sent nowhere', () => {
    for (const string of ['redis://:p#ss@prod', 'redis://:p/ss@prod', 'redis://:p%zz@prod']) {
      assert.throws(
        () => new SpotsSessions(string),
        (error) => {
          assert.match(error.message, /^failed to instantiate/);
          assert.ok(error.cause instanceof Error);
          assert.ok(!inspect(error).includes(string.slice(9, 13)), 'the password is not repeated');
          return true;
        },
      );
    }
  });

  test('H30: a database that is no number throws, an absent one rejects, and neither becomes database 0', async () => {
    assert.throws(() => new SpotsSessions(`${server().url}/abc`), /failed to instantiate/);
    const { redis } = open();
    await redis.flushdb();
    const sessions = new SpotsSessions({
      connectionString: `${server().url}/99`,
    });
    const error = await rejection(() =>
      sessions.create({ app: APP, ownerId: 'alice', data: DATA }),
    );
    assert.equal(error.name, 'SpotsSessionsError');
    assert.match(error.message, /out of range/i);
    assert.equal(await redis.dbsize(), 0);
    await sessions.close();
  });
});
