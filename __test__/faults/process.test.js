'use strict';

// Faults of this process: too many calls, a wrong clock, forks, worker threads, copies of the package,
// and odd uses of `client`.

const assert = require('node:assert/strict');
const { join } = require('node:path');
const { test } = require('node:test');
const { execFile } = require('../../scripts/children.js');
const { faultyServer, long, recovers } = require('../support/faults.js');
const { sessionKey } = require('../support/keys.js');
const { compileLibrary } = require('../support/preload.js');
const { runScript } = require('../support/scripts.js');

const root = join(__dirname, '..', '..');
const times = (count, make) => Array.from({ length: count }, (_, n) => make(n));

/** Runs a script that must succeed and print this. */
async function assertPrints(printed, code, options) {
  const { stdout, ...end } = await runScript(code, options);
  assert.deepEqual(end, { code: 0, signal: null, stderr: '' }, stdout);
  assert.equal(stdout, printed);
}

test('R41 while the server is down, calls beyond maxPending are rejected at once, and the heap stays flat', async (t) => {
  const { server, app } = await faultyServer(t);
  await server.down();
  const code = `
    const sessions = new SpotsSessions({
      connectionString: given.url, maxPending: 10_000, commandTimeout: 60_000 });
    const request = { app: given.app, ownerId: 'ann', data: { x: 'x'.repeat(100) } };
    const waiting = Array.from({ length: 10_000 }, () => sessions.create(request));
    const codes = new Set();
    const heap = () => { gc(); return process.memoryUsage().heapUsed; };
    (async () => {
      let before;
      for (let n = 0; n < given.calls; n += 1000) {
        const calls = Array.from({ length: 1000 }, () => sessions.create(request));
        for (const { reason } of await Promise.allSettled(calls)) codes.add(reason?.code);
        if (n === 20_000) before = heap();
      }
      const grown = (heap() - before) / 2 ** 20;
      console.log([...codes].join(), grown < 10 ? 'flat' : grown + ' MiB', waiting.length);
      process.exit();
    })();`;
  const given = { url: server.url, app, calls: long ? 1_000_000 : 100_000 };
  await assertPrints('ERR_SESSIONS_OVERLOADED flat 10000\n', code, {
    given,
    flags: ['--expose-gc'],
  });
});

test('R44 an addon that only worker threads load does not crash when the last of them ends', async (t) => {
  const { server, app } = await faultyServer(t);
  const code = `
    const { Worker } = require('node:worker_threads');
    const code = 'const { workerData, parentPort } = require("node:worker_threads");' +
      'const { SpotsSessions } = require(workerData.root);' +
      'const sessions = new SpotsSessions(workerData.url);' +
      'const create = (n) => sessions.create({ app: workerData.app, ownerId: String(n) });' +
      'create(0).then(() => { for (let n = 0; n < 500; n++) create(n); parentPort.postMessage(1); });';
    const one = async (n) => {
      const worker = new Worker(code, { eval: true, workerData: given });
      // Listens from the start: a worker that ends at once emits its last message and exit in one turn.
      const exit = new Promise((resolve) => worker.once('exit', resolve));
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
      if (n % 2) await exit;
      else await worker.terminate();
    };
    (async () => {
      for (let n = 0; n < given.rounds; n++) await Promise.all([one(n), one(n + 1)]);
      console.log('done');
    })();`;
  const given = { url: server.url, app, root, rounds: long ? 250 : 15 };
  const script = `const given = ${JSON.stringify(given)}; ${code}`;
  const { stdout, stderr } = await execFile(process.execPath, ['-e', script]);
  assert.deepEqual({ stdout, stderr }, { stdout: 'done\n', stderr: '' });
});

test('R45 processes that child_process and cluster fork after use have connections of their own', async (t) => {
  const { server, app } = await faultyServer(t);
  const code = `
    const { fork } = require('node:child_process');
    const cluster = require('node:cluster');
    const sessions = new SpotsSessions(given.url);
    const use = async (name) => {
      const create = (n) => sessions.create({ app: given.app, ownerId: name, data: { name, n } });
      const tokens = await Promise.all(Array.from({ length: 300 }, (_, n) => create(n)));
      const found = await Promise.all(tokens.map((token) => sessions.get({ app: given.app, token })));
      return found.filter(({ data }, n) => data.name === name && data.n === n).length;
    };
    if (process.send) use(String(process.pid)).then((right) => process.send({ right }, () => process.exit()));
    else (async () => {
      const rights = [await use('parent')];
      const children = [fork(__filename), fork(__filename), cluster.fork().process, cluster.fork().process];
      const said = children.map((child) => new Promise((resolve) => {
        child.on('message', (message) => message.right !== undefined && resolve(message.right));
        child.on('exit', () => resolve('ended'));
      }));
      rights.push(await use('parent again'), ...(await Promise.all(said)));
      console.log(rights.join());
    })();`;
  await assertPrints('300,300,300,300,300,300\n', code, { given: { url: server.url, app } });
});

