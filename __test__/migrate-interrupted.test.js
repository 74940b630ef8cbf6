'use strict';

// `migrate` cut off at random points, and run again: the end is that of a run that nothing disturbed.

const assert = require('node:assert/strict');
const { after, before, beforeEach, describe, test } = require('node:test');
const { runCli, startCli } = require('./support/command-line.js');
const { startCluster } = require('./support/cluster.js');
const { HOSTILE, createIn1x } = require('./support/old-sessions.js');
const { startRedis, waitUntil } = require('./support/redis-server.js');
const { startSentinels } = require('./support/sentinel.js');
const { SpotsSessions } = require('../index.js');

const APP = 'a *shop*';
const COUNT = 4000;
const ARGS = ['migrate', '--from', '1.x', '--app', APP];

/** Writes sessions of 1.x that end in about an hour, at a known millisecond. */
async function fill(redis) {
  const begin = Date.now() + 3_600_000;
  const all = Array.from({ length: COUNT }, (_, n) => {
    const ownerId = `${HOSTILE[n % HOSTILE.length]}${n % 700}`;
    const data = { n, text: 'é'.repeat(n % 300) };
    const { token, key, written } = createIn1x(redis, {
      app: APP,
      ownerId,
      data,
      expiresAt: begin + n,
    });
    return { token, key, ownerId, data, expiresAt: begin + n, written };
  });
  await Promise.all(all.map(({ written }) => written));
  return all;
}

/** Runs it until it has ended by itself, and resolves to how many runs that took. */
async function runToTheEnd(url) {
  for (let runs = 1; ; runs++) {
    const { code, stderr } = await runCli([ARGS[0], url, ...ARGS.slice(1)]);
    if (code === 0) return runs;
    assert.ok(runs < 10, stderr);
  }
}

/** Starts a run, and does something when it has moved a session that is chosen at random. Resolves to its end. */
async function disturb(url, redis, act) {
  const left = await redis.keys('app:*');
  const key = left[Math.floor(Math.random() * left.length)];
  const { child, ended } = startCli([ARGS[0], url, ...ARGS.slice(1)]);
  const isMoved = async () => (await redis.exists(key).catch(() => 1)) === 0;
  await waitUntil(isMoved, 'a session to move', 120_000);
  await act(child);
  return ended;
}

/** Each token opens what it opened, until it would have ended; no old key is left, and its owner's index has it. */
async function assertAllMoved(url, redis, all) {
  const sessions = new SpotsSessions(url);
  try {
    assert.equal((await redis.keys('app:*')).length, 0, 'old keys');
    const infos = await Promise.all(all.map(({ token }) => sessions.info({ app: APP, token })));
    for (const [n, { ownerId, data, expiresAt }] of all.entries()) {
      assert.deepEqual([infos[n]?.ownerId, infos[n]?.data], [ownerId, data]);
      const off = infos[n].expiresAt - expiresAt;
      assert.ok(Math.abs(off) <= 10, `ends ${off} ms later`);
    }
    const owners = [...new Set(all.map(({ ownerId }) => ownerId))];
    const lists = await Promise.all(owners.map((ownerId) => sessions.list({ app: APP, ownerId })));
    assert.equal(lists.flat().length, all.length);
    await Promise.all(owners.map((ownerId) => sessions.killAll({ app: APP, ownerId })));
    const left = await Promise.all(all.map(({ token }) => sessions.get({ app: APP, token })));
    assert.deepEqual(left.filter(Boolean), []);
  } finally {
    await sessions.close();
  }
}

const appendOnly = { appendonly: 'yes', appendfsync: 'always' };

for (const [name, start] of [
  ['redis', () => startRedis({ config: appendOnly })],
  ['sentinel', () => startSentinels({ replicas: 1, sentinels: 3, downAfter: 60_000 })],
  ['cluster', () => startCluster({ primaries: 3, replicas: 0, downAfter: 60_000 })],
]) {
  describe(name, () => {
    let server;
    let redis;
    let all;
    before(async () => {
      server = await start();
      redis = server.client();
    });
    after(() => server?.stop());
    beforeEach(async () => {
      await redis.flushall();
      all = await fill(redis);
    });

    test('killed by SIGKILL, four times', async () => {
      const signals = new Set();
      for (let n = 0; n < 4 && (await redis.keys('app:*')).length > 0; n++) {
        const { signal } = await disturb(server.url, redis, (child) => child.kill('SIGKILL'));
        signals.add(signal);
      }
      assert.ok(signals.has('SIGKILL'));
      await runToTheEnd(server.url);
      await assertAllMoved(server.url, redis, all);
    });

    test('interrupted by SIGINT: it ends its batches, says what was done, and exits with 130', async () => {
      const args = [ARGS[0], server.url, ...ARGS.slice(1), '--json'];
      const { child, ended } = startCli(args);
      const { key } = all[0];
      await waitUntil(
        async () => (await redis.exists(key)) === 0,
        'the first session to move',
        120_000,
      );
      child.kill('SIGINT');
      const { code, signal, stdout } = await ended;
      const { complete, moved } = JSON.parse(stdout);
      // The signal may come when it has ended already.
      const hasEnded = code === 0 || signal === 'SIGINT';
      assert.ok(complete ? hasEnded : code === 130, `${code} ${signal} ${stdout}`);
      assert.equal((await redis.keys('app:*')).length, COUNT - moved, 'what is left');
      await runToTheEnd(server.url);
      await assertAllMoved(server.url, redis, all);
    });

    if (name !== 'redis') return;
    test('the server is killed and started again, three times', async () => {
      for (let n = 0; n < 3 && (await redis.keys('app:*')).length > 0; n++) {
        const { code } = await disturb(server.url, redis, () => server.restart());
        // It may have gone on. The server has its keys in another order then, and it must miss none.
        if (code === 0) assert.equal((await redis.keys('app:*')).length, 0);
      }
      await runToTheEnd(server.url);
      await assertAllMoved(server.url, redis, all);
    });
  });
}
