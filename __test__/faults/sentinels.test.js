'use strict';

// Sentinels that are down, hang, lie, or refuse us: the primary is found all the same, or the error
// says why not.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { after, before, test } = require('node:test');
const { SpotsSessions } = require('../../index.js');
const { startFakeSentinel } = require('../support/fake-sentinel.js');
const { assertOutage, recovers, settled } = require('../support/faults.js');
const { startProxy } = require('../support/proxy.js');
const { freePort, startRedis, waitUntil } = require('../support/redis-server.js');
const { startSentinels } = require('../support/sentinel.js');
const { freshName } = require('../support/targets.js');

const PATIENT = 30_000;

/** @type {Awaited<ReturnType<typeof startSentinels>>} */
let group;
before(async () => {
  // No failover: none of these tests is about one, and a busy machine must not cause one.
  group = await startSentinels({ downAfter: 60_000, sentinelPassword: 's3cret-too' });
});
after(() => group?.stop());

/** An instance that ends with the test. */
function open(t, { url = group.url, commandTimeout = PATIENT } = {}) {
  const sessions = new SpotsSessions({ connectionString: url, commandTimeout });
  t.after(() => sessions.close());
  return sessions;
}

/** A connection string of sentinels, with the password of the real ones. */
const urlOf = (list, { name = group.name, password = 's3cret-too' } = {}) => {
  const addresses = list.map(({ port }) => `127.0.0.1:${port}`).join(',');
  return `redis-sentinel://${addresses}?name=${name}&sentinelPassword=${encodeURIComponent(password)}`;
};

/** Does something to sentinels, and undoes it after the test. */
async function strike(t, sentinels, how) {
  t.after(async () => {
    for (const sentinel of sentinels) {
      if (how === 'kill') await sentinel.start();
      else group.resume(sentinel);
    }
  });
  for (const sentinel of sentinels) await group[how](sentinel);
}

for (const how of ['kill', 'pause']) {
  const state = how === 'kill' ? 'down' : 'hung';
  for (const count of [1, 2]) {
    test(`R35 with ${count} of 3 sentinels ${state}, the others are enough`, async (t) => {
      const app = freshName();
      const connected = open(t);
      await recovers(connected, app);
      await strike(t, group.sentinels.slice(0, count), how);
      await recovers(connected, app);
      await recovers(open(t), app);
    });
  }

  test(`R35 with all sentinels ${state}, connected instances work on, and new ones wait until one is back`, async (t) => {
    const app = freshName();
    const connected = open(t);
    await recovers(connected, app);
    for (const sentinel of group.sentinels) await group[how](sentinel);
    t.after(() => {
      for (const sentinel of group.sentinels) sentinel.kill('SIGCONT');
    });
    await recovers(connected, app);
    await assertOutage(open(t, { commandTimeout: 300 }), app, 300, /^ERR_SESSIONS_CONNECTION$/);
    const waiting = open(t).create({ app, ownerId: 'ann' });
    const [back, ...others] = group.sentinels;
    const undo = (sentinel) => (how === 'kill' ? sentinel.start() : group.resume(sentinel));
    await undo(back);
    assert.equal(typeof (await waiting), 'string');
    await Promise.all(others.map(undo));
    await recovers(connected, app);
  });
}

test('R35 one working sentinel is enough beside an absent and a silent one', async (t) => {
  const silent = await startFakeSentinel();
  silent.isSilent = true;
  t.after(() => silent.stop());
  const absent = { port: await freePort() };
  const sessions = open(t, { url: urlOf([silent, absent, group.sentinels[0]]) });
  await recovers(sessions, freshName());
});

