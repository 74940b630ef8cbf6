'use strict';

// A server that is absent, dies, comes back, hangs, is busy or is still loading.

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { SpotsSessions } = require('../../index.js');
const {
  assertOutage,
  assertRefusedInTime,
  connects,
  faultyServer,
  long,
  recovers,
  settled,
} = require('../support/faults.js');
const { allowDebug, freePort, waitUntil } = require('../support/redis-server.js');

const times = (count, make) => Array.from({ length: count }, (_, n) => make(n));
const certificate = (name) => join(__dirname, '..', 'certificates', name);

/** Everything that was acknowledged reaches the disk before its reply. */
const DURABLE = { appendonly: 'yes', appendfsync: 'always' };

for (const kind of ['TCP', 'a unix socket', 'TLS']) {
  test(`R01 calls wait for a server that is absent at first, and succeed (${kind})`, async (t) => {
    const tlsPort = await freePort();
    const { server, open, app } = await faultyServer(t, {
      unixSocket: true,
      config: {
        'tls-port': tlsPort,
        'tls-cert-file': certificate('server.crt'),
        'tls-key-file': certificate('server.key'),
        'tls-ca-cert-file': certificate('authority.crt'),
        'tls-auth-clients': 'no',
      },
    });
    await server.down();
    const settings = {
      TCP: {},
      'a unix socket': { connectionString: `unix://${server.unixSocket}` },
      TLS: {
        connectionString: `rediss://localhost:${tlsPort}`,
        tls: { ca: readFileSync(certificate('authority.crt'), 'utf8') },
      },
    }[kind];
    const sessions = open({ ...settings, commandTimeout: 30_000 });
    let early = 0;
    const creates = times(100, async (n) => {
      const token = await sessions.create({ app, ownerId: 'ann', data: { n } });
      if (server.process === undefined) early++;
      return token;
    });
    await sleep(300); // Some attempts to connect fail meanwhile.
    await server.start();
    const tokens = await Promise.all(creates);
    assert.equal(early, 0);
    assert.equal(new Set(tokens).size, 100);
    for (const [n, token] of tokens.entries())
      assert.deepEqual((await sessions.get({ app, token })).data, { n });
  });
}

