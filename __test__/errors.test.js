'use strict';

// Every failure is reported by one class with a code, and never shows a token, a password or data.

const assert = require('node:assert/strict');
const { inspect } = require('node:util');
const { after, before, beforeEach, describe, test } = require('node:test');
const { sessionKey } = require('./support/keys.js');
const { startRedis, waitUntil } = require('./support/redis-server.js');
const { rejection } = require('./support/rejection.js');
const { requestsOf } = require('./support/requests.js');
const { runScript } = require('./support/scripts.js');
const { freshName } = require('./support/targets.js');
const { SpotsSessions, SpotsSessionsError } = require('../index.js');

const PASSWORD = 'p4ss w0rd/#:@';
const DATA = { card: 'd4ta-v4lue' };

/** Checks every way to print or serialize a value. */
function assertNoSecret(value, secrets) {
  const texts = [
    inspect(value, {
      depth: Infinity,
      showHidden: true,
      maxStringLength: Infinity,
      maxArrayLength: Infinity,
    }),
    inspect(value, { showHidden: true, getters: true, depth: Infinity }),
    inspect(value),
    String(value),
    JSON.stringify(value) ?? '',
    ...(value instanceof Error
      ? [value.message, String(value.stack), JSON.stringify({ ...value })]
      : []),
  ];
  for (const secret of secrets) {
    for (const form of [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)]) {
      for (const text of texts)
        assert.ok(
          !text.includes(form),
          `a secret was shown in: ${text.replaceAll(form, '<secret>')}`,
        );
    }
  }
  if (value?.cause !== undefined) assertNoSecret(value.cause, secrets);
}

