'use strict';

// With few calls in flight the event loop's own thread writes them and reads their answers. What
// that could break: how exceptions travel, when the process may end, and who reads when that
// thread is busy, is ending, or has an answer before it that is too long.

const assert = require('node:assert/strict');
const { existsSync } = require('node:fs');
const { once } = require('node:events');
const net = require('node:net');
const { describe, test } = require('node:test');
const { runScript } = require('./support/scripts.js');
const { onRedis } = require('./support/targets.js');

/** One session and a token of it. */
const ONE = `
  const sessions = new SpotsSessions(given.url);
  const app = 'app';
  const request = { app, ownerId: 'alice', data: { text: 'x'.repeat(given.length ?? 10) } };
  const created = sessions.create(request);
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));`;

onRedis((open, server) => {
  const run = (code, given = {}) =>
    runScript(ONE + code, { given: { url: server().url, ...given } });
  const assertPrints = (result, stdout) =>
    assert.deepEqual(result, { code: 0, signal: null, stdout, stderr: '' });

  test('an exception in a continuation is uncaught, and the process goes on and can end', async () => {
    const code = `
      process.on('uncaughtException', ({ message }) => console.log(message));
      process.on('unhandledRejection', ({ message }) => console.log(message));
      created.then(async (token) => {
        const get = () => sessions.get({ app, token });
        await get();
        get().then(() => process.nextTick(() => { throw new Error('in a tick'); }));
        await pause(20);
        get().then(() => { throw new Error('in a continuation'); });
        await pause(20);
        console.log((await get()).ownerId);
        get().then(() => process.nextTick(() => { throw new Error('at the end'); }));
      });`;
    assertPrints(await run(code), 'in a tick\nin a continuation\nalice\nat the end\n');
  });

  test('a call that a continuation makes keeps the process alive', async () => {
    const code = `
      created.then(async (token) => {
        for (let n = 0; n < 100; n++) await sessions.get({ app, token });
        await sessions.kill({ app, token });
        console.log('ended');
      });`;
    assertPrints(await run(code), 'ended\n');
  });

  test('a connection that ended while the thread was busy is not written to, so kill does not claim what it did not do', async () => {
    const code = `
      const { spawnSync } = require('node:child_process');
      const admin = \`
        const redis = new (require('ioredis').Redis)(\${JSON.stringify(given.url)});
        redis.flushall().then(() => redis.client('KILL', 'TYPE', 'normal')).then(() => redis.quit());\`;
      created.then(async (token) => {
        await sessions.get({ app, token });
        spawnSync(process.execPath, ['-e', admin], { cwd: root, stdio: 'inherit' });
        console.log(await sessions.kill({ app, token }));
      });`;
    assertPrints(await run(code), 'false\n');
  });

  for (const [label, versions, expected] of [
    ['it reads if the libuv is the one that Node names', {}, true],
    ['it does not if Node names another libuv', { uv: '0.0.1' }, false],
    ['it does not on Bun', { bun: '1.0.0' }, false],
  ]) {
    test(`the event loop's thread reads only with Node's own libuv: ${label}`, async () => {
      const code = `
        const versions = { ...process.versions, ...given.versions };
        Object.defineProperty(process, 'versions', { value: versions });
        const sessions = new SpotsSessions(given.url);
        const app = 'app';
        sessions.create({ app, ownerId: 'alice', data: {} }).then(async (token) => {
          for (let n = 0; n < 10; n++) await sessions.get({ app, token });
          const { libuv } = process.report.getReport();
          console.log(libuv.some(({ type, is_active }) => type === 'poll' && is_active));
        });`;
      const given = { url: server().url, versions };
      assertPrints(await runScript(code, { given }), `${expected}\n`);
    });
  }

  test('a worker that ends in a continuation, or with an answer in flight, aborts nothing', async () => {
    const code = `
      const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
      const ends = {
        exit: () => process.exit(),
        terminate: () => parentPort.postMessage('end me'),
        pending: (get) => { get(); process.exit(); },
        idle: () => {},
      };
      if (!isMainThread) {
        created.then(async (token) => {
          const get = () => sessions.get({ app, token });
          for (let n = 0; n < 20; n++) await get();
          ends[workerData](get);
        });
      } else (async () => {
        for (let n = 0; n < 60; n++) {
          const end = Object.keys(ends)[n % 4];
          const worker = new Worker(__filename, { workerData: end });
          worker.on('message', () => worker.terminate());
          await new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
        }
        console.log('done');
      })();`;
    assertPrints(await run(code), 'done\n');
  });

  test('an answer that came in time counts, however long the event loop was blocked', async () => {
    const code = `
      const token = created.then(async (token) => {
        const hasty = new SpotsSessions({ connectionString: given.url, commandTimeout: 1000 });
        const get = () => hasty.get({ app, token });
        while (!(await get().catch(() => false))); // until it is connected
        for (let round = 0; round < 3; round++) {
          const session = get();
          await new Promise(setImmediate); // it is sent
          const until = Date.now() + 1500;
          while (Date.now() < until);
          console.log((await session).ownerId);
        }
      });`;
    assertPrints(await run(code), 'alice\n'.repeat(3));
  });

  describe('a connection that ends while the event loop is blocked', () => {
    // In another process, because the event loop is blocked there.
    const code = (ms) => `
      const net = require('node:net');
      const token = created.then(async (token) => {
        const get = () => sessions.get({ app, token });
        for (let n = 0; n < 5; n++) await get();
        await new Promise((resolve) => net.connect(given.control).resume().once('end', resolve));
        const session = get();
        await new Promise(setImmediate); // it is sent
        const until = Date.now() + ${ms};
        while (Date.now() < until);
        console.log((await session).ownerId);
      });`;
    const run = async (end, ms, commandTimeout) => {
      const proxy = await cuttingProxy(server().url, end);
      const url = { connectionString: proxy.url, commandTimeout };
      try {
        return await runScript(ONE + code(ms), {
          given: { url, control: proxy.control, length: 20_000 },
        });
      } finally {
        proxy.close();
      }
    };

    test('is noticed at once, even if it was reset with an answer in flight', async () => {
      // Longer than a script may take.
      const never = 600_000;
      assertPrints(await run((socket) => socket.resetAndDestroy(), 150, never), 'alice\n');
      assertPrints(await run((socket) => socket.destroy(), 150, never), 'alice\n');
    });

    test('is noticed in time to send the call again, however long the block lasts', async () => {
      assertPrints(await run((socket) => socket.destroy(), 2500, 2000), 'alice\n');
    });
  });

  test('long answers among short ones are read whole, and so are the answers behind them', async () => {
    const { sessions } = open({ maxDataSize: 2 ** 24 });
    const create = (length) =>
      sessions.create({ app: 'app', ownerId: 'alice', data: { text: 'ä'.repeat(length) } });
    const lengths = [1, 2 ** 20, 10, 40_000, 2 ** 21, 3];
    const tokens = await Promise.all(lengths.map(create));
    const read = async (n) => {
      const { data } = await sessions.get({ app: 'app', token: tokens[n % lengths.length] });
      assert.equal(data.text.length, lengths[n % lengths.length]);
    };
    for (let n = 0; n < 24; n++) await read(n);
    for (let round = 0; round < 5; round++) {
      await Promise.all(Array.from({ length: 30 }, (_, n) => read(n + round)));
    }
  });

  const name = 'calls one after another do not wake the I/O thread';
  const reason = existsSync('/proc/self/task') ? false : 'there is no /proc to see it by';
  test(reason ? `${name} (skipped: ${reason})` : name, { skip: reason }, async () => {
    const code = `
      const fs = require('node:fs');
      const thread = () => fs.readdirSync('/proc/self/task').find((id) =>
        fs.readFileSync(\`/proc/self/task/\${id}/comm\`, 'utf8').trim() === 'spots-sessions');
      const wakes = () => Number(/^voluntary_ctxt_switches:\\s*(\\d+)/m.exec(
        fs.readFileSync(\`/proc/self/task/\${thread()}/status\`, 'utf8'))[1]);
      created.then(async (token) => {
        await sessions.get({ app, token });
        await pause(20);
        const before = wakes();
        for (let n = 0; n < 500; n++) await sessions.get({ app, token });
        console.log(wakes() - before < 50);
      });`;
    assertPrints(await run(code), 'true\n');
  });
});

/**
 * A proxy that, once something connects to `control`, cuts the next answer after 5,000 bytes and ends
 * its connection 30 ms later; the next connection works.
 *
 * @param {string} url
 * @param {(socket: import('node:net').Socket) => void} end
 */
async function cuttingProxy(url, end) {
  let armed = false;
  const server = net.createServer((socket) => {
    const upstream = net.connect(Number(new URL(url).port), '127.0.0.1');
    let cut = false;
    socket.on('data', (bytes) => cut || upstream.write(bytes));
    upstream.on('data', (bytes) => {
      if (cut) return;
      cut = armed;
      if (!armed) return socket.write(bytes);
      armed = false;
      socket.write(bytes.subarray(0, 5000));
      setTimeout(end, 30, socket);
    });
    socket.on('error', () => {}).on('close', () => upstream.destroy());
    upstream.on('error', () => {}).on('close', () => cut || socket.destroy());
  });
  const control = net.createServer((socket) => {
    armed = true;
    socket.end();
  });
  for (const each of [server, control]) await once(each.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `redis://127.0.0.1:${server.address().port}`,
    control: control.address().port,
    close() {
      server.close();
      control.close();
    },
  };
}
