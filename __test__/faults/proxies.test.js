'use strict';

// Proxies between this process and the server: some do not know every command, and some answer with
// errors of their own.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { SpotsSessions } = require('../..');
const { callEveryMethod } = require('../support/every-method.js');
const { startFakeServer } = require('../support/fake-server.js');
const { faultyServer, recovers, settled } = require('../support/faults.js');
const { rejection } = require('../support/rejection.js');
const { waitUntil } = require('../support/wait-until.js');

const PASSING = [
  'upstream failure',
  'no upstream host',
  'upstream protocol error',
  'ERR Connection timed out',
  'ERR Connection refused',
  'ERR Connection reset by peer',
  'ERR No route to host',
  'ERR handle response, backend conn reset',
  'ERR proxy upstream connection not available',
  'UNAVAILABLE',
];

/** An instance that has connected through a proxy, so that the faults do not hit the handshake. */
async function connected(t, settings) {
  const faulty = await faultyServer(t, { proxy: true });
  const sessions = faulty.open(settings);
  await recovers(sessions, faulty.app);
  return { ...faulty, sessions };
}

for (const words of PASSING) {
  test(`R67 calls wait while a proxy answers “${words}”, and each has the effect of one call`, async (t) => {
    const { proxy, sessions, app, redis } = await connected(t, { commandTimeout: 20_000 });
    const create = (n) => sessions.create({ app, ownerId: 'ann', data: { n }, duration: 600 });
    const killed = await create(-1);
    const updated = await create(0);
    let said = 0;
    // The server carries out the call and the proxy drops its reply, as if the server were too slow.
    proxy.onReply = ({ bytes }) => (said++ < 8 ? Buffer.from(`-${words}\r\n`) : bytes);
    const [token, wasThere, hadIt, got] = await Promise.all([
      create(1),
      sessions.kill({ app, token: killed }),
      sessions.update({ app, token: updated, data: { m: 1 } }),
      sessions.get({ app, token: updated }),
    ]);
    assert.ok(said > 4, 'it was said');
    assert.deepEqual([wasThere, hadIt, got.ownerId], [true, true, 'ann']);
    assert.deepEqual((await sessions.get({ app, token })).data, { n: 1 });
    assert.deepEqual((await sessions.get({ app, token: updated })).data, { n: 0, m: 1 });
    assert.equal((await redis.keys(`spots:{*:${app}}:s:*`)).length, 3, 'with that of recovers');
  });
}

test('R67 if a proxy answers with its own errors until the deadline, the outcome is unknown, and the message says why', async (t) => {
  const { proxy, sessions, app } = await connected(t, { commandTimeout: 700 });
  for (const words of PASSING) {
    proxy.onReply = () => Buffer.from(`-${words}\r\n`);
    const calls = [
      sessions.create({ app, ownerId: 'ann' }),
      sessions.killAll({ app, ownerId: 'ann' }),
    ].map((call) => settled(call, 700));
    for (const { error } of await Promise.all(calls)) {
      assert.equal(error?.code, 'ERR_SESSIONS_TIMEOUT', error?.message);
      assert.equal(error.redisCode, undefined);
      assert.match(error.message, /may or may not have taken effect/);
    }
  }
  proxy.onReply = undefined;
  await recovers(sessions, app);
});

test('R67 calls wait while a proxy answers the login with its own errors', async (t) => {
  for (const words of PASSING) {
    let refused = 0;
    const fake = await startFakeServer(t, ([name]) =>
      name === 'AUTH' && refused++ < 3 ? `-${words}\r\n` : null,
    );
    const sessions = new SpotsSessions(fake.url.replace('//', '//:s3cret@'));
    t.after(() => sessions.close());
    assert.equal(await sessions.get({ app: 'shop', token: 'a'.repeat(40) }), undefined);
    assert.equal(refused, 4);
  }
});

