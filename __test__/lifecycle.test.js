'use strict';

// The life of an instance: an idle one lets the process end, and it survives its server, closes, and
// is collected.

const assert = require('node:assert/strict');
const { describe, test, before, after } = require('node:test');
const { rejection } = require('./support/rejection.js');
const { requestsOf } = require('./support/requests.js');
const { startRedis, waitUntil } = require('./support/redis-server.js');
const { runScript } = require('./support/scripts.js');
const { forEachTarget, freshName, onRedis } = require('./support/targets.js');

const OWNER = 'alice';
const times = (count, make) => Array.from({ length: count }, (_, n) => make(n));

/** Asserts that a script ended by itself and with success, and printed this. */
function assertEnded({ code, signal, stdout, stderr }, printed) {
  assert.deepEqual(
    { code, signal, stdout, stderr },
    { code: 0, signal: null, stdout: printed, stderr: '' },
  );
}

/** How many connections a server has from instances of ours. */
async function connections(redis) {
  return (await redis.client('LIST')).split('\n').filter((line) => / db=1 /.test(line)).length;
}

forEachTarget((_target, open, server) => {
  /** The connection string for scripts. */
  const url = () => server()?.url ?? 'memory:';

  describe('an idle instance lets the process end', () => {
    test('if it was never used', async () => {
      assertEnded(await runScript('new SpotsSessions(given.url);', { given: { url: url() } }), '');
    });

    test('after it has answered calls', async () => {
      const code = `
        const sessions = globalThis.kept = new SpotsSessions(given.url); // or it would be collected
        sessions.create({ app: 'app', ownerId: 'alice' })
          .then((token) => sessions.get({ app: 'app', token }))
          .then((session) => console.log(session.ownerId));`;
      assertEnded(await runScript(code, { given: { url: url() } }), 'alice\n');
    });

    // Of few calls, the event loop's thread reads the answers itself.
    test('after it has answered many calls at once', async () => {
      const code = `
        const sessions = globalThis.kept = new SpotsSessions(given.url); // or it would be collected
        sessions.create({ app: 'app', ownerId: 'alice' })
          .then((token) => Promise.all(Array.from({ length: 200 }, () => sessions.get({ app: 'app', token }))))
          .then((found) => console.log(found.length));`;
      assertEnded(await runScript(code, { given: { url: url() } }), '200\n');
    });
  });

  test('a pending call keeps the process alive, so a top-level await gets its answer', async () => {
    const code = `
      const sessions = new SpotsSessions(given.url);
      const token = await sessions.create({ app: 'app', ownerId: 'alice', data: { a: 1 } });
      const many = await Promise.all(Array.from({ length: 1000 }, () => sessions.get({ app: 'app', token })));
      const killed = await sessions.kill({ app: 'app', token });
      console.log(many.filter(({ data }) => data.a === 1).length, killed);`;
    assertEnded(await runScript(code, { given: { url: url() }, module: true }), '1000 true\n');
  });

  describe('close', () => {
    test('resolves when all pending calls have settled, and later calls reject', async () => {
      const { sessions } = open();
      const app = freshName();
      const token = await sessions.create({ app, ownerId: OWNER, data: { a: 1 }, duration: 600 });
      let settled = 0;
      const calls = times(1000, async () => {
        const { data } = await sessions.get({ app, token });
        settled++;
        return data.a;
      });
      const closing = [sessions.close(), sessions.close(), sessions[Symbol.asyncDispose]()];
      for (const [method, request] of Object.entries(requestsOf(app, token))) {
        const error = await rejection(() => sessions[method](request));
        assert.equal(error.code, 'ERR_SESSIONS_CLOSED', method);
        assert.equal(error.name, 'SpotsSessionsError');
      }
      assert.deepEqual(await Promise.all(closing), [undefined, undefined, undefined]);
      assert.equal(settled, 1000);
      assert.ok((await Promise.all(calls)).every((a) => a === 1));
      await sessions.close();
      assert.equal(
        (await rejection(() => sessions.get({ app, token }))).code,
        'ERR_SESSIONS_CLOSED',
      );
    });

    test('leaves nothing open that async_hooks can see, without a garbage collection', async () => {
      const code = `
        const { createHook } = require('node:async_hooks');
        const live = new Map();
        // These keep nothing open, and end only when they are collected. Jest ignores them, too.
        const init = (id, type) => ['PROMISE', 'DNSCHANNEL'].includes(type) || live.set(id, type);
        console.log('begins'); // stdout is a pipe, which is made now
        createHook({ init, destroy: (id) => live.delete(id) }).enable();
        async function main() {
          const sessions = new SpotsSessions(given.url);
          const token = await sessions.create({ app: 'app', ownerId: 'alice', duration: 60 });
          await Promise.all(Array.from({ length: 300 }, () => sessions.get({ app: 'app', token })));
          if (given.url !== 'memory:') await sessions.client.set('app:motd', 'hello');
          const open = [...live.values()];
          await sessions.close();
          const ids = [...live.keys()];
          const left = () => ids.filter((id) => live.has(id)).map((id) => live.get(id));
          for (let n = 0; n < 500 && left().length > 0; n++) await new Promise((next) => setTimeout(next, 10));
          console.log(open.some((type) => /napi|threadsafe/.test(type)), left().join());
        }
        main();`;
      assertEnded(await runScript(code, { given: { url: url() } }), 'begins\ntrue \n');
    });

    test('does not affect other instances', async () => {
      const { sessions } = open();
      const app = freshName();
      const token = await sessions.create({ app, ownerId: OWNER, duration: 600 });
      await open().sessions.close();
      assert.equal((await sessions.get({ app, token })).ownerId, OWNER);
    });
  });
});

