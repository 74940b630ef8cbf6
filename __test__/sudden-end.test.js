'use strict';

// Sudden ends: the process exits, or a worker is terminated, with a thousand calls in flight. And what
// the instances and worker threads of one process share.

const assert = require('node:assert/strict');
const { existsSync } = require('node:fs');
const { describe, test } = require('node:test');
const { repeat, runScript } = require('./support/scripts.js');
const { forEachTarget } = require('./support/targets.js');
const { requestsOf } = require('./support/requests.js');

/** Where Linux shows a process its own threads and open files. */
const hasProc = existsSync('/proc/self/task');

/** Files that Node itself opens once, and keeps, when it first has workers. */
const SPARE = 2;

const times = (count, make) => Array.from({ length: count }, (_, n) => make(n));

/** A thousand calls of every kind, in flight. */
const IN_FLIGHT = `
  const sessions = new SpotsSessions({ connectionString: given.url, commandTimeout: 60_000 });
  const fly = () => {
    const requests = Object.entries(${JSON.stringify(requestsOf('app', 'A'.repeat(172)))});
    for (const [, request] of requests) if (request?.data) request.data.text = 'x'.repeat(500);
    return Array.from({ length: 1000 }, (_, n) => {
      const [method, request] = requests[n % requests.length];
      return sessions[method](request);
    });
  };`;

/** The states at the end: nothing sent yet, calls in flight, and answers arriving. */
const WHENS = [
  (end) => `fly(); ${end}`,
  (end) => `fly(); setImmediate(() => { ${end} });`,
  (end) => `fly(); setTimeout(() => { ${end} }, given.n % 7);`,
  (end) => `fly()[500].finally(() => { fly(); ${end} });`,
  (end) => `Promise.allSettled(fly()).then(() => { fly(); setImmediate(() => { ${end} }); });`,
];

forEachTarget((target, _open, server) => {
  const url = () => server()?.url ?? 'memory:';
  const run = (n, end) =>
    runScript(`${IN_FLIGHT}\n${WHENS[n % WHENS.length](end)}`, { given: { url: url(), n } });

  describe('with 1,000 calls in flight', () => {
    const rounds = target === 'redis' ? 100 : 20;
    test(`process.exit(7) ends the process with 7, ${rounds} times`, async () => {
      await repeat(rounds, 4, async (n) => {
        const { code, signal, stderr } = await run(n, 'process.exit(7);');
        assert.deepEqual({ code, signal, stderr }, { code: 7, signal: null, stderr: '' });
      });
    });

    test('an uncaught exception ends the process as usual', async () => {
      await repeat(10, 4, async (n) => {
        const { code, signal, stderr } = await run(n, "throw new Error('on purpose');");
        assert.deepEqual({ code, signal }, { code: 1, signal: null }, stderr);
        assert.match(stderr, /Error: on purpose/);
      });
    });

    test('SIGTERM ends the process, at once or through a handler', async () => {
      await repeat(10, 4, async (n) => {
        const { code, signal } = await run(n, "process.kill(process.pid, 'SIGTERM');");
        assert.deepEqual({ code, signal }, { code: null, signal: 'SIGTERM' });
      });
      await repeat(10, 4, async (n) => {
        // A handler alone does not keep the process alive until its signal comes.
        const end = `setInterval(() => {}, 1000);
          process.on('SIGTERM', () => process.exit(3)).kill(process.pid, 'SIGTERM');`;
        const { code, signal, stderr } = await run(n, end);
        assert.deepEqual({ code, signal, stderr }, { code: 3, signal: null, stderr: '' });
      });
    });

    test('worker.terminate() 100 times aborts nothing, and leaks no thread, file or memory', async () => {
      const { code, signal, stdout, stderr } = await runScript(TERMINATE, {
        given: {
          url: url(),
          spare: SPARE,
          inFlight: IN_FLIGHT,
          whens: WHENS.map((when) => when('tell();')),
        },
        // glibc keeps freed memory of threads, in up to 16 arenas on two cores, which would look like a leak.
        env: { MALLOC_ARENA_MAX: '1' },
      });
      assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
      const { ended, start, warm, last } = JSON.parse(stdout);
      assert.equal(ended, 100);
      assert.ok(last.tasks <= start.tasks, `threads: ${start.tasks}, then ${last.tasks}`);
      // Sockets are files, so this is about connections too.
      assert.ok(last.files <= start.files + SPARE, `files: ${start.files}, then ${last.files}`);
      // 80 terminated workers later; each had about a megabyte of calls in flight.
      const grown = Math.round((last.rss - warm.rss) / 2 ** 20);
      assert.ok(grown < 60, `memory grew by ${grown} MiB`);
    });
  });
});