test('R67 redisCode is the code of the error, or ERR if it has none, and the message has all its words', async (t) => {
  for (const [words, redisCode, message] of [
    ['invalid request', 'ERR', 'redis refused: ERR invalid request'],
    ['no such thing here', 'ERR', 'redis refused: ERR no such thing here'],
    ['Oops: it went wrong', 'ERR', 'redis refused: ERR Oops: it went wrong'],
    ['I am a teapot', 'ERR', 'redis refused: ERR I am a teapot'],
    ['OOM no room', 'OOM', 'redis refused: OOM no room'],
    ['V2_LIMIT no more', 'V2_LIMIT', 'redis refused: V2_LIMIT no more'],
    ['ERR', 'ERR', 'redis refused: ERR'],
    ['', 'ERR', 'redis refused: ERR'],
  ]) {
    const fake = await startFakeServer(t, ([name]) => (name === 'GET' ? `-${words}\r\n` : null));
    const sessions = new SpotsSessions(fake.url);
    t.after(() => sessions.close());
    const error = await rejection(() => sessions.get({ app: 'shop', token: 'a'.repeat(40) }));
    assert.deepEqual([error.code, error.redisCode], ['ERR_SESSIONS_REDIS', redisCode]);
    assert.equal(error.message, message);
  }
});

/** Commands that twemproxy does not know: it closes the connection. */
const OPTIONAL = ['CLIENT', 'HELLO', 'SCRIPT', 'INFO', 'PING'];

test('R66 once a peer has hung up on optional commands, all further handshakes leave them out', async (t) => {
  for (const unknown of [...OPTIONAL.map((name) => [name]), OPTIONAL]) {
    const hangsUp = new Set(unknown);
    const fake = await startFakeServer(t, ([name]) => (hangsUp.has(name) ? undefined : null));
    const url = fake.url.replace('//', '//:s3cret@');
    const sessions = new SpotsSessions({ connectionString: url, commandTimeout: 20_000 });
    t.after(() => sessions.close());
    const get = () => sessions.get({ app: 'shop', token: 'a'.repeat(40) });
    assert.equal(await get(), undefined, unknown.join());
    await get();
    const greetings = () => fake.commands.filter(([name]) => name === 'AUTH').length;
    const first = greetings();
    assert.ok(first <= 2, `${unknown}: ${first} attempts`);
    fake.sever();
    assert.equal(await get(), undefined);
    assert.equal(greetings(), first + 1, 'a reconnection takes one attempt');
    // Another instance knows it, too.
    const other = new SpotsSessions({ connectionString: url, commandTimeout: 20_000 });
    t.after(() => other.close());
    assert.equal(await other.get({ app: 'shop', token: 'a'.repeat(40) }), undefined);
    assert.equal(greetings(), first + 2);
  }
});

test('R66 all methods but ping work on a peer that hangs up on optional commands and needs no password', async (t) => {
  const { proxy, open, app } = await faultyServer(t, { proxy: true });
  proxy.loses = (bytes) => OPTIONAL.some((name) => bytes.includes(`\r\n${name}\r\n`));
  const sessions = open({ commandTimeout: 20_000 });
  const owners = Array.from({ length: 20 }, (_, n) => `owner-${n}`);
  await Promise.all(
    owners.map((ownerId) => callEveryMethod(sessions, app, ownerId, { ping: false })),
  );
  assert.ok(proxy.connections <= 3, `${proxy.connections} connections`);
});

test('R66 after a restart in the middle of a handshake, the next handshake is whole', async (t) => {
  let hangsUp = false;
  const fake = await startFakeServer(t, ([name]) =>
    hangsUp && name === 'HELLO' ? undefined : null,
  );
  const sessions = new SpotsSessions({ connectionString: fake.url, commandTimeout: 20_000 });
  t.after(() => sessions.close());
  const get = () => sessions.get({ app: 'shop', token: 'a'.repeat(40) });
  await get();
  hangsUp = true;
  fake.sever();
  const greetings = () => fake.commands.filter(([name]) => name === 'HELLO').length;
  const before = greetings();
  const call = get();
  await waitUntil(() => greetings() > before, 'a handshake');
  hangsUp = false;
  await call;
  assert.equal(fake.commands.at(-1)?.[0], 'GET');
  assert.ok(greetings() > before + 1, 'it was not taken for a proxy');
});