test('R48 copies of the package that are loaded again, and used in other contexts, all work', async (t) => {
  const { server, app } = await faultyServer(t);
  const code = `
    const vm = require('node:vm');
    const use = async (Sessions) => {
      const sessions = new Sessions(given.url);
      const token = await sessions.create({ app: given.app, ownerId: 'ann', data: { a: [1] } });
      const found = await sessions.get({ app: given.app, token });
      await sessions.close();
      return found.data.a[0] === 1;
    };
    const fresh = () => {
      // As a test runner does that resets its modules.
      for (const name of Object.keys(require.cache)) delete require.cache[name];
      return require(root).SpotsSessions;
    };
    (async () => {
      const copies = Array.from({ length: 50 }, fresh);
      let right = 0;
      for (const Sessions of copies) right += await use(Sessions);
      const context = vm.createContext({ Sessions: SpotsSessions, use, app: given.app });
      right += await vm.runInContext('use(Sessions)', context);
      const sessions = new SpotsSessions(given.url);
      const data = vm.runInNewContext('({ from: "elsewhere", list: [1] })');
      const token = await sessions.create({ app: given.app, ownerId: 'ann', data });
      right += JSON.stringify((await sessions.get({ app: given.app, token })).data) === JSON.stringify(data);
      console.log(new Set(copies).size, right);
    })();`;
  await assertPrints('50 52\n', code, { given: { url: server.url, app } });
});

/** A clock that is an hour wrong, for a process that preloads it. */
const WRONG_CLOCK = `
  #define _GNU_SOURCE
  #include <dlfcn.h>
  #include <stdlib.h>
  #include <sys/time.h>
  #include <time.h>
  int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    static int (*real)(struct timeval *, void *);
    if (!real) real = dlsym(RTLD_NEXT, "gettimeofday");
    int result = real(at, zone);
    at->tv_sec += atol(getenv("WRONG_BY"));
    return result;
  }
  int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, at);
    if (id == CLOCK_REALTIME) at->tv_sec += atol(getenv("WRONG_BY"));
    return result;
  }`;

for (const hours of [1, -1]) {
  test(`R49 sessions live as long as they should although the client's clock is ${hours} h off`, async (t) => {
    const library = compileLibrary(t, WRONG_CLOCK);
    if (!library) return t.skip('no C compiler for a clock that is wrong');
    const { server, app, redis } = await faultyServer(t);
    const code = `
      const sessions = new SpotsSessions(given.url);
      (async () => {
        const create = (duration) => sessions.create({ app: given.app, ownerId: 'ann', duration });
        const [token, other] = [await create(100), await create(100)];
        await sessions.refresh({ app: given.app, token: other, duration: 200 });
        console.log(JSON.stringify({ now: Date.now(), token, other }));
      })();`;
    const given = { url: server.url, app };
    const env = { LD_PRELOAD: library, WRONG_BY: `${hours * 3600}` };
    const { stdout } = await runScript(code, { given, env });
    const { now, token, other } = JSON.parse(stdout);
    const off = (now - Date.now()) / 3_600_000;
    assert.ok(Math.abs(off - hours) < 0.2, `the clock was ${off} hours off`);
    for (const [which, least, most] of [
      [token, 60, 100],
      [other, 160, 200],
    ]) {
      const left = await redis.ttl(sessionKey(app, 'ann', which));
      assert.ok(left > least && left <= most, `${left} s left`);
    }
  });
}

test('R53 the methods work whatever is done with client: SUBSCRIBE, MULTI, MONITOR, SELECT, QUIT', async (t) => {
  const { open, app, redis } = await faultyServer(t);
  const monitors = [];
  t.after(() => monitors.map((monitor) => monitor.disconnect()));
  const uses = {
    subscribe: (client) => client.subscribe('news'),
    multi: async (client) => {
      await client.watch('x');
      await client.call('MULTI');
    },
    monitor: async (client) => monitors.push(await client.monitor()),
    select: (client) => client.select(3),
    blocked: (client) => void client.blpop('never', 0).catch(() => {}),
    paused: (client) => client.client('REPLY', 'OFF').catch(() => {}),
    quit: (client) => client.quit(),
  };
  for (const [name, use] of Object.entries(uses)) {
    const sessions = open();
    sessions.client.on('error', () => {});
    const create = (n) => sessions.create({ app, ownerId: name, data: { n } });
    const before = await Promise.all(times(20, create));
    // Some of these never get a reply.
    await Promise.race([use(sessions.client), new Promise((resolve) => setTimeout(resolve, 200))]);
    const tokens = [...before, ...(await Promise.all(times(20, create)))];
    for (const [n, token] of tokens.entries())
      assert.equal((await sessions.get({ app, token })).data.n, n % 20, name);
    await recovers(sessions, app);
    sessions.client.disconnect();
  }
  assert.match(await redis.info('keyspace'), /^# Keyspace\r\ndb0:[^\n]*\n$/, 'in one database');
});
