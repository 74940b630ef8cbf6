'use strict';

// Replies that take long, or are longer than any of ours: the connection stays, and the other calls
// are answered.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { test } = require('node:test');
const { Worker } = require('node:worker_threads');
const { connectedByProxy, recovers, settled } = require('../support/faults.js');
const { waitUntil } = require('../support/wait-until.js');

const MIB = 2 ** 20;
const times = (count, make) => Array.from({ length: count }, (_, n) => make(n));

/** Creates a session with so many bytes of data. */
async function createLong({ open, server, app }, length) {
  const connectionString = server.url;
  const direct = open({ connectionString, commandTimeout: 60_000, maxDataSize: 64 * MIB });
  const token = await direct.create({ app, ownerId: 'bob', duration: 600 });
  const text = 'x'.repeat(MIB / 2);
  // In pieces, so that each is within any limit of one call.
  for (let n = 0; n < length / text.length; n++)
    await direct.update({ app, token, data: { [`part${n}`]: text } });
  return token;
}

test('R75 a long reply that is coming outlasts commandTimeout: its call and all others succeed on the same connection', async (t) => {
  const faulty = await connectedByProxy(t, { commandTimeout: 2000 });
  const { sessions, app, tokens, proxy, get, assertAll } = faulty;
  const long = await createLong(faulty, 6 * MIB);
  await assertAll();
  proxy.rate = MIB;
  let isComing = true;
  const reply = sessions.get({ app, token: long }).finally(() => {
    isComing = false;
  });
  let made = 0;
  const neighbours = [];
  const changed = times(20, (n) => ({ n }));
  while (isComing) {
    const n = made++;
    neighbours.push(get(n % 20));
    neighbours.push(sessions.update({ app, token: tokens[n % 20], data: { again: n } }));
    changed[n % 20].again = n;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { data } = await reply;
  assert.equal(Object.values(data).join('').length, 6 * MIB);
  proxy.rate = Infinity;
  const answers = await Promise.all(neighbours);
  assert.ok(answers.length > 40, `${answers.length} calls made meanwhile`);
  assert.ok(answers.every((answer) => answer === true || answer.ownerId === 'ann'));
  await assertAll((n) => changed[n]);
  assert.equal(proxy.connections, 1, 'the connection was kept');
});

test('R75 a long reply arrives even if the event loop is blocked for longer than commandTimeout', async (t) => {
  const faulty = await connectedByProxy(t);
  const { server, app } = faulty;
  const long = await createLong(faulty, 4 * MIB);
  // The proxy has its own thread, because this one is blocked.
  const code = `
    const { parentPort, workerData } = require('node:worker_threads');
    require(workerData.path).startProxy(workerData.port).then((proxy) => {
      parentPort.postMessage(proxy.url);
      parentPort.once('message', (rate) => {
        proxy.rate = rate;
        parentPort.postMessage('slow');
      });
    });`;
  const path = require.resolve('../support/proxy.js');
  const worker = new Worker(code, { eval: true, workerData: { path, port: server.port } });
  t.after(() => worker.terminate());
  const [connectionString] = await once(worker, 'message');
  const sessions = faulty.open({ connectionString, commandTimeout: 2000 });
  await recovers(sessions, app);
  worker.postMessage(MIB);
  await once(worker, 'message');
  const reply = settled(sessions.get({ app, token: long }), 20_000);
  await new Promise(setImmediate); // it is sent
  const until = Date.now() + 3000;
  while (Date.now() < until);
  const { value, error } = await reply;
  assert.equal(error, undefined);
  assert.equal(Object.values(value.data).join('').length, 4 * MIB);
});

test('R76 a reply that trickles does not renew the deadline, and its connection is replaced', async (t) => {
  const faulty = await connectedByProxy(t, { commandTimeout: 500 });
  const { sessions, app, proxy } = faulty;
  const long = await createLong(faulty, MIB);
  let dripping = true;
  t.after(() => {
    dripping = false;
  });
  proxy.onReply = ({ bytes }) => {
    if (bytes.length < MIB) return bytes;
    return (async function* drips() {
      yield bytes.subarray(0, MIB / 2);
      for (let at = MIB / 2; at < MIB && dripping; at += 100) {
        yield bytes.subarray(at, at + 100);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
  };
  const { error } = await settled(sessions.get({ app, token: long }), 5000);
  assert.equal(error?.code, 'ERR_SESSIONS_TIMEOUT');
  // The first half may have renewed the deadline once or twice.
  const [, waited] = error.message.match(/within (\d+) ms/);
  assert.ok(Number(waited) < 5000, error.message);
  await recovers(sessions, app);
  assert.ok(proxy.connections > 1, 'it was replaced');
});

/** A reply that goes on as long as `isWanted` says so. */
async function* endless(head, isWanted) {
  yield Buffer.from(head);
  const filler = Buffer.alloc(MIB / 8, 'x');
  while (isWanted()) {
    yield filler;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('R76 a reply that never ends is given up after ten times commandTimeout, and its connection with it', async (t) => {
  const { sessions, app, proxy, get } = await connectedByProxy(t, { commandTimeout: 600 });
  let isWanted = true;
  let begun = false;
  proxy.onReply = ({ bytes }) => {
    if (begun) return bytes;
    begun = true;
    return endless('$50000000000\r\n', () => isWanted);
  };
  const { error } = await settled(get(0), 6000).finally(() => {
    isWanted = false;
  });
  assert.equal(error?.code, 'ERR_SESSIONS_TIMEOUT');
  await recovers(sessions, app);
  assert.ok(proxy.connections > 1, 'it was replaced');
});

/** A bulk string of so many bytes, which are made piece by piece. */
async function* longValue(length) {
  yield Buffer.from(`$${length}\r\n`);
  const filler = Buffer.alloc(MIB, '\r\n$1\r\nx');
  for (let left = length; left > 0; left -= filler.length)
    yield filler.subarray(0, Math.min(left, filler.length));
  yield Buffer.from('\r\n');
}

test('R77 a record of 600 MB rejects only its own call, is not kept in memory, and keeps the connection', async (t) => {
  const { sessions, proxy, get, app, tokens, assertAll } = await connectedByProxy(t, {
    commandTimeout: 120_000,
  });
  const LENGTH = 600 * MIB;
  let seen = 0;
  proxy.onReply = ({ bytes }) => (seen++ === 3 ? longValue(LENGTH) : bytes);
  const before = process.memoryUsage().rss;
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss);
  }, 10);
  const ends = await Promise.all(times(20, (n) => settled(get(n), 120_000)));
  clearInterval(watch);
  const rejected = ends.filter(({ error }) => error);
  assert.deepEqual(
    rejected.map(({ error }) => error.code),
    ['ERR_SESSIONS_CORRUPT'],
  );
  assert.match(rejected[0].error.message, /longer than 512 MiB/);
  for (const [n, { value }] of ends.entries())
    if (n !== ends.indexOf(rejected[0])) assert.equal(value.data.n, n);
  assert.ok(most - before < 256 * MIB, `${(most - before) / MIB} MiB more`);
  await assertAll();
  assert.equal(await sessions.kill({ app, token: tokens[3] }), true);
  assert.equal(proxy.connections, 1, 'the connection was kept');
});

for (const [label, reply] of [
  ['deeper', `${'*1\r\n'.repeat(50)}:1\r\n`],
  ['with more values', `*1100000\r\n${':1\r\n'.repeat(1_100_000)}`],
  ['with more values in values', `*2\r\n*1100000\r\n${'$1\r\nx\r\n'.repeat(1_100_000)}:1\r\n`],
]) {
  test(`R77 a reply ${label} than any of ours rejects no other call`, async (t) => {
    const { proxy, get, assertAll } = await connectedByProxy(t, { commandTimeout: 60_000 });
    let seen = 0;
    proxy.onReply = ({ bytes }) => (seen++ === 3 ? Buffer.from(reply) : bytes);
    const ends = await Promise.all(times(20, (n) => settled(get(n), 60_000)));
    const isNoAnswer = label === 'deeper'; // an array: the get is sent again on another connection
    assert.equal(ends.filter(({ error }) => error).length, isNoAnswer ? 0 : 1);
    for (const { value, error } of ends)
      if (error) assert.match(error.code, /^ERR_SESSIONS_(REDIS|CORRUPT)$/);
      else assert.equal(value.ownerId, 'ann');
    await assertAll();
    if (!isNoAnswer) assert.equal(proxy.connections, 1, 'the connection was kept');
  });
}

test('R77 a value of more than 512 MiB whose end is missing ends its connection', async (t) => {
  const { proxy, assertAll } = await connectedByProxy(t, { commandTimeout: 60_000 });
  let seen = 0;
  proxy.onReply = ({ bytes }) => {
    if (seen++ !== 3) return bytes;
    return (async function* shifted() {
      for await (const piece of longValue(513 * MIB)) if (piece.length !== 2) yield piece;
      yield Buffer.from('no line break');
    })();
  };
  await assertAll();
  await waitUntil(() => proxy.connections === 2, 'another connection');
});
