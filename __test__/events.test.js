'use strict';

// The events of an instance about its connection: 'ready', 'reconnecting' and 'error'.

const assert = require('node:assert/strict');
const { EventEmitter, errorMonitor } = require('node:events');
const { describe, mock, test } = require('node:test');
const { inspect } = require('node:util');
const { SpotsSessionsError } = require('../index.js');
const { faultyServer } = require('./support/faults.js');
const { runScript } = require('./support/scripts.js');
const { forEachTarget, onRedis } = require('./support/targets.js');
const { waitUntil } = require('./support/wait-until.js');

const NAMES = ['ready', 'reconnecting', 'error'];

/** Keeps what an instance tells, in order. @param {import('../index.js').SpotsSessions} sessions */
function listen(sessions) {
  const told = [];
  for (const name of NAMES) sessions.on(name, (...about) => told.push({ name, about }));
  const names = () => told.map(({ name }) => name);
  return {
    told,
    names,
    /** Waits for the next event of this name. */
    next: (name, from = told.length) =>
      waitUntil(() => told.slice(from).find((event) => event.name === name), `'${name}'`),
  };
}

/** Makes a call that waits, so that the instance keeps trying. Its outcome does not matter. */
function call(sessions) {
  sessions.killAll({ app: 'app', ownerId: 'nobody' }).catch(() => {});
}

forEachTarget((target, open, server) => {
  const url = () => server()?.url ?? 'memory:';
  /** A cluster emits an event for each node. */
  const once = (events) => (target === 'cluster' ? [...new Set(events)] : events);
  const assertReady = (told) =>
    assert.deepEqual(once(told.map((event) => JSON.stringify(event))), [
      JSON.stringify({ name: 'ready', about: [] }),
    ]);

  test("'ready' is emitted after the constructor, once and without an argument", async () => {
    const { sessions } = open();
    const { told } = listen(sessions);
    assert.deepEqual(told, []);
    await waitUntil(() => told.length > 0, 'an event');
    await sessions.create({ app: 'app', ownerId: 'ann', duration: 60 });
    assertReady(told);
  });

  test('events are emitted while timers are faked', async () => {
    mock.timers.enable({ apis: ['setImmediate', 'setTimeout', 'Date'] });
    try {
      const { sessions } = open();
      const { told } = listen(sessions);
      for (let n = 0; n < 1000 && told.length === 0; n++) {
        await sessions.killAll({ app: 'app', ownerId: 'nobody' });
      }
      assertReady(told);
    } finally {
      mock.timers.reset();
    }
  });

  test('after close nothing is emitted', async () => {
    const { sessions } = open();
    const { told } = listen(sessions);
    await sessions.close();
    for (let n = 0; n < 3; n++) {
      const later = listen(open().sessions);
      await waitUntil(() => later.told.length > 0, 'an event of another instance');
    }
    assert.deepEqual(told, []);
  });

  test('listeners can be added and removed, as on any emitter', async () => {
    const { sessions } = open();
    assert.ok(sessions instanceof EventEmitter);
    const heard = [];
    const removed = () => heard.push('removed');
    sessions.addListener('ready', removed).on('ready', () => heard.push('on'));
    sessions.once('ready', () => heard.push('once')).removeListener('ready', removed);
    sessions.on('ready', removed).off('ready', removed);
    await waitUntil(() => heard.length >= 2, 'both');
    assert.deepEqual(once(heard), ['on', 'once']);
  });

  test('a listener keeps neither the process alive nor the instance from being collected', async () => {
    const code = `
      const names = ['ready', 'reconnecting', 'error'];
      let sessions = new SpotsSessions(given.url);
      for (const name of names) sessions.on(name, () => {});
      const idle = new SpotsSessions(given.url);
      for (const name of names) idle.on(name, () => {});
      const ref = new WeakRef(sessions);
      sessions.killAll({ app: 'app', ownerId: 'nobody' }).then(async () => {
        sessions = undefined;
        for (let n = 0; n < 1000 && ref.deref() !== undefined; n++) {
          await new Promise((resolve) => setTimeout(resolve, 5));
          gc();
        }
        console.log(ref.deref() === undefined ? 'collected' : 'held');
      });`;
    const end = await runScript(code, { given: { url: url() }, flags: ['--expose-gc'] });
    assert.deepEqual(end, { code: 0, signal: null, stdout: 'collected\n', stderr: '' });
  });

  test('an exception of a listener is uncaught, and every call still gets its answer', async () => {
    const code = `
      process.on('uncaughtException', (error) => console.log(error.message));
      const sessions = new SpotsSessions(given.url);
      sessions.on('ready', () => { throw new Error('from a listener'); });
      sessions.killAll({ app: 'app', ownerId: 'nobody' }).then(console.log);`;
    const { stdout, ...end } = await runScript(code, { given: { url: url() } });
    assert.deepEqual(once(stdout.trim().split('\n').sort()), ['false', 'from a listener']);
    assert.deepEqual(end, { code: 0, signal: null, stderr: '' });
  });

  test('a worker thread has events of its own', async () => {
    const code = `
      const { Worker } = require('node:worker_threads');
      const inside = \`
        const { parentPort, workerData } = require('node:worker_threads');
        const { SpotsSessions } = require(workerData.root);
        const sessions = new SpotsSessions(workerData.url);
        sessions.on('ready', () => parentPort.postMessage('ready'));
        const call = () => sessions.killAll({ app: 'app', ownerId: 'nobody' }).then(call);
        call();\`;
      const workerData = { root, url: given.url };
      let ready = 0;
      for (let n = 0; n < 4; n++) {
        const worker = new Worker(inside, { eval: true, workerData });
        worker.once('message', (name) => {
          worker.terminate().then(() => console.log(name));
        });
      }`;
    const end = await runScript(code, { given: { url: url() } });
    const stdout = 'ready\n'.repeat(4);
    assert.deepEqual(end, { code: 0, signal: null, stdout, stderr: '' });
  });
});