describe('errors', () => {
  let server;
  let redis;
  let app;
  const opened = [];
  before(async () => {
    server = await startRedis({ config: { requirepass: PASSWORD } });
    redis = server.client();
  });
  after(async () => {
    server.kill('SIGCONT');
    await Promise.all(opened.map((sessions) => sessions.close()));
    await server.stop();
  });
  beforeEach(() => {
    app = freshName();
  });

  function open(options) {
    const sessions = new SpotsSessions({ connectionString: server.url, ...options });
    opened.push(sessions);
    return sessions;
  }

  /** A valid request for every method, with a secret wherever there can be one. */
  const requests = (token) => {
    // A ping has no key, so it lacks no right.
    const { ping: _, ...all } = requestsOf(app, token);
    return { ...all, create: { ...all.create, data: DATA }, update: { ...all.update, data: DATA } };
  };

  /** Resolves when the instance is connected, so that no time of a short deadline goes into connecting. */
  const working = (sessions) =>
    waitUntil(
      () =>
        sessions.get({ app, token: 'nobody has this token' }).then(
          () => true,
          () => false,
        ),
      'the instance to work',
    );

  function assertSessionsError(error, code, secrets = []) {
    assert.ok(error instanceof SpotsSessionsError, inspect(error));
    assert.ok(error instanceof Error);
    assert.equal(error.name, 'SpotsSessionsError');
    assert.equal(error.code, code, inspect(error));
    assert.ok(error.message.length > 0);
    assert.match(error.stack, /SpotsSessionsError/);
    assertNoSecret(error, [PASSWORD, DATA.card, ...secrets]);
  }

  test('ERR_SESSIONS_CLOSED: the instance was closed', async () => {
    const sessions = open();
    await sessions.close();
    for (const [method, request] of Object.entries(requests())) {
      assertSessionsError(await rejection(() => sessions[method](request)), 'ERR_SESSIONS_CLOSED');
    }
  });

  test('ERR_SESSIONS_TIMEOUT: the server does not answer; afterwards the same instance works', async () => {
    const sessions = open({ commandTimeout: 200 });
    const token = await open().create(requests().create);
    await working(sessions);
    server.kill('SIGSTOP');
    try {
      const calls = Object.entries(requests(token));
      const errors = await Promise.all(
        calls.map(([method, request]) => rejection(() => sessions[method](request))),
      );
      for (const error of errors) assertSessionsError(error, 'ERR_SESSIONS_TIMEOUT', [token]);
    } finally {
      server.kill('SIGCONT');
    }
    await working(sessions);
  });

  test('ERR_SESSIONS_CONNECTION: no server; the message has host, port and reason, and calls work once it is back', async () => {
    const own = await startRedis({ config: { requirepass: PASSWORD } });
    const sessions = new SpotsSessions({ connectionString: own.url, commandTimeout: 1000 });
    try {
      await working(sessions);
      const token = 't0ken-t0ken-t0ken';
      await own.down();
      const calls = Object.entries(requests(token));
      const errors = await Promise.all(
        calls.map(([method, request]) => rejection(() => sessions[method](request))),
      );
      for (const error of errors) {
        assertSessionsError(error, 'ERR_SESSIONS_CONNECTION', [token]);
        assert.ok(error.message.includes(`127.0.0.1:${own.port}`), error.message);
        assert.match(error.message, /refused/i);
      }
      await own.start();
      await working(sessions);
    } finally {
      await sessions.close();
      await own.stop();
    }
  });

  test('ERR_SESSIONS_CONNECTION: a new instance without a server', async () => {
    const sessions = open({
      connectionString: `redis://:${encodeURIComponent(PASSWORD)}@127.0.0.1:1`,
      commandTimeout: 200,
    });
    const error = await rejection(() => sessions.get(requests().get));
    assertSessionsError(error, 'ERR_SESSIONS_CONNECTION');
    assert.match(error.message, /127\.0\.0\.1:1\b/);
  });

  test('ERR_SESSIONS_OVERLOADED: more than maxPending calls wait; the extra call rejects at once', async () => {
    const sessions = open({ maxPending: 10, commandTimeout: 1000 });
    await working(sessions);
    server.kill('SIGSTOP');
    try {
      let settled = 0;
      const count = () => settled++;
      const pending = Array.from({ length: 10 }, () => sessions.get(requests().get));
      for (const call of pending) call.then(count, count);
      for (const [method, request] of Object.entries(requests('t0ken-t0ken'))) {
        const error = await rejection(() => sessions[method](request));
        assertSessionsError(error, 'ERR_SESSIONS_OVERLOADED', ['t0ken-t0ken']);
      }
      assert.equal(settled, 0, 'those before it still wait');
      const answers = await Promise.allSettled(pending);
      assert.ok(answers.every(({ reason }) => reason?.code === 'ERR_SESSIONS_TIMEOUT'));
    } finally {
      server.kill('SIGCONT');
    }
    await working(sessions);
  });

  test('ERR_SESSIONS_OVERLOADED: maxPending calls at once are fine, again and again', async () => {
    const sessions = open({ maxPending: 10 });
    for (let round = 0; round < 50; round++) {
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => sessions.get(requests().get)),
      );
      assert.deepEqual(answers, Array(10).fill(undefined));
    }
  });

  test('ERR_SESSIONS_CORRUPT: the value under the key is not a record', async () => {
    const sessions = open();
    const token = await sessions.create(requests().create);
    await redis.set(sessionKey(app, 'alice', token), `garbage ${DATA.card}`);
    assertSessionsError(
      await rejection(() => sessions.get({ app, token })),
      'ERR_SESSIONS_CORRUPT',
      [token],
    );
  });

  describe('ERR_SESSIONS_REDIS: the server refuses, and its own code is in redisCode', () => {
    test('OOM: no memory left; reading still works', async () => {
      const sessions = open();
      const token = await sessions.create(requests().create);
      await redis.config('SET', 'maxmemory', '1');
      try {
        for (const method of ['create', 'update']) {
          const error = await rejection(() => sessions[method](requests(token)[method]));
          assertSessionsError(error, 'ERR_SESSIONS_REDIS', [token]);
          assert.equal(error.redisCode, 'OOM');
        }
        assert.deepEqual(await sessions.get({ app, token }), { ownerId: 'alice', data: DATA });
        assert.equal(await sessions.kill({ app, token }), true, 'logging out must work then, too');
      } finally {
        await redis.config('SET', 'maxmemory', '0');
      }
      assert.equal(typeof (await sessions.create(requests().create)), 'string');
    });

    const refusals = [
      ['WRONGPASS', 'a wrong password', () => server.url.replace(/:[^/]*@/, ':wr0ng-passw0rd@')],
      ['NOAUTH', 'no password', () => `redis://127.0.0.1:${server.port}`],
      [
        'NOPERM',
        'a user who may not',
        () => `redis://weak:${encodeURIComponent(PASSWORD)}@127.0.0.1:${server.port}`,
      ],
    ];
    for (const [redisCode, label, connectionString] of refusals) {
      test(`${redisCode}: ${label}`, async () => {
        await redis.call(
          'ACL',
          'SETUSER',
          'weak',
          'on',
          `>${PASSWORD}`,
          '~*',
          '+ping',
          '+hello',
          '+client',
          '+info',
        );
        const sessions = open({ connectionString: connectionString() });
        for (const [method, request] of Object.entries(requests())) {
          const error = await rejection(() => sessions[method](request));
          assertSessionsError(error, 'ERR_SESSIONS_REDIS', ['wr0ng-passw0rd', 'nobody-has-this']);
          assert.equal(error.redisCode, redisCode, error.message);
        }
      });
    }
  });

  describe('no secret is shown', () => {
    test('when an instance is printed, before and after its client was made', async () => {
      const sessions = open();
      const token = await sessions.create(requests().create);
      await sessions.get({ app, token });
      const pending = sessions.update({ app, token, data: DATA });
      assertNoSecret(sessions, [PASSWORD, DATA.card, token]);
      await pending;
      await sessions.client.ping();
      assertNoSecret(sessions, [PASSWORD, DATA.card, token]);
      assert.ok(inspect(sessions).includes('SpotsSessions'));
    });

    test('when an instance is printed with all its getters, and no client is made for that', async (t) => {
      class Own extends SpotsSessions {}
      const options = [true, 'get', 'set'].flatMap((getters) =>
        [true, false].map((customInspect) => ({ showHidden: true, getters, customInspect })),
      );
      const printed = [];
      t.mock.method(process.stdout, 'write', (text) => printed.push(text));
      for (const Class of [SpotsSessions, Own]) {
        const sessions = new Class(server.url);
        const print = () => {
          for (const each of [
            sessions,
            Object.create(sessions),
            Class,
            Class.prototype,
            [{ sessions }],
          ]) {
            for (const option of options) printed.push(inspect(each, { depth: 9, ...option }));
          }
          console.dir(sessions, { showHidden: true, getters: true });
        };
        print();
        await sessions.close();
        // If a getter had made a client, this would return it.
        assert.throws(() => sessions.client, { code: 'ERR_SESSIONS_CLOSED' });
        const used = open();
        await used.client.ping();
        print();
      }
      t.mock.restoreAll();
      assert.ok(printed.length > 100);
      assertNoSecret(printed.join('\n'), [PASSWORD]);
      assert.ok(!/client.*Getter/.test(printed.join('\n')), 'printing does not call the getter');
    });

    test('when the constructor refuses its options', () => {
      const rows = [
        { connectionString: 'redis://:s3cret@localhost', tokenSize: 1 },
        { connectionString: 'redis://:s3cret@localhost', tls: 5 },
        { connectionString: 'redis://:s3cret@localhost:99999' },
        { connectionString: 'redis://user:s3cret@localhost/abc' },
        { connectionString: 'http://user:s3cret@localhost' },
        { connectionString: 'redis://:s3cret#@localhost' },
        { connectionString: 'redis://:s3cret%zz@localhost' },
        { connectionString: 'redis://:s3cret@[::1' },
        { connectionString: 'redis://localhost?password=s3cret&db=x' },
        { connectionString: ['redis://:s3cret@localhost'] },
      ];
      for (const options of rows) {
        assert.throws(
          () => new SpotsSessions(options),
          (error) => {
            assert.match(error.message, /^failed to instantiate/);
            assertNoSecret(error, ['s3cret']);
            return true;
          },
          inspect(options),
        );
      }
    });
  });
});

