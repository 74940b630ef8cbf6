'use strict';

// `migrate` of each system, cut off at chosen points and at random ones, and run again: the end is that of a run that
// nothing disturbed. The sessions are those of the real writers. Version 1 knows no Sentinel and no Cluster. So one server
// is written to, and the others get copies of its keys, with their expiries.

const assert = require('node:assert/strict');
const { after, afterEach, before, beforeEach, describe, test } = require('node:test');
const { RedisStore } = require('connect-redis');
const { createClient } = require('redis');
const foreign = require('../lib/foreign.js');
const { runCli, startCli } = require('./support/command-line.js');
const { startCluster } = require('./support/cluster.js');
const { expiryOf } = require('./support/expiries.js');
const { HOSTILE, HOSTILE_APP, writeIn1x, writeInStore } = require('./support/old-sessions.js');
const { startRedis, waitUntil } = require('./support/redis-server.js');
const { startSentinels } = require('./support/sentinel.js');
const { SpotsSessions } = require('../index.js');

const APP = HOSTILE_APP;
const COUNT = 2000;
/** Keys that are no sessions. With them, the scan is far from its end when a run is in its middle. */
const OTHERS = 6000;
/** How many batches are under way at once, and how many keys each has. */
const WORKERS = 8;
const BATCH_KEYS = 96;

const SYSTEMS = [
  {
    system: '1.x',
    options: ['--from', '1.x'],
    pattern: 'app:*',
    write: (server, all) =>
      writeIn1x(
        server,
        APP,
        all.map((each, n) => ({ ...each, duration: 3600 + n })),
      ),
  },
  {
    system: 'connect-redis',
    options: ['--from', 'connect-redis', '--owner', 'passport.user'],
    pattern: 'sess:*',
    async write(server, all) {
      const client = createClient({ url: server.url });
      await client.connect();
      const store = new RedisStore({ client });
      const lives = (n) => (n % 3 > 0 ? { maxAge: 3_600_000 + 1000 * n } : {});
      const written = await writeInStore(
        server,
        store,
        all.map((each, n) => ({ ...each, ...lives(n) })),
      );
      client.destroy();
      return written;
    },
  },
];

/** What each system has written: its sessions, each with its expiry and its key as DUMP returns it. */
const written = new Map();

before(async () => {
  const server = await startRedis();
  const redis = server.client();
  const given = Array.from({ length: COUNT }, (_, n) => {
    return {
      ownerId: `${HOSTILE[n % HOSTILE.length]}${n % 700}`,
      data: { n, text: 'é'.repeat(n % 300) },
    };
  });
  for (const { system, write } of SYSTEMS) {
    const all = (await write(server, given)).map(async (session) => {
      const { key } = session;
      return {
        ...session,
        expiresAt: await expiryOf(redis, key),
        dump: await redis.dumpBuffer(key),
      };
    });
    written.set(system, await Promise.all(all));
  }
  await server.stop();
});

/** Where a run is held. `values` and `read` of lib/migrate/old-keys.js read a batch, and `remove` deletes its old keys. */
const POINTS = {
  // The batch has been read, and is about to be taken over in one step.
  'before taking over': `
    async values(...args) {
      const found = await values.apply(this, args);
      await held();
      return found;
    }`,
  // The batch has been read, and is about to be created.
  'before creating': `
    async *read(...args) {
      for await (const entries of read.apply(this, args)) {
        await held();
        yield entries;
      }
    }`,
  // The batch has been created. `values` finds nothing, so none is taken over in one step, as on Redis 6.
  'before deleting': `
    values: async (keys) => keys.map(() => null),
    async remove(...args) {
      await held();
      return remove.apply(this, args);
    }`,
};

/**
 * Holds a run: the first batches pass, and all others wait at a point until something is typed.
 *
 * @param {keyof typeof POINTS} point
 * @param {number} first how many pass
 */
const hookAt = (point, first) => `
  import { once } from 'node:events';
  import { createRequire } from 'node:module';
  const { OldKeys } = createRequire(${JSON.stringify(__filename)})('../lib/migrate/old-keys.js');
  const { values, read, remove } = OldKeys.prototype;
  let calls = 0;
  let typed;
  const held = async () => {
    if (++calls <= ${first}) return;
    process.stderr.write('held ' + (calls - ${first}) + '\\n');
    typed ??= once(process.stdin, 'data').then(() => process.stdin.destroy());
    await typed;
  };
  Object.assign(OldKeys.prototype, {${POINTS[point]}});`;

/** Runs the command until it has ended by itself. */
async function runToTheEnd(args) {
  for (let runs = 1; ; runs++) {
    const { code, stderr } = await runCli(args);
    if (code === 0) return;
    assert.ok(runs < 10, stderr);
  }
}

