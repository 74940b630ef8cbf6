'use strict';

// A function that gives the password, as for tokens that expire: it is asked at each attempt to connect, and it may fail.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { test } = require('node:test');
const { inspect } = require('node:util');
const { SpotsSessions } = require('../../index.js');
const { startFakeServer } = require('../support/fake-server.js');
const { assertOutage, faultyServer, recovers, settled } = require('../support/faults.js');
const { runScript } = require('../support/scripts.js');
const { assertShowsNothing } = require('../support/secrets.js');
const { waitUntil } = require('../support/wait-until.js');

/** A server with a user whose password the tests change. `url` names the user, and has no password. */
async function serverWithUser(t) {
  const faulty = await faultyServer(t);
  const { server, redis } = faulty;
  const setPassword = (password) =>
    redis.acl('SETUSER', 'shop', 'resetpass', 'on', `>${password}`, '~spots:*', '+@all');
  await setPassword('s3cret');
  /** Closes all connections of the user. */
  const disconnect = () => redis.client('KILL', 'USER', 'shop');
  return { ...faulty, url: server.url.replace('//', '//shop@'), setPassword, disconnect };
}

/** The next error event. */
async function nextError(sessions) {
  const [error] = await once(sessions, 'error');
  return error;
}

/** Asserts that an object shows no password, however it is printed. */
function assertHidden(object) {
  const text = inspect(object, { depth: 9, showHidden: true, getters: true });
  assert.ok(!text.includes('s3cret'), text.match(/.*s3cret.*/g)?.join('\n'));
}

for (const [label, ask] of [
  ['a function', () => 's3cret'],
  ['an async function', async () => 's3cret'],
  ['a function that takes a while', () => new Promise((give) => setImmediate(give, 's3cret'))],
  ['a function that returns a thenable', () => ({ then: (give) => give('s3cret') })],
]) {
  test(`R59 ${label} gives the password, once for each attempt to connect and not for each call`, async (t) => {
    const { open, app, url, disconnect } = await serverWithUser(t);
    let asked = 0;
    const password = (...args) => {
      assert.deepEqual(args, []);
      asked++;
      return ask();
    };
    // Beside an attempt that hangs for a tenth of connectTimeout, another one begins.
    const timeouts = { connectTimeout: 200_000, commandTimeout: 20_000 };
    const sessions = open({ connectionString: url, password, ...timeouts });
    const token = await sessions.create({ app, ownerId: 'ann', data: { n: 1 } });
    for (let n = 0; n < 100; n++) await sessions.get({ app, token });
    await Promise.all(Array.from({ length: 100 }, () => sessions.get({ app, token })));
    assert.equal(asked, 1);

    await disconnect();
    assert.deepEqual((await sessions.get({ app, token })).data, { n: 1 });
    assert.equal(asked, 2);
  });
}

test('R59 after the password is changed, the next connection asks for it again and works', async (t) => {
  const { open, app, url, setPassword, disconnect } = await serverWithUser(t);
  let current = 's3cret-1';
  await setPassword(current);
  const sessions = open({ connectionString: url, password: () => current, commandTimeout: 20_000 });
  const token = await sessions.create({ app, ownerId: 'ann' });
  for (let n = 2; n < 6; n++) {
    current = `s3cret-${n}`;
    await setPassword(current);
    assert.ok(await sessions.get({ app, token }), 'an open connection works on');
    await disconnect();
    assert.ok(await sessions.get({ app, token }));
  }
});

test('R59 a password that has expired is refused as any wrong one, until the function gives the right one', async (t) => {
  const { open, app, url } = await serverWithUser(t);
  let current = 'expired-s3cret';
  const sessions = open({ connectionString: url, password: async () => current });
  const error = await nextError(sessions);
  assert.deepEqual([error.code, error.redisCode], ['ERR_SESSIONS_REDIS', 'WRONGPASS']);
  assert.ok(!('cause' in error));
  assertShowsNothing(error);
  const refused = await settled(sessions.get({ app, token: 'A'.repeat(172) }), 4000);
  assert.equal(refused.error?.redisCode, 'WRONGPASS');
  current = 's3cret';
  await recovers(sessions, app);
});