/** Terminates workers; prints what the process holds before, after 20 of them and after 100. */
const TERMINATE = `
  const { Worker } = require('node:worker_threads');
  const fs = require('node:fs');
  const names = (folder) => (fs.existsSync(folder) ? fs.readdirSync(folder).length : 0);
  const held = () => ({
    tasks: names('/proc/self/task'),
    files: names('/proc/self/fd'),
    rss: process.memoryUsage().rss,
  });

  async function terminateOne(n) {
    const code = \`
      const { parentPort, workerData: given } = require('node:worker_threads');
      const { SpotsSessions } = require(\${JSON.stringify(root)});
      const tell = () => parentPort.postMessage('in flight');
      \${given.inFlight}
      \${given.whens[n % given.whens.length]}
      // As long as it lives there are calls in flight, but not a growing number of them.
      (async () => { for (;;) await Promise.allSettled(fly()); })();\`;
    const worker = new Worker(code, { eval: true, workerData: { url: given.url, n } });
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    await worker.terminate();
  }

  /** Waits until no more is held than at the start, because releasing takes a moment. */
  async function settled(start) {
    for (let attempt = 0; attempt < 3000; attempt++) {
      const now = held();
      if (now.tasks <= start.tasks && now.files <= start.files + given.spare) return now;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return held();
  }

  (async () => {
    // The first instance of the process starts the thread that all share.
    const first = new SpotsSessions(given.url);
    await first.create({ app: 'app', ownerId: 'alice' });
    const start = held();
    let ended = 0;
    let warm;
    while (ended < 100) {
      await Promise.all([terminateOne(ended), terminateOne(ended + 1)]);
      ended += 2;
      if (ended === 20) warm = await settled(start);
    }
    const last = await settled(start);
    await first.create({ app: 'app', ownerId: 'alice' });
    console.log(JSON.stringify({ ended, start, warm, last }));
  })();`;

forEachTarget((_target, _open, server) => {
  const url = () => server()?.url ?? 'memory:';

  test('instances and worker threads share a process and one I/O thread', async () => {
    const code = `
      const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
      const fs = require('node:fs');
      const threads = () => fs.readdirSync('/proc/self/task').filter((id) => {
        try {
          return fs.readFileSync(\`/proc/self/task/\${id}/comm\`, 'utf8').trim() === 'spots-sessions';
        } catch {
          return false; // it has just ended
        }
      }).length;

      async function use(name) {
        const instances = Array.from({ length: 50 }, () => new SpotsSessions(given.url));
        const uses = instances.map(async (sessions, n) => {
          const ownerId = name + n;
          const token = await sessions.create({ app: 'app', ownerId, data: { n } });
          const session = await sessions.get({ app: 'app', token });
          return session.ownerId === ownerId && session.data.n === n;
        });
        return (await Promise.all(uses)).filter(Boolean).length;
      }

      if (!isMainThread) return use(workerData).then((right) => parentPort.postMessage(right));
      (async () => {
        // At the same time, so that they race to start the thread.
        const answers = ['a', 'b', 'c', 'd'].map((name) => new Promise((resolve, reject) => {
          new Worker(__filename, { workerData: name }).once('message', resolve).once('error', reject);
        }));
        const rights = await Promise.all([use('main'), ...answers]);
        // The thread of a loser needs a moment to end.
        while (given.hasProc && threads() !== 1) await new Promise((resolve) => setTimeout(resolve, 5));
        console.log(rights.join(' '));
      })();`;
    const result = await runScript(code, { given: { url: url(), hasProc } });
    assert.deepEqual(result, {
      code: 0,
      signal: null,
      stdout: `${times(5, () => 50).join(' ')}\n`,
      stderr: '',
    });
  });
});