test('R35 a sentinel that names a replica is not believed, neither alone nor beside others', async (t) => {
  const app = freshName();
  const [replica] = await group.replicas();
  const liar = await startFakeSentinel(replica.port);
  t.after(() => liar.stop());
  await recovers(open(t, { url: urlOf([liar, group.sentinels[0]]) }), app);

  const sessions = open(t, { url: urlOf([liar]), commandTimeout: 1500 });
  await assertOutage(sessions, app, 1500, /^ERR_SESSIONS_CONNECTION$/);
  const { error } = await settled(sessions.killAll({ app, ownerId: 'ann' }), 1500);
  assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${replica.port}: it is a replica`));
  // Then it names an absent server, and then the right one.
  liar.names = await freePort();
  await assertOutage(sessions, app, 1500, /^ERR_SESSIONS_CONNECTION$/);
  liar.names = (await group.primary()).port;
  await recovers(sessions, app);
});

test('R35 the error says so if no sentinel knows a primary of that name', async (t) => {
  const url = urlOf(group.sentinels, { name: 'another' });
  const sessions = open(t, { url, commandTimeout: 500 });
  await assertOutage(sessions, freshName(), 500, /^ERR_SESSIONS_CONNECTION$/);
  const { error } = await settled(sessions.get({ app: 'app', token: 'A'.repeat(172) }), 500);
  assert.match(error.message, /the sentinels know no primary called "another"/);
});

for (const { label, password, redisCode } of [
  { label: 'a wrong password', password: 's3cret wrong', redisCode: /^WRONGPASS$/ },
  { label: 'no password', password: '', redisCode: /^NOAUTH$/ },
]) {
  test(`R35 calls reject at once, with the code of the refusal, after ${label} for the sentinels`, async (t) => {
    const sessions = open(t, { url: urlOf(group.sentinels, { password }) });
    for (let round = 0; round < 3; round++) {
      const call = sessions.create({ app: 'app', ownerId: 'ann' });
      const first = await Promise.race([call.catch((error) => error), late()]);
      assert.match(first.redisCode, redisCode);
    }
  });
}

/** Two primaries, and sentinels that name the old one. */
async function startSplit(t, sentinels = 3) {
  const [old, now] = await Promise.all([startRedis(), startRedis()]);
  const proxy = await startProxy(old.port);
  const fakes = await Promise.all(
    Array.from({ length: sentinels }, () => startFakeSentinel(proxy.port)),
  );
  t.after(() => Promise.all([old, now, proxy, ...fakes].map((each) => each.stop())));
  const app = freshName();
  return {
    old,
    now,
    proxy,
    fakes,
    /** Whether calls go to the new primary. */
    async isFollowed(sessions) {
      await sessions.create({ app, ownerId: 'ann' });
      return (await now.client().dbsize()) > 0;
    },
  };
}

test('R35 a connection to the old primary that opens after the sentinels named another is given up', async (t) => {
  const { now, proxy, fakes, isFollowed } = await startSplit(t);
  proxy.delay = 1000;
  const sessions = open(t, { url: urlOf(fakes) });
  await waitUntil(() => proxy.connections > 0, 'the old primary to be connected to');
  for (const fake of fakes) fake.moveTo(now.port);
  await once(sessions, 'ready');
  await waitUntil(() => isFollowed(sessions), 'the new primary to be written to');
});

test('R35 a quick sentinel that names the old primary is outvoted by the slower majority', async (t) => {
  const { now, old, fakes, isFollowed } = await startSplit(t);
  for (const fake of fakes.slice(1)) Object.assign(fake, { names: now.port, delay: 100 });
  assert.equal(await isFollowed(open(t, { url: urlOf(fakes) })), true);
  assert.equal(await old.client().dbsize(), 0);
});

test('R35 if the primary that most sentinels name is unreachable, the one that another names is not used', async (t) => {
  const { now, old, fakes, isFollowed } = await startSplit(t);
  const absent = await freePort();
  for (const fake of fakes.slice(1)) fake.names = absent;
  const sessions = open(t, { url: urlOf(fakes) });
  await assertOutage(
    open(t, { url: urlOf(fakes), commandTimeout: 500 }),
    freshName(),
    500,
    /^ERR_SESSIONS_CONNECTION$/,
  );
  for (const fake of fakes.slice(1)) fake.names = now.port;
  assert.equal(await isFollowed(sessions), true);
  assert.equal(await old.client().dbsize(), 0);
});

/** Resolves long before the deadline of a call. */
function late() {
  return new Promise((resolve) => {
    setTimeout(resolve, PATIENT / 3, { redisCode: 'waited in vain' }).unref();
  });
}