const thrown = new Error('s3cret: no token from the service');
/** Functions that give no password, with what the cause is. */
const FAILURES = [
  [
    'throws',
    () => {
      throw thrown;
    },
    thrown,
  ],
  [
    'rejects',
    async () => {
      throw thrown;
    },
    thrown,
  ],
  [
    'throws a text',
    () => {
      throw 's3cret';
    },
    's3cret',
  ],
  [
    'throws undefined',
    () => {
      throw undefined;
    },
    undefined,
  ],
  ['gives a number', () => 5, /expected what `password` gives to be a string, got a number/],
  ['gives undefined', async () => undefined, /to be a string, got undefined/],
  ['gives null', () => null, /to be a string, got null/],
  ['gives a Buffer', () => Buffer.from('s3cret'), /to be a string, got an instance of Buffer/],
  ['gives an empty text', async () => '', /a string that is not empty, got an empty string/],
  [
    'gives a thenable that throws',
    () => ({
      get then() {
        throw thrown;
      },
    }),
    thrown,
  ],
];

for (const [label, fail, cause] of FAILURES) {
  test(`R59 a function that ${label} is a failed attempt to connect, with the cause, and is asked again`, async (t) => {
    const { open, app, url } = await serverWithUser(t);
    let asked = 0;
    let works = false;
    const password = () => {
      asked++;
      return works ? 's3cret' : fail();
    };
    const sessions = open({ connectionString: url, password, commandTimeout: 300 });
    const error = await nextError(sessions);
    assert.equal(error.code, 'ERR_SESSIONS_CONNECTION');
    assert.match(error.message, /^cannot reach redis at \S+: the function `password` failed/);
    assert.ok('cause' in error);
    if (cause instanceof RegExp) assert.match(error.cause.message, cause);
    else assert.equal(error.cause, cause);
    assertShowsNothing(error);

    const again = nextError(sessions);
    // The calls' own errors have no cause, so they show nothing of what was thrown: `settled` sees to that.
    await assertOutage(sessions, app, 300, /^ERR_SESSIONS_CONNECTION$/);
    const { error: ofCall } = await settled(sessions.ping(), 300);
    assert.ok(!('cause' in ofCall), inspect(ofCall));
    await again;
    assert.ok(asked > 1, 'it was asked again');
    works = true;
    await recovers(sessions, app);
  });
}

test('R59 a function that does not answer within connectTimeout fails the attempt, and its late answer is ignored', async (t) => {
  const { open, app, url } = await serverWithUser(t);
  const late = [];
  let works = false;
  const password = () =>
    works ? 's3cret' : new Promise((give, fail) => late.push({ give, fail }));
  const options = { connectionString: url, password, connectTimeout: 250, commandTimeout: 600 };
  const sessions = open(options);
  const error = await nextError(sessions);
  assert.equal(error.code, 'ERR_SESSIONS_CONNECTION');
  assert.match(error.message, /: the function `password` gave no answer within 250 ms$/);
  assert.ok(!('cause' in error));
  await assertOutage(sessions, app, 600, /^ERR_SESSIONS_CONNECTION$/);
  await waitUntil(() => late.length > 1, 'it to be asked again');
  late.shift().give('a late s3cret');
  late.shift().fail(new Error('a late s3cret'));
  works = true;
  await recovers(sessions, app);
});

test('R59 while the function is asked, calls begin no further attempts', async (t) => {
  const { open, app, url } = await serverWithUser(t);
  const waiting = [];
  const password = () => new Promise((give) => waiting.push(give));
  // Beside an attempt that hangs because of the server, others would begin after a second.
  const sessions = open({ connectionString: url, password, commandTimeout: 2500 });
  await assertOutage(sessions, app, 2500, /^ERR_SESSIONS_CONNECTION$/);
  assert.equal(waiting.length, 1);
  waiting[0]('s3cret');
  await recovers(sessions, app);
});

test('R59 close does not wait for an open question, and asks no further one', async (t) => {
  const { open, app, url } = await serverWithUser(t);
  let asked = 0;
  const password = () => {
    asked++;
    return new Promise(() => {});
  };
  const options = { connectionString: url, password, connectTimeout: 2 ** 31 - 1 };
  const sessions = open({ ...options, commandTimeout: 200 });
  sessions.on('error', (error) => assert.fail(error));
  await waitUntil(() => asked === 1, 'it to be asked');
  const call = settled(sessions.get({ app, token: 'A'.repeat(172) }), 200);
  await sessions.close();
  assert.equal((await call).error?.code, 'ERR_SESSIONS_CONNECTION');
  assert.equal(asked, 1);
});