/** Opens each token. Resolves to what it opens. */
function openAll(sessions, all) {
  return Promise.all(all.map(({ token }) => foreign.load(sessions, { app: APP, token })));
}

/** Resolves to how many tokens open a session. */
async function countOpen(url, all) {
  const sessions = new SpotsSessions(url);
  try {
    return (await openAll(sessions, all)).filter(Boolean).length;
  } finally {
    await sessions.close();
  }
}

/** Each token opens what it opened, until it would have ended, and its owner's index has it. */
async function assertAllMoved(url, all) {
  const sessions = new SpotsSessions(url);
  try {
    const found = await openAll(sessions, all);
    for (const [n, { ownerId, data, expiresAt }] of all.entries()) {
      assert.deepEqual([found[n]?.ownerId, found[n]?.data], [ownerId, data]);
      const off = found[n].expiresAt - expiresAt;
      assert.ok(Math.abs(off) <= 10, `ends ${off} ms later`);
    }
    const owners = [...new Set(all.map(({ ownerId }) => ownerId))];
    const lists = await Promise.all(owners.map((ownerId) => sessions.list({ app: APP, ownerId })));
    assert.equal(lists.flat().length, all.length);
    await Promise.all(owners.map((ownerId) => sessions.killAll({ app: APP, ownerId })));
    assert.deepEqual((await openAll(sessions, all)).filter(Boolean), []);
  } finally {
    await sessions.close();
  }
}

const CONFIG = { appendonly: 'yes', appendfsync: 'always' };

/**
 * Each kind of server: how it starts, which are its primaries, how one of them is killed and started again, and where a run
 * is held before it writes a batch.
 */
const TARGETS = [
  {
    target: 'redis',
    start: () => startRedis({ config: CONFIG }),
    primariesOf: async (server) => [server],
    restart: (server) => server.restart(),
    midway: 'before taking over',
  },
  {
    target: 'sentinel',
    start: () => startSentinels({ replicas: 1, sentinels: 3, downAfter: 60_000, config: CONFIG }),
    primariesOf: async (group) => [await group.primary()],
    async restart(group) {
      await (await group.primary()).restart();
      await group.settled();
    },
    midway: 'before taking over',
  },
  {
    target: 'cluster',
    start: () => startCluster({ primaries: 3, replicas: 0, downAfter: 60_000, config: CONFIG }),
    primariesOf: (cluster) => cluster.primaries(),
    async restart(cluster) {
      const node = cluster.nodes[Math.floor(Math.random() * cluster.nodes.length)];
      await node.kill();
      await node.start();
      await cluster.settled();
    },
    midway: 'before creating',
  },
];

