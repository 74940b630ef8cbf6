'use strict';

// A server that is full, read-only, hangs or forgets its scripts, while sessions are rotated, listed, ended by id,
// limited and extended. Nothing is done by halves.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { connects, faultyServer, recovers, settled } = require('../support/faults.js');
const { idOf, indexKey, sessionKey } = require('../support/keys.js');
const { freePort, waitUntil } = require('../support/redis-server.js');
const { rejection } = require('../support/rejection.js');

const times = (count, make) => Array.from({ length: count }, (_, n) => make(n));

/** Three sessions of one owner, of which the third slides and must be extended at its next use. */
async function three(sessions, app, redis) {
  const owner = { app, ownerId: 'ann' };
  const create = (n, more) => sessions.create({ ...owner, data: { n }, duration: 600, ...more });
  // The first one ends soonest, so that `maxSessions` ends it. All may be created in one millisecond.
  const first = await create(0, { duration: 590 });
  const tokens = [first, await create(1), await create(2, { sliding: true })];
  await redis.pexpire(sessionKey(app, 'ann', tokens[2]), 300_000);
  const [index, sliding] = [indexKey(app, 'ann'), sessionKey(app, 'ann', tokens[2])];
  return {
    ...{ owner, tokens, create, index },
    ids: tokens.map(idOf),
    isExtended: async () => (await redis.pttl(sliding)) > 500_000,
    state: async () => [
      await redis.zrange(index, 0, -1, 'WITHSCORES'),
      (await redis.keys(`*${app}*`)).sort(),
    ],
  };
}

test('R22 without memory, rotate and create with maxSessions are refused and change nothing, and all else works', async (t) => {
  const { open, app, redis } = await faultyServer(t);
  const sessions = open();
  const { owner, tokens, ids, create, index, isExtended, state } = await three(
    sessions,
    app,
    redis,
  );
  const before = await state();
  await redis.config('SET', 'maxmemory', '1');
  t.after(() => redis.config('SET', 'maxmemory', '0').catch(() => {}));

  const refused = async (call) => assert.equal((await rejection(call)).redisCode, 'OOM');
  await refused(() => sessions.rotate({ app, token: tokens[0] }));
  await refused(() => create(3, { maxSessions: 1 }));
  // The calls of one script, too.
  const ends = await Promise.allSettled(tokens.map((token) => sessions.rotate({ app, token })));
  assert.deepEqual(
    ends.map(({ reason }) => reason?.redisCode),
    Array(3).fill('OOM'),
  );
  assert.deepEqual(await state(), before, 'nothing was done by halves');

  assert.equal((await sessions.info({ app, token: tokens[0] })).id, ids[0]);
  assert.deepEqual((await sessions.list(owner)).map(({ id }) => id).sort(), [...ids].sort());
  assert.deepEqual((await sessions.get({ app, token: tokens[2] })).data, { n: 2 });
  await waitUntil(isExtended, 'the sliding session to be extended');
  assert.equal(await sessions.kill({ ...owner, id: ids[0] }), true);
  assert.equal(await sessions.killAll({ ...owner, except: tokens[2] }), true);
  assert.deepEqual(await redis.zrange(index, 0, -1), [ids[2]]);

  await redis.config('SET', 'maxmemory', '0');
  const rotated = await sessions.rotate({ app, token: tokens[2] });
  assert.deepEqual((await sessions.get({ app, token: rotated })).data, { n: 2 });
  assert.deepEqual(await redis.zrange(index, 0, -1), [idOf(rotated)]);
});

test('R20 on a replica, get keeps its connection, although no sliding session can be extended there', async (t) => {
  const { open, app, redis } = await faultyServer(t);
  const sessions = open();
  const { tokens, isExtended } = await three(sessions, app, redis);
  let told = 0;
  let lost = 0;
  sessions.on('error', ({ redisCode }) => {
    assert.equal(redisCode, 'READONLY');
    told++;
  });
  sessions.on('reconnecting', () => lost++);
  await redis.replicaof('127.0.0.1', await freePort());
  const get = () => sessions.get({ app, token: tokens[2] });
  for (let n = 1; n <= 3; n++) {
    await waitUntil(async () => {
      assert.deepEqual((await get()).data, { n: 2 });
      return told >= n;
    }, 'the failed extension to be told');
  }
  assert.equal(lost, 0);
  assert.equal(await isExtended(), false);
  await redis.replicaof('NO', 'ONE');
  await waitUntil(async () => (await get()) && isExtended(), 'the sliding session to be extended');
});