onRedis((open, server) => {
  test('a lost connection that is replaced at the first attempt emits no error', async () => {
    const { sessions, redis } = open();
    const { told, next, names } = listen(sessions);
    await next('ready', 0);
    const before = told.length;
    await redis.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await next('reconnecting', before);
    call(sessions);
    await next('ready', before);
    assert.deepEqual(names(), ['ready', 'reconnecting', 'ready']);
    const [error] = told[1].about;
    assert.ok(error instanceof SpotsSessionsError);
    assert.equal(error.code, 'ERR_SESSIONS_CONNECTION');
    const where = `127.0.0.1:${server().port}`;
    assert.equal(error.message, `cannot reach redis at ${where}: the connection was lost`);
  });
});

describe('while the server is down', () => {
  test('events report the loss, and why each attempt fails, until the server is back', async (t) => {
    const { server, open } = await faultyServer(t);
    const sessions = open({ commandTimeout: 60_000 });
    const { told, next, names } = listen(sessions);
    await next('ready', 0);
    await server.down();
    call(sessions);
    await waitUntil(() => names().filter((name) => name === 'error').length >= 3, 'three errors');
    const answers = [];
    sessions.once('ready', () => {
      answers.push(sessions.killAll({ app: 'app', ownerId: 'nobody' }));
    });
    await server.start();
    await next('ready');
    assert.deepEqual(await Promise.all(answers), [false]);

    const [first, lost, ...attempts] = told;
    assert.deepEqual([first.name, lost.name], ['ready', 'reconnecting']);
    assert.equal(attempts.pop().name, 'ready');
    assert.ok(attempts.length % 2 === 0 && attempts.length >= 6);
    for (let n = 0; n < attempts.length; n += 2) {
      const [error, reconnecting] = attempts.slice(n, n + 2);
      assert.deepEqual([error.name, reconnecting.name], ['error', 'reconnecting']);
      assert.equal(error.about[0], reconnecting.about[0]);
      assert.ok(error.about[0] instanceof SpotsSessionsError);
      assert.equal(error.about[0].code, 'ERR_SESSIONS_CONNECTION');
      assert.match(error.about[0].message, /connection refused \(is it running\?\)/);
    }
  });

  test('each attempt emits one error, however many calls there are', async (t) => {
    const { proxy, open } = await faultyServer(t, { proxy: true });
    proxy.hangsUp = () => true;
    const sessions = open({ commandTimeout: 60_000 });
    const { told, next, names } = listen(sessions);
    const until = Date.now() + 1500;
    while (Date.now() < until) {
      call(sessions);
      await new Promise(setImmediate);
    }
    const errors = names().filter((name) => name === 'error').length;
    // Pauses of 50 ms, doubling to 1 s, half of them random: at most 7 attempts in 1.5 s.
    assert.ok(errors >= 2 && errors <= 10, `${errors} errors`);
    assert.ok(errors <= proxy.connections, `${errors} of ${proxy.connections} attempts`);
    assert.equal(told.length, 2 * errors);
    proxy.reset();
    await next('ready');
  });

  test('an instance without a listener for errors does not throw', async () => {
    // Not the port of a stopped server: the server of another test may get it.
    const url = 'redis://127.0.0.1:1';
    for (const listener of ['', "sessions.on('reconnecting', () => console.log('again'));"]) {
      const code = `
        const sessions = new SpotsSessions({ connectionString: given.url, commandTimeout: 300 });
        ${listener}
        sessions.get({ app: 'app', token: 'a'.repeat(40) }).catch(({ code }) => console.log(code));`;
      const end = await runScript(code, { given: { url } });
      const lines = end.stdout.trim().split('\n');
      assert.deepEqual([end.code, end.stderr], [0, '']);
      assert.equal(lines.filter((line) => line !== 'again').join(), 'ERR_SESSIONS_CONNECTION');
      assert.equal(lines.includes('again'), listener !== '');
    }
  });

  test('errorMonitor gets the errors, with and without other listeners', async (t) => {
    const { server, open } = await faultyServer(t);
    await server.down();
    for (const listeners of [0, 1]) {
      const sessions = open({ commandTimeout: 300 });
      const monitored = [];
      const heard = [];
      sessions.on(errorMonitor, (error) => monitored.push(error));
      if (listeners > 0) sessions.on('error', (error) => heard.push(error));
      // A new call each time, because one call may be too short for two attempts.
      const twice = async () => {
        await sessions.killAll({ app: 'app', ownerId: 'nobody' }).catch(() => {});
        return monitored.length >= 2;
      };
      await waitUntil(twice, 'two errors');
      assert.equal(monitored[0].code, 'ERR_SESSIONS_CONNECTION');
      assert.deepEqual(heard, listeners > 0 ? monitored : []);
    }
  });

  test('no event is emitted after close, even if a listener calls close', async (t) => {
    const { server, open } = await faultyServer(t);
    await server.down();
    const sessions = open({ commandTimeout: 300 });
    const { told, next } = listen(sessions);
    sessions.once('error', () => sessions.close());
    call(sessions);
    await next('error', 0);
    const other = listen(open({ commandTimeout: 300 }));
    await other.next('reconnecting', 0);
    await server.start();
    const third = listen(open());
    await third.next('ready', 0);
    assert.deepEqual(
      told.map(({ name }) => name),
      ['error'],
    );
  });
});

test('the events of a refused login have its code, and show no secret', async (t) => {
  const { server, open, redis } = await faultyServer(t);
  await redis.config('SET', 'requirepass', 'another');
  const connectionString = server.url.replace('//', '//:s3cret@');
  const sessions = open({ connectionString });
  const { told, next } = listen(sessions);
  call(sessions);
  await next('reconnecting', 0);
  assert.deepEqual(
    told.slice(0, 2).map(({ name, about }) => [name, about[0].code, about[0].redisCode]),
    [
      ['error', 'ERR_SESSIONS_REDIS', 'WRONGPASS'],
      ['reconnecting', 'ERR_SESSIONS_REDIS', 'WRONGPASS'],
    ],
  );
  const shown = [inspect(sessions, { depth: 9, showHidden: true }), JSON.stringify(sessions)];
  const all = [...shown, inspect(told, { depth: 9, showHidden: true }), JSON.stringify(told)];
  assert.ok(!all.join().includes('s3cret'));
  await redis.config('SET', 'requirepass', 's3cret');
  call(sessions);
  await next('ready');
});