onRedis((open, server) => {
  test('close ends the connection', async () => {
    const { redis } = open();
    const instances = times(10, () => open({ connectionString: `${server().url}/1` }).sessions);
    await Promise.all(
      instances.map((sessions) => sessions.get({ app: 'app', token: 'a'.repeat(40) })),
    );
    assert.equal(await connections(redis), 10);
    await Promise.all(instances.map((sessions) => sessions.close()));
    await waitUntil(async () => (await connections(redis)) === 0, 'the connections to end');
  });

  test('an instance is not collected before its first event, even if nothing else refers to it', async () => {
    const code = `
      const net = require('node:net');
      const { once } = require('node:events');
      const [host, port] = [new URL(given.url).hostname, new URL(given.url).port];
      async function waits(url) {
        const sessions = new SpotsSessions(url);
        await once(sessions, 'ready');
        console.log('ready');
        process.exit();
      }
      // The server is slow. Meanwhile only the promise of the event refers to the instance.
      const server = net.createServer((socket) => {
        setTimeout(() => socket.pipe(net.connect(port, host)).pipe(socket), 500);
      });
      server.listen(0, '127.0.0.1', () => {
        waits('redis://127.0.0.1:' + server.address().port);
        setInterval(gc, 20);
      });`;
    const options = { given: { url: server().url }, flags: ['--expose-gc'] };
    assertEnded(await runScript(code, options), 'ready\n');
  });

  test('instances that are collected without close release their connections', async () => {
    const { redis } = open();
    const code = `
      let instances = Array.from({ length: 100 }, () => new SpotsSessions(given.url));
      const calls = instances.map((sessions) => sessions.create({ app: 'app', ownerId: 'alice' }));
      let kept = new SpotsSessions(given.url);
      Promise.all(calls).then((tokens) => kept.get({ app: 'app', token: tokens[0] })).then(async () => {
        const { Redis } = require(require.resolve('ioredis', { paths: [root] }));
        const redis = new Redis(given.url.replace(/1$/, '0'));
        const count = async () =>
          (await redis.client('LIST')).split('\\n').filter((line) => / db=1 /.test(line)).length;
        const most = await count();
        instances = undefined;
        while ((await count()) > 1) {
          gc();
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        const session = await kept.create({ app: 'app', ownerId: 'bob' });
        console.log(most, typeof session);
        redis.disconnect();
      });`;
    const options = { given: { url: `${server().url}/1` }, flags: ['--expose-gc'] };
    assertEnded(await runScript(code, options), '101 string\n');
    await waitUntil(async () => (await connections(redis)) === 0, 'the connections to end');
  });

  const skip = process.platform !== 'linux' && 'counts descriptors as Linux shows them';
  test('instances that a program makes for each request and forgets are collected in time', {
    skip,
  }, async () => {
    const code = `
      const { readdirSync } = require('node:fs');
      async function main() {
        let most = 0;
        for (let n = 0; n < 1500; n++) {
          await new SpotsSessions(given.url).get({ app: 'app', token: 'a'.repeat(40) });
          most = Math.max(most, readdirSync('/proc/self/fd').length);
        }
        console.log(most < 1000 || most);
        process.exit();
      }
      main();`;
    assertEnded(await runScript(code, { given: { url: server().url } }), 'true\n');
  });

  test('a pending call settles even if nothing refers to its instance', async () => {
    const code = `
      const pending = (() => {
        process.kill(given.pid, 'SIGSTOP');
        return new SpotsSessions(given.url).create({ app: 'app', ownerId: 'alice' });
      })();
      let turns = 0;
      const collect = () => {
        gc();
        if (++turns < 20) setTimeout(collect, 1);
        else process.kill(given.pid, 'SIGCONT');
      };
      collect();
      pending.then((token) => console.log(typeof token, turns));`;
    const options = { given: { url: server().url, pid: server().pid }, flags: ['--expose-gc'] };
    try {
      assertEnded(await runScript(code, options), 'string 20\n');
    } finally {
      server().kill('SIGCONT');
    }
  });
});