for (const { target, start, primariesOf, restart, midway } of TARGETS) {
  describe(target, () => {
    let server;
    let redis;
    let clients;
    before(async () => {
      server = await start();
      redis = server.client();
      clients = (await primariesOf(server)).map((primary) => primary.client());
    });
    after(() => server?.stop());

    /** Sends a command CLIENT to each primary. */
    const tell = (...words) => Promise.all(clients.map((each) => each.client(...words)));
    // A test that has failed may have left them paused.
    afterEach(() => tell('UNPAUSE'));

    for (const { system, options, pattern } of SYSTEMS) {
      describe(`from ${system}`, () => {
        let all;
        beforeEach(async () => {
          all = written.get(system);
          await redis.flushall();
          await Promise.all(
            all.map(({ key, expiresAt, dump }) => redis.restore(key, expiresAt, dump, 'ABSTTL')),
          );
        });

        /** A call that is held must not fail, however busy the machine is. */
        const url = () =>
          `${server.url}${server.url.includes('?') ? '&' : '?'}commandTimeout=120000`;
        const args = () => ['migrate', url(), '--app', APP, '--json', ...options];
        const oldKeys = () => redis.keys(pattern);

        /** Runs it again until all is done, and checks the end. */
        async function finish() {
          await runToTheEnd(args());
          assert.equal((await oldKeys()).length, 0, 'old keys');
          await assertAllMoved(server.url, all);
        }

        /** Makes all that a run writes wait from now on. Resolves to what ends this, when something waits. */
        async function pause(begin) {
          await tell('PAUSE', 600_000, 'WRITE');
          begin();
          const waits = async () => / flags=b .* cmd=eval/.test((await tell('LIST')).join('\n'));
          await waitUntil(waits, 'the run to wait', 120_000);
          return () => tell('UNPAUSE');
        }

        /** Starts a run whose first batch waits until `release` is called. Resolves when it waits. */
        async function startHeld() {
          let run;
          const release = await pause(() => {
            run = startCli(args());
          });
          return { ...run, release };
        }

        /** Starts a run that is held, and resolves when so many batches wait. `type` lets them go on. */
        async function startHeldAt(point, { first, waiting }) {
          const run = startCli(args(), { hook: hookAt(point, first) });
          const shown = run.shows(`held ${waiting}\n`);
          const early = run.ended.then(({ stderr }) => assert.fail(`it ended early: ${stderr}`));
          await Promise.race([shown, early]);
          return run;
        }

        /** Some sessions have moved, and some have not. */
        async function assertMidway() {
          const { length } = await oldKeys();
          assert.ok(length > 0 && length < COUNT, `${length} old keys`);
        }

        /** Starts a run. Resolves when it has moved some batches, and the next ones wait at the server, half done. */
        async function startMidway() {
          const run = await startHeldAt(midway, { first: 2, waiting: 1 });
          await waitUntil(async () => (await oldKeys()).length < COUNT, 'some sessions to move');
          const release = await pause(() => run.type('go on\n'));
          await assertMidway();
          return { ...run, release };
        }

        /** Starts a run. Resolves when it has moved the first batches, and has created the next, and deleted none of these. */
        async function startBetween() {
          const run = await startHeldAt('before deleting', { first: WORKERS, waiting: WORKERS });
          const half = WORKERS * BATCH_KEYS;
          assert.equal((await oldKeys()).length, COUNT - half, 'what is left');
          assert.equal(await countOpen(server.url, all), half + half, 'what opens');
          return { ...run, half, release: async () => run.type('go on\n') };
        }

        /** Starts a run, and acts when it has moved a session that is chosen at random. Resolves to its end. */
        async function disturb(act) {
          const left = await oldKeys();
          const key = left[Math.floor(Math.random() * left.length)];
          const { child, ended } = startCli(args());
          const isMoved = async () => (await redis.exists(key).catch(() => 1)) === 0;
          await waitUntil(isMoved, 'a session to move', 120_000);
          await act(child);
          return ended;
        }

        /** Kills a run, and lets the server go on when it is gone. */
        async function kill({ child, ended, release }) {
          child.kill('SIGKILL');
          assert.equal((await ended).signal, 'SIGKILL');
          await release();
        }

        test('killed by SIGKILL, three times: before it has moved any, in its middle, and at random', async () => {
          await kill(await startHeld());
          assert.ok((await oldKeys()).length > 0);
          await kill(await startMidway());
          await assertMidway();
          await disturb((child) => child.kill('SIGKILL'));
          await finish();
        });

        test('killed by SIGKILL between create and delete: the next run deletes what it finds created', async () => {
          const { half, ...run } = await startBetween();
          await kill(run);
          assert.equal((await oldKeys()).length, COUNT - half, 'what is left');
          const { code, stdout, stderr } = await runCli(args());
          assert.equal(code, 0, stderr);
          const { moved, already } = JSON.parse(stdout);
          assert.deepEqual({ moved, already }, { moved: COUNT - half - half, already: half });
          await finish();
        });

        test('interrupted by SIGINT, three times: it ends its batches, says what was done, and exits with 130', async () => {
          const held = await startHeld();
          held.child.kill('SIGINT');
          await held.release();
          const { code, signal, stdout, stderr } = await held.ended;
          assert.deepEqual([code, signal], [130, null], stderr);
          const { complete, moved } = JSON.parse(stdout);
          assert.equal(complete, false);
          assert.ok(moved > 0 && moved < COUNT, `${moved}`);
          assert.equal((await oldKeys()).length, COUNT - moved, 'what is left');

          for (let n = 0, left = COUNT - moved; n < 2 && left > 0; n++) {
            const { code, signal, stdout } = await disturb((child) => child.kill('SIGINT'));
            const { complete, moved } = JSON.parse(stdout);
            left -= moved;
            // The signal may come when it has ended already.
            const hasEnded = code === 0 || signal === 'SIGINT';
            assert.ok(complete ? hasEnded : code === 130, `${code} ${signal} ${stdout}`);
            assert.equal((await oldKeys()).length, left, 'what is left');
          }
          await finish();
        });

        /** Kills a server and starts it again while a run waits. It may go on. */
        async function restartDuring({ ended, release }) {
          await restart(server);
          await release();
          await assertEnded(await ended);
        }

        /** If it says that it is done, it is. The server has its keys in another order now, and it must miss none. */
        async function assertEnded({ code }) {
          if (code === 0) assert.equal((await oldKeys()).length, 0);
        }

        test('a server is killed and started again, twice: before it has moved any, and at random', async () => {
          await restartDuring(await startHeld());
          if ((await oldKeys()).length > 0) await assertEnded(await disturb(() => restart(server)));
          await finish();
        });

        test('a server is killed and started again in the middle of a run', async () => {
          const others = Array.from({ length: OTHERS }, (_, n) => redis.set(`other:${n}`, ''));
          await Promise.all(others);
          await restartDuring(await startMidway());
          await finish();
        });

        test('a server is killed and started again between create and delete', async () => {
          await restartDuring(await startBetween());
          await finish();
        });
      });
    }
  });
}