test('R20 on a replica that is never promoted, info and list work, rotate and kill by id reject, and a sliding session is still found', async (t) => {
  const { open, app, redis } = await faultyServer(t);
  const sessions = open({ commandTimeout: 500 });
  const { owner, tokens, ids, isExtended } = await three(open(), app, redis);
  const heard = [];
  sessions.on('error', (error) => heard.push(error));
  await connects(sessions);
  await redis.replicaof('127.0.0.1', await freePort());
  const refused = async (call) => {
    const { error, value } = await settled(call(), 500);
    assert.ok(error, `it was answered: ${value}`);
    return error.redisCode === 'READONLY';
  };
  const writes = {
    rotate: () => sessions.rotate({ app, token: tokens[0] }),
    'kill by id': () => sessions.kill({ ...owner, id: ids[0] }),
    'killAll except': () => sessions.killAll({ ...owner, except: tokens[1] }),
    'create with maxSessions': () => sessions.create({ ...owner, maxSessions: 1 }),
  };
  for (const [name, call] of Object.entries(writes))
    await waitUntil(() => refused(call), `READONLY: ${name}`);
  const works = (call, isRight) =>
    waitUntil(async () => isRight((await settled(call(), 500)).value), 'a read');
  await works(
    () => sessions.info({ app, token: tokens[0] }),
    (found) => found?.id === ids[0],
  );
  await works(
    () => sessions.list(owner),
    (all) => all?.length === 3,
  );
  const isTold = async () => {
    const { value } = await settled(sessions.get({ app, token: tokens[2] }), 500);
    if (value) assert.deepEqual(value.data, { n: 2 });
    return heard.some(({ redisCode }) => redisCode === 'READONLY');
  };
  await waitUntil(isTold, 'the failed extension to be told');
  assert.equal(await isExtended(), false);

  await redis.replicaof('NO', 'ONE');
  await recovers(sessions, app);
  const extends_ = async () => {
    await settled(sessions.get({ app, token: tokens[2] }), 500);
    return isExtended();
  };
  await waitUntil(extends_, 'the next use to extend it');
  assert.deepEqual((await sessions.list(owner)).map(({ id }) => id).sort(), [...ids].sort());
});

test('R15 while the server hangs, nothing is lost: all calls and the extension act once it goes on', async (t) => {
  const { server, open, app, redis } = await faultyServer(t);
  const sessions = open({ commandTimeout: 30_000 });
  const { owner, tokens, ids, create, isExtended } = await three(sessions, app, redis);
  await redis.client('PAUSE', '60000', 'WRITE');
  const found = sessions.get({ app, token: tokens[2] });
  assert.deepEqual((await found).data, { n: 2 }, 'a get does not wait for its extension');
  server.kill('SIGSTOP');
  const calls = [
    sessions.rotate({ app, token: tokens[0] }),
    sessions.kill({ ...owner, id: ids[1] }),
    create(3, { maxSessions: 10 }),
  ];
  server.kill('SIGCONT');
  await redis.client('UNPAUSE');
  const [rotated, killed, created] = await Promise.all(calls);
  assert.equal(killed, true);
  const left = [tokens[2], rotated, created].map(idOf).sort();
  assert.deepEqual((await sessions.list(owner)).map(({ id }) => id).sort(), left);
  assert.deepEqual((await redis.zrange(indexKey(app, 'ann'), 0, -1)).sort(), left);
  await waitUntil(isExtended, 'the sliding session to be extended');
});

test('R24 a server that forgets the scripts gets them again: for each operation, and for the extension', async (t) => {
  const { server, open, app, redis } = await faultyServer(t);
  const sessions = open();
  const heard = [];
  sessions.on('error', (error) => heard.push(error));
  const { owner, tokens, ids, create, isExtended } = await three(sessions, app, redis);
  const forget = () => redis.script('FLUSH');
  await forget();
  assert.equal((await sessions.info({ app, token: tokens[1] })).id, ids[1]);
  await forget();
  assert.equal((await sessions.list(owner)).length, 3);
  await forget();
  const rotated = await sessions.rotate({ app, token: tokens[0] });
  assert.deepEqual((await sessions.get({ app, token: rotated })).data, { n: 0 });
  await forget();
  assert.equal(await sessions.kill({ ...owner, id: ids[1] }), true);
  await forget();
  const created = await create(3, { maxSessions: 2, lifetime: 60 });
  assert.equal((await sessions.list(owner)).length, 2);
  await forget();
  await redis.config('RESETSTAT');
  await sessions.get({ app, token: tokens[2] });
  await waitUntil(isExtended, 'the sliding session to be extended');
  await forget();
  assert.equal(await sessions.killAll({ ...owner, except: created }), true);
  assert.deepEqual(
    (await sessions.list(owner)).map(({ id }) => id),
    [idOf(created)],
  );
  assert.deepEqual(heard, []);
  assert.ok((await server.commandStats()).eval >= 1, 'scripts were sent as text');
});

test('R28 a list whose answer exceeds client-output-buffer-limit rejects with what to look at, and other calls go on', async (t) => {
  const { open, app } = await faultyServer(t, {
    config: { 'client-output-buffer-limit': ['normal', '300kb', '0', '0'] },
  });
  const sessions = open({ commandTimeout: 120_000 });
  const owner = { app, ownerId: 'eve' };
  const data = { text: 'x'.repeat(150_000) };
  const tokens = await Promise.all(times(6, () => sessions.create({ ...owner, data })));
  const others = await Promise.all(
    times(20, (n) => sessions.create({ app, ownerId: `${n}`, data: { n } })),
  );
  const list = (limit) => settled(sessions.list({ ...owner, limit }), 60_000);
  const [{ error }, ...found] = await Promise.all([
    list(100),
    ...others.map((token) => sessions.get({ app, token })),
  ]);
  assert.equal(error?.code, 'ERR_SESSIONS_TIMEOUT');
  assert.match(error.message, /list.*client-output-buffer-limit/);
  for (const [n, session] of found.entries()) assert.deepEqual(session?.data, { n });
  // Made again, it breaks no other call's connection; with a smaller limit it succeeds.
  let lost = 0;
  sessions.on('reconnecting', () => lost++);
  assert.equal((await list(100)).error?.code, 'ERR_SESSIONS_TIMEOUT');
  assert.equal(lost, 0);
  const [one] = (await list(1)).value;
  assert.ok(tokens.map(idOf).includes(one.id));
  await recovers(sessions, app);
});