for (const [label, end] of [
  ['alone', ''],
  ['and a call that times out', 'sessions.ping().catch((error) => console.log(error.code));'],
  ['and `client`', 'sessions.client; setImmediate(() => sessions.close());'],
]) {
  test(`R59 an open question ${label} does not keep the process alive`, async (t) => {
    const { url } = await serverWithUser(t);
    const { code, signal, stdout, stderr } = await runScript(
      `const timer = setInterval(() => {}, 1000);
       const password = () => {
         console.log('asked');
         clearInterval(timer);
         return new Promise(() => {});
       };
       const sessions = new SpotsSessions({
         connectionString: given.url, password, connectTimeout: 2 ** 31 - 1, commandTimeout: 100,
       });
       sessions.on('error', (error) => console.error(error));
       ${end}`,
      { given: { url } },
    );
    assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
    assert.match(stdout, /asked/);
  });
}

test('R59 a function that never answers keeps no instance that the program has forgotten', async (t) => {
  const { url } = await serverWithUser(t);
  const { code, stdout, stderr } = await runScript(
    `let collected = 0;
     const registry = new FinalizationRegistry(() => collected++);
     const waiting = [];
     const password = () => new Promise((give) => waiting.push(give));
     const make = () => {
       const sessions = new SpotsSessions({ connectionString: given.url, password, connectTimeout: 50 });
       registry.register(sessions);
     };
     for (let n = 0; n < 20; n++) make();
     (async () => {
       while (collected < 20) {
         gc();
         await new Promise((resolve) => setTimeout(resolve, 10));
       }
       for (const give of waiting) give('s3cret');
       console.log(waiting.length, 'were asked, and are collected');
     })();`,
    { given: { url }, flags: ['--expose-gc'] },
  );
  assert.deepEqual(
    { code, stdout, stderr },
    { code: 0, stdout: '20 were asked, and are collected\n', stderr: '' },
  );
});

test('R59 a worker thread may be terminated while its function is asked', async (t) => {
  const { url } = await serverWithUser(t);
  const { code, signal, stdout, stderr } = await runScript(
    `const { Worker } = require('node:worker_threads');
     const source = \`
       const { parentPort, workerData } = require('node:worker_threads');
       const { SpotsSessions } = require(workerData.root);
       const password = () => {
         parentPort.postMessage('asked');
         return new Promise((give) => setTimeout(give, workerData.n % 3, 's3cret'));
       };
       new SpotsSessions({ connectionString: workerData.url, password }).ping();
     \`;
     const run = (n) => new Promise((resolve) => {
       const worker = new Worker(source, { eval: true, workerData: { root, n, url: given.url } });
       worker.once('message', () => setTimeout(() => worker.terminate(), n % 4));
       worker.once('exit', resolve);
     });
     (async () => {
       for (let n = 0; n < 24; n++) await run(n);
       console.log('all have ended');
     })();`,
    { given: { url } },
  );
  const expected = { code: 0, signal: null, stdout: 'all have ended\n', stderr: '' };
  assert.deepEqual({ code, signal, stdout, stderr }, expected);
});

test('R59 an instance shows nothing of its password, nor of what the function threw', async (t) => {
  const { open, app, url, disconnect } = await serverWithUser(t);
  let works = true;
  const password = () => {
    if (works) return 's3cret';
    throw new Error('s3cret');
  };
  const sessions = open({ connectionString: url, password, commandTimeout: 100 });
  await recovers(sessions, app);
  assertHidden(sessions);
  const { client } = sessions;
  client.on('error', () => {});
  await once(client, 'ready');
  assertHidden(client);
  works = false;
  const failed = nextError(sessions);
  await disconnect();
  await settled(sessions.ping(), 100);
  await failed;
  assertHidden(sessions);
});

test('R59 a server that repeats the password in its errors shows none that the function has given', async (t) => {
  const given = ['s3cret-one', 'another-s3cret', 's3cret-three'];
  const logins = new Map();
  const fake = await startFakeServer(t, ([name, ...args], connection) => {
    if (name === 'AUTH') logins.set(connection, args.at(-1));
    // The server repeats the password of this connection, and those of earlier ones.
    if (name === 'GET') return `-ERR bad words ${[...logins.values()].join(' ')}\r\n`;
    if (name === 'PING') return undefined; // it hangs up
    return null;
  });
  let asked = 0;
  const password = () => given[Math.min(asked++, 2)];
  const sessions = new SpotsSessions({ port: fake.port, password, commandTimeout: 300 });
  t.after(() => sessions.close());
  const get = () => settled(sessions.get({ app: 'app', token: 'A'.repeat(172) }), 300);
  const isShown = async () => (await get()).error?.message.includes('bad words');
  for (let connection = 1; connection <= 3; connection++) {
    await waitUntil(isShown, 'an error of the server');
    const { error } = await get();
    assert.match(error.message, /ERR bad words [*\s-]+$/);
    await settled(sessions.ping(), 300);
    await waitUntil(() => asked > connection, 'another connection');
  }
});
