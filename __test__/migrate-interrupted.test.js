'use strict';

// `migrate` of each system, cut off at random points, and run again: the end is that of a run that nothing disturbed.

const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const { after, before, beforeEach, describe, test } = require('node:test');
const foreign = require('../lib/foreign.js');
const { connectRedis } = require('../lib/migrate/connect-redis.js');
const { runCli, startCli } = require('./support/command-line.js');
const { startCluster } = require('./support/cluster.js');
const { HOSTILE, createIn1x } = require('./support/old-sessions.js');
const { startRedis, waitUntil } = require('./support/redis-server.js');
const { startSentinels } = require('./support/sentinel.js');
const { SpotsSessions } = require('../index.js');

const APP = 'a *shop*';
const COUNT = 2000;

/** Creates a session as connect-redis does. Returns what `createIn1x` returns. */
function createInConnectRedis(redis, { data, expiresAt }) {
  const sid = randomBytes(24).toString('base64url');
  const key = `sess:${sid}`;
  const { token } = connectRedis({ prefix: 'sess:' }).parseKey(sid);
  return { token, key, written: redis.set(key, JSON.stringify(data), 'PXAT', expiresAt) };
}

const SYSTEMS = [
  {
    system: '1.x',
    options: ['--from', '1.x'],
    pattern: 'app:*',
    create: createIn1x,
    dataOf: (_ownerId, data) => data,
  },
  {
    system: 'connect-redis',
    options: ['--from', 'connect-redis', '--owner', 'passport.user'],
    pattern: 'sess:*',
    create: createInConnectRedis,
    dataOf: (user, data) => ({ cookie: { originalMaxAge: null }, passport: { user }, ...data }),
  },
];

/** Writes sessions that end in about an hour, at a known millisecond. */
async function fill(redis, { create, dataOf }) {
  const begin = Date.now() + 3_600_000;
  const all = Array.from({ length: COUNT }, (_, n) => {
    const ownerId = `${HOSTILE[n % HOSTILE.length]}${n % 700}`;
    const data = dataOf(ownerId, { n, text: 'é'.repeat(n % 300) });
    const session = { app: APP, ownerId, data, expiresAt: begin + n };
    return { ...session, ...create(redis, session) };
  });
  await Promise.all(all.map(({ written }) => written));
  return all;
}

/** Runs the command until it has ended by itself. */
async function runToTheEnd(args) {
  for (let runs = 1; ; runs++) {
    const { code, stderr } = await runCli(args);
    if (code === 0) return;
    assert.ok(runs < 10, stderr);
  }
}

/** Each token opens what it opened, until it would have ended, and its owner's index has it. */
async function assertAllMoved(url, all) {
  const sessions = new SpotsSessions(url);
  const open = ({ token }) => foreign.load(sessions, { app: APP, token });
  try {
    const found = await Promise.all(all.map(open));
    for (const [n, { ownerId, data, expiresAt }] of all.entries()) {
      assert.deepEqual([found[n]?.ownerId, found[n]?.data], [ownerId, data]);
      const off = found[n].expiresAt - expiresAt;
      assert.ok(Math.abs(off) <= 10, `ends ${off} ms later`);
    }
    const owners = [...new Set(all.map(({ ownerId }) => ownerId))];
    const lists = await Promise.all(owners.map((ownerId) => sessions.list({ app: APP, ownerId })));
    assert.equal(lists.flat().length, all.length);
    await Promise.all(owners.map((ownerId) => sessions.killAll({ app: APP, ownerId })));
    assert.deepEqual((await Promise.all(all.map(open))).filter(Boolean), []);
  } finally {
    await sessions.close();
  }
}

const CONFIG = { appendonly: 'yes', appendfsync: 'always' };

/** Each kind of server: how it starts, which are its primaries, and how one of them is killed and started again. */
const TARGETS = [
  {
    target: 'redis',
    start: () => startRedis({ config: CONFIG }),
    primariesOf: async (server) => [server],
    restart: (server) => server.restart(),
  },
  {
    target: 'sentinel',
    start: () => startSentinels({ replicas: 1, sentinels: 3, downAfter: 60_000, config: CONFIG }),
    primariesOf: async (group) => [await group.primary()],
    async restart(group) {
      await (await group.primary()).restart();
      await group.settled();
    },
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
  },
];

for (const { target, start, primariesOf, restart } of TARGETS) {
  describe(target, () => {
    let server;
    let redis;
    before(async () => {
      server = await start();
      redis = server.client();
    });
    after(() => server?.stop());

    for (const { system, options, pattern, ...writer } of SYSTEMS) {
      describe(`from ${system}`, () => {
        let all;
        beforeEach(async () => {
          await redis.flushall();
          all = await fill(redis, writer);
        });

        const args = () => ['migrate', server.url, '--app', APP, '--json', ...options];
        const oldKeys = () => redis.keys(pattern);

        /** Runs it again until all is done, and checks the end. */
        async function finish() {
          await runToTheEnd(args());
          assert.equal((await oldKeys()).length, 0, 'old keys');
          await assertAllMoved(server.url, all);
        }

        /** Starts a run whose first batch waits until `release` is called. Resolves when it waits. */
        async function startHeld() {
          const clients = (await primariesOf(server)).map((primary) => primary.client());
          const tell = (...words) => Promise.all(clients.map((each) => each.client(...words)));
          await tell('PAUSE', 600_000, 'WRITE');
          const run = startCli(args());
          const waits = async () => / flags=b .* cmd=eval/.test((await tell('LIST')).join('\n'));
          await waitUntil(waits, 'the run to wait', 120_000);
          return { ...run, release: () => tell('UNPAUSE') };
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

        test('killed by SIGKILL, four times', async () => {
          const { child, ended, release } = await startHeld();
          child.kill('SIGKILL');
          assert.equal((await ended).signal, 'SIGKILL');
          await release();
          assert.ok((await oldKeys()).length > 0);
          for (let n = 0; n < 3 && (await oldKeys()).length > 0; n++) {
            await disturb((child) => child.kill('SIGKILL'));
          }
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

        test('a server is killed and started again, three times', async () => {
          // It may go on. The server has its keys in another order then, and it must miss none.
          const assertEnded = async ({ code }) =>
            code !== 0 || assert.equal((await oldKeys()).length, 0);
          const { ended, release } = await startHeld();
          await restart(server);
          await release();
          await assertEnded(await ended);
          for (let n = 0; n < 2 && (await oldKeys()).length > 0; n++) {
            await assertEnded(await disturb(() => restart(server)));
          }
          await finish();
        });
      });
    }
  });
}