test('R02 calls to a server that stays absent reject at their deadline, with the reason', async () => {
  const port = await freePort();
  const sessions = new SpotsSessions({
    connectionString: `redis://:s3cret@127.0.0.1:${port}`,
    commandTimeout: 300,
  });
  for (let round = 0; round < 5; round++)
    await assertOutage(sessions, 'app', 300, /^ERR_SESSIONS_CONNECTION$/);
  const { error } = await settled(sessions.killAll({ app: 'app', ownerId: 'ann' }), 300);
  assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}: connection refused \\(is it`));
  await sessions.close();
});

test('R02 few attempts are made to connect to a server that always hangs up, and none while no call waits', async (t) => {
  const { proxy, open, app } = await faultyServer(t, { proxy: true });
  proxy.hangsUp = () => true;
  const sessions = open({ commandTimeout: 3000 });
  await assertOutage(sessions, app, 3000, /^ERR_SESSIONS_CONNECTION$/);
  // Pauses of 50 ms, doubling to 1 s, half of them random: at most 9 attempts in 3 s, each repeated
  // without the optional commands.
  const tried = proxy.connections;
  assert.ok(tried >= 3 && tried <= 20, `${tried} connections in 3 s`);
  await sleep(1500);
  assert.ok(proxy.connections <= tried + 2, 'an idle instance goes on trying');
  proxy.hangsUp = () => false;
  await recovers(sessions, app);
});

test('R03 calls go on after a restart of the server under load, and lost sessions are not found', async (t) => {
  const { server, open, app } = await faultyServer(t);
  const sessions = open({ commandTimeout: 20_000 });
  const old = await sessions.create({ app, ownerId: 'ann', data: { n: -1 } });
  let stopped = false;
  let done = 0;
  const work = times(10, async (worker) => {
    while (!stopped) {
      const data = { worker, done: done++ };
      const token = await sessions.create({ app, ownerId: `${worker}`, data });
      const found = await sessions.get({ app, token });
      if (found !== undefined) assert.deepEqual(found, { ownerId: `${worker}`, data });
      await sleep(5);
    }
  });
  for (const how of ['SHUTDOWN', 'SIGKILL', 'SIGTERM']) {
    const before = done;
    await waitUntil(() => done > before + 50, 'calls to be made');
    if (how === 'SHUTDOWN') {
      // A client that reconnected would send it again.
      const admin = server.client({ retryStrategy: null });
      await admin.shutdown('NOSAVE').catch(() => {});
    } else server.kill(how);
    await server.down();
    await server.start();
  }
  assert.equal(await sessions.get({ app, token: old }), undefined, 'gone with the server');
  const before = done;
  await waitUntil(() => done > before + 50, 'calls to be made');
  stopped = true;
  await Promise.all(work);
});

test('R04 after kill -9 of a server with a durable log, created sessions are there, and killed ones are not', async (t) => {
  const { server, open, app } = await faultyServer(t, { config: DURABLE });
  const sessions = open({ commandTimeout: 20_000 });
  const create = (n) => sessions.create({ app, ownerId: `${n}`, data: { n } });
  const tokens = await Promise.all(times(100, create));
  const killed = tokens.slice(0, 50);
  assert.ok(
    (await Promise.all(killed.map((token) => sessions.kill({ app, token })))).every(Boolean),
  );
  server.kill('SIGKILL');
  await server.down();
  await server.start();
  for (const [n, token] of tokens.entries()) {
    const expected = n < 50 ? undefined : { ownerId: `${n}`, data: { n } };
    assert.deepEqual(await sessions.get({ app, token }), expected);
  }
});

test('R05 if the server is killed with 1,000 calls in flight, each settles once, and its answer is true', async (t) => {
  const { server, open, app, redis } = await faultyServer(t, { config: DURABLE });
  for (let round = 0; round < (long ? 20 : 2); round++) {
    const sessions = open({ commandTimeout: 20_000 });
    const create = (n) => sessions.create({ app, ownerId: `${round}-${n}`, data: { n } });
    const tokens = await Promise.all(times(500, create));
    let settlements = 0;
    const calls = times(1000, async (n) => {
      const token = tokens[n % 500];
      const kind = n < 500 ? ['kill', 'update'][n % 2] : 'create';
      const request = { app, token, ownerId: `${round}-new`, data: { again: n } };
      const end = await settled(sessions[kind](request), 20_000);
      settlements++;
      return { kind, token, n, ...end };
    });
    await Promise.race(calls);
    server.kill('SIGKILL');
    await server.down();
    await server.start();
    for (const { kind, token, n, value, error } of await Promise.all(calls)) {
      assert.equal(error, undefined, 'the server was back in time');
      assert.notEqual(value, false, `${kind} acted, or could have`);
      const found = await sessions.get({ app, token: kind === 'create' ? value : token });
      if (kind === 'kill') assert.equal(found, undefined);
      else assert.equal(found.data.again, n);
    }
    assert.equal(settlements, 1000);
    assert.equal(await sessions.killAll({ app, ownerId: `${round}-new` }), true);
  }
  assert.ok(await redis.dbsize());
});

for (const [label, pause] of [
  [
    'R15 a server that is stopped for 2 s',
    async ({ server }) => {
      server.kill('SIGSTOP');
      setTimeout(() => server.kill('SIGCONT'), 2000);
    },
  ],
  [
    'R17 DEBUG SLEEP 1',
    async ({ redis }) => {
      // Sent again if this process slept longer than the server.
      for (let awake = true; awake; ) {
        awake = false;
        redis.call('DEBUG', 'SLEEP', '1').then(() => {
          awake = true;
        });
        await sleep(100);
      }
    },
  ],
  ['R17 CLIENT PAUSE 800 ALL', ({ redis }) => redis.client('PAUSE', '800', 'ALL')],
  ['R17 CLIENT PAUSE 800 WRITE', ({ redis }) => redis.client('PAUSE', '800', 'WRITE')],
]) {
  test(`${label}: every call succeeds, late`, async (t) => {
    const faulty = await faultyServer(t, { config: allowDebug() });
    const { open, app } = faulty;
    const sessions = open({ commandTimeout: 30_000 });
    const token = await sessions.create({ app, ownerId: 'ann', data: { n: 0 } });
    await faulty.redis.ping();
    await pause(faulty);
    const updates = times(50, (n) => sessions.update({ app, token, data: { [`k${n}`]: n } }));
    const created = sessions.create({ app, ownerId: 'bob' });
    assert.deepEqual(await Promise.all(updates), Array(50).fill(true));
    assert.equal(typeof (await created), 'string');
    assert.equal(Object.keys((await sessions.get({ app, token })).data).length, 51);
  });
}

/** Keeps a server busy with a script. `end` asserts that the script still runs, and kills it. */
async function busy({ redis, server }) {
  const admin = server.client();
  await admin.ping();
  const script = redis.eval('while true do end', 0).catch((error) => error);
  const isBusy = async () => /BUSY/.test(await admin.ping().catch((error) => error.message));
  await waitUntil(isBusy, 'BUSY');
  return {
    async end() {
      assert.ok(await isBusy(), 'the script still runs');
      await admin.script('KILL');
      assert.match((await script).message, /killed/i);
    },
  };
}

test('R18 calls wait while a script blocks the server, then reject with BUSY, and the script is not killed', async (t) => {
  const faulty = await faultyServer(t, { config: { 'lua-time-limit': 50 } });
  const { open, app } = faulty;
  const patient = open({ commandTimeout: 30_000 });
  const hasty = open({ commandTimeout: 500 });
  const token = await patient.create({ app, ownerId: 'ann' });
  await connects(hasty);
  const { end } = await busy(faulty);
  const waits = patient.update({ app, token, data: { a: 1 } });
  // A call rejects with the outcome of its last attempt: BUSY, or no answer, as in the next test.
  await assertOutage(hasty, app, 500, /^ERR_SESSIONS_(REDIS|TIMEOUT)$/);
  await assertRefusedInTime(() => hasty.get({ app, token }), 500, 'BUSY');
  await end();
  assert.equal(await waits, true);
  assert.deepEqual((await patient.get({ app, token })).data, { a: 1 });
  await recovers(hasty, app);
});

test('R18 a call whose last attempt got no answer rejects with a timeout, not with an earlier BUSY', async (t) => {
  const faulty = await faultyServer(t, { proxy: true, config: { 'lua-time-limit': 50 } });
  const { open, app, proxy } = faulty;
  const sessions = open({ commandTimeout: 3000 });
  const token = await sessions.create({ app, ownerId: 'ann' });
  const { end } = await busy(faulty);
  const replies = [];
  proxy.onReply = ({ bytes }) => {
    replies.push(bytes.toString());
    proxy.forget();
    return bytes;
  };
  const { error } = await settled(sessions.get({ app, token }), 3000);
  assert.equal(error.code, 'ERR_SESSIONS_TIMEOUT');
  assert.match(error.message, /did not answer within 3000 ms/);
  // Later replies are to the handshakes of connections that are opened beside the silent one.
  assert.match(replies[0], /^-BUSY/, 'its first attempt');
  proxy.reset();
  await end();
  await recovers(sessions, app);
});

test('R19 calls wait while the server loads its data, and none rejects with LOADING', async (t) => {
  const { server, open, app, redis } = await faultyServer(t, {
    config: {
      save: '3600 1',
      'key-load-delay': 3000,
      'loading-process-events-interval-bytes': 1024,
    },
  });
  const sessions = open({ commandTimeout: 60_000 });
  const create = (n) => sessions.create({ app, ownerId: `${n}`, data: { n, x: 'x'.repeat(100) } });
  const tokens = await Promise.all(times(400, create));
  await redis.save();
  await server.down();
  const started = server.start();
  const admin = server.client({ enableReadyCheck: false, retryStrategy: () => 5 });
  const loading = async () => /LOADING/.test(await admin.get('x').catch((e) => e.message));
  await waitUntil(loading, 'the server to load');
  const got = times(400, (n) => sessions.get({ app, token: tokens[n] }));
  for (const [n, found] of (await Promise.all(got)).entries()) assert.equal(found.data.n, n);
  const hits = (await redis.info('errorstats')).match(/errorstat_LOADING:count=(\d+)/);
  assert.ok(Number(hits?.[1]) > 0, 'calls met the loading server');
  await started;
});