test('a rejected call is one unhandled rejection if nobody handles it, and else none, traced or not', async () => {
  for (const traced of [false, true]) {
    const { code, stdout, stderr } = await runScript(
      `if (given.traced)
         require('node:diagnostics_channel').subscribe('tracing:spots-sessions:call:error', () => {});
       const unhandled = [];
       process.on('unhandledRejection', ({ code }, promise) => unhandled.push([code, promise === alone]));
       process.on('rejectionHandled', () => unhandled.push('late'));
       const options = { connectionString: 'redis://127.0.0.1:1', commandTimeout: 300 };
       const sessions = new SpotsSessions(options);
       const get = () => sessions.get({ app: 'shop', token: 'a token of somebody' });
       const awaited = async () => { try { await get(); } catch {} };
       const handled = [awaited(), get().catch(() => {}), Promise.allSettled([get()])];
       const alone = get();
       Promise.all(handled).then(() => setTimeout(() => console.log(JSON.stringify(unhandled)), 10));`,
      { given: { traced } },
    );
    assert.equal(code, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), [['ERR_SESSIONS_CONNECTION', true]], `traced: ${traced}`);
  }
});

test('the error names the missing EVALSHA, wherever the server cuts the arguments that it repeats', async (t) => {
  const server = await startRedis({ args: ['--rename-command', 'EVALSHA', ''] });
  t.after(() => server.stop());
  const sessions = new SpotsSessions(server.url);
  t.after(() => sessions.close());
  // A character of two bytes, so that one of the two names is cut inside a character.
  for (const app of ['é'.repeat(60), `a${'é'.repeat(60)}`]) {
    const error = await rejection(() => sessions.create({ app, ownerId: 'ann', data: DATA }));
    assert.deepEqual([error.code, error.redisCode], ['ERR_SESSIONS_REDIS', 'ERR']);
    assert.match(error.message, /^redis refused: ERR unknown command .EVALSHA.$/);
  }
});