describe('when the server', () => {
  let server;
  const opened = [];
  before(async () => {
    server = await startRedis();
  });
  after(async () => {
    await Promise.all(opened.map((sessions) => sessions.close()));
    await server.stop();
  });
  const open = (options) => {
    const { SpotsSessions } = require('../index.js');
    const sessions = new SpotsSessions({ connectionString: server.url, ...options });
    opened.push(sessions);
    return sessions;
  };
  const app = 'app';

  /**
   * Asserts that each method rejects while the server is down. No call is in doubt, not even the first
   * one: an idle connection is checked before it is written to.
   */
  async function assertUnreachable(sessions) {
    const requests = Object.entries(requestsOf(app, 'a'.repeat(172)));
    const errors = await Promise.all(
      requests.map(([method, request]) => rejection(() => sessions[method](request))),
    );
    for (const [n, error] of errors.entries()) {
      assert.equal(error.code, 'ERR_SESSIONS_CONNECTION', requests[n][0]);
      const where = `127.0.0.1:${server.port}`;
      assert.ok(error.message.includes(where), error.message);
      assert.match(error.message, /connection refused \(is it running\?\)/);
    }
  }

  test('is down, calls reject, and they work once it is back', async () => {
    const before = open({ commandTimeout: 1000 });
    const created = () => before.create({ app, ownerId: OWNER, duration: 600 }).catch(() => null);
    assert.equal(typeof (await waitUntil(created, 'a connection')), 'string');
    await server.down();
    const during = open({ commandTimeout: 1000 });
    try {
      await Promise.all([before, during].map(assertUnreachable));
    } finally {
      await server.start();
    }
    for (const sessions of [before, during]) {
      const create = () =>
        sessions.create({ app, ownerId: OWNER, duration: 600 }).catch(() => null);
      const token = await waitUntil(create, 'the sessions to find the server again');
      assert.equal((await sessions.get({ app, token })).ownerId, OWNER);
    }
  });

  test('comes back before the deadline, no call fails', async () => {
    const sessions = open({ commandTimeout: 60_000 });
    await sessions.create({ app, ownerId: OWNER, duration: 600 });
    await server.down();
    const creations = times(500, () => sessions.create({ app, ownerId: OWNER, duration: 600 }));
    await server.start();
    const tokens = await Promise.all(creations);
    assert.equal(new Set(tokens).size, 500);
    const found = await Promise.all(tokens.map((token) => sessions.get({ app, token })));
    assert.ok(found.every(({ ownerId }) => ownerId === OWNER));
  });

  test('is down, an idle process can end, and a pending call rejects', async () => {
    await server.down();
    try {
      const given = { options: { connectionString: server.url, commandTimeout: 300 } };
      assertEnded(await runScript('new SpotsSessions(given.options);', { given }), '');
      const code = `
        const sessions = new SpotsSessions(given.options);
        const error = await sessions.get({ app: 'app', token: 'a'.repeat(40) }).catch((error) => error);
        console.log(error.code);`;
      assertEnded(await runScript(code, { given, module: true }), 'ERR_SESSIONS_CONNECTION\n');
    } finally {
      await server.start();
    }
  });

  test('is down, close resolves once the pending calls have rejected', async () => {
    await server.down();
    try {
      const sessions = open({ commandTimeout: 300 });
      let rejected = false;
      const call = rejection(() => sessions.get({ app, token: 'a'.repeat(40) }));
      const done = call.then((error) => {
        rejected = error.code === 'ERR_SESSIONS_CONNECTION';
      });
      await sessions.close();
      assert.equal(rejected, true);
      await done;
    } finally {
      await server.start();
    }
  });

  test('hangs, an idle process can end', async () => {
    server.kill('SIGSTOP');
    try {
      const code = 'new SpotsSessions(given.url);';
      assertEnded(await runScript(code, { given: { url: server.url } }), '');
    } finally {
      server.kill('SIGCONT');
    }
  });

  test('hangs, calls time out, and late replies reach no other call', async () => {
    const patient = open();
    const create = (n) => patient.create({ app, ownerId: OWNER, data: { n }, duration: 600 });
    const tokens = await Promise.all(times(200, create));
    const sessions = open({ commandTimeout: 300 });
    const get = async (n) => (await sessions.get({ app, token: tokens[n] })).data.n;
    const serves = () =>
      get(0).then(
        (n) => n === 0 || assert.fail(`got ${n}`),
        () => false,
      );
    await waitUntil(serves, 'a connection');
    for (const outlastsConnection of [false, false, true]) {
      server.kill('SIGSTOP');
      try {
        const errors = await Promise.all(times(100, (n) => rejection(() => get(n))));
        for (const error of errors) {
          assert.equal(error.code, 'ERR_SESSIONS_TIMEOUT');
          assert.ok(error.message.includes(`127.0.0.1:${server.port}`), error.message);
          assert.match(error.message, /did not answer within 300 ms/);
        }
        // The connection is given up once a PING is not answered within a second, either.
        for (let n = 0; outlastsConnection && n < 5; n++) await rejection(() => get(n));
      } finally {
        server.kill('SIGCONT');
      }
      // Sessions other than those whose replies come now.
      const others = await Promise.all(times(100, (n) => get(199 - n).catch(() => 199 - n)));
      assert.deepEqual(
        others,
        times(100, (n) => 199 - n),
      );
      await waitUntil(serves, 'the server to serve again');
    }
  });
});
