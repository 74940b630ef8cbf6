'use strict';

// Extensions that fail, that are not answered, or that are in flight when an instance closes. The caller of `get` never
// waits for one, and never hears of one as a rejection.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { faultyServer } = require('./support/faults.js');
const { sessionKey } = require('./support/keys.js');
const { waitUntil } = require('./support/wait-until.js');

const ownerId = 'alice';

/** A sliding session that the next get must extend, read through a proxy. */
async function slidingSession(t, settings) {
  const faulty = await faultyServer(t, { proxy: true });
  const { app, redis, open } = faulty;
  const sessions = open(settings);
  const errors = [];
  sessions.on('error', (error) => errors.push(error));
  const create = (more) =>
    sessions.create({ app, ownerId, data: { a: 1 }, duration: 600, sliding: true, ...more });
  // Another one first, so that the server knows the scripts.
  const warm = await create({ ownerId: 'warm' });
  const warmKey = sessionKey(app, 'warm', warm);
  await redis.pexpire(warmKey, 60_000);
  await sessions.get({ app, token: warm });
  await waitUntil(async () => (await redis.pttl(warmKey)) > 60_000, 'the first extension');
  const token = await create();
  const key = sessionKey(app, ownerId, token);
  await redis.pexpire(key, 60_000);
  const get = () => sessions.get({ app, token });
  const isExtended = async () => (await redis.pttl(key)) > 60_000;
  return { ...faulty, sessions, errors, key, get, isExtended };
}

/** Makes each connection silent from the answer of an extension on, which is a number. */
function loseExtensions(proxy) {
  proxy.onReply = ({ bytes }) => {
    if (bytes[0] !== 58 /* : */) return bytes;
    proxy.forget();
  };
}

/** Waits for a promise, but not indefinitely. */
const within = (promise, what) => {
  let isDone = false;
  const done = promise.then(() => {
    isDone = true;
  });
  return waitUntil(() => isDone, what).then(() => done);
};

test('a get is answered although the extension behind it is not', async (t) => {
  const { proxy, get, isExtended } = await slidingSession(t, { commandTimeout: 120_000 });
  loseExtensions(proxy);
  const answered = get().then((session) => assert.deepEqual(session.data, { a: 1 }));
  await within(answered, 'the answer');
  await waitUntil(isExtended, 'the extension to be carried out');
});

test('close right after a get does not wait for the extension, which is sent', async (t) => {
  const { proxy, sessions, get, isExtended } = await slidingSession(t, { commandTimeout: 120_000 });
  loseExtensions(proxy);
  await get();
  await within(sessions.close(), 'close');
  await waitUntil(isExtended, 'the session to be extended');
});

test('close in the turn of a get that is answered still extends', async (t) => {
  const { sessions, get, isExtended } = await slidingSession(t);
  const [session] = await Promise.all([get(), sessions.close()]);
  assert.deepEqual(session.data, { a: 1 });
  await waitUntil(isExtended, 'the session to be extended');
});

test('an extension that the server refuses is told as an error event, and later gets try again until one succeeds', async (t) => {
  const { redis, errors, get, isExtended } = await slidingSession(t);
  await redis.call('ACL', 'SETUSER', 'default', '-evalsha', '-eval');
  for (let n = 1; n <= 3; n++) {
    await waitUntil(async () => {
      assert.deepEqual((await get()).data, { a: 1 });
      return errors.length >= n;
    }, 'the event');
    assert.equal(errors[n - 1].name, 'SpotsSessionsError');
    assert.deepEqual(
      [errors[n - 1].code, errors[n - 1].redisCode],
      ['ERR_SESSIONS_REDIS', 'NOPERM'],
    );
  }
  assert.equal(await isExtended(), false);
  const told = errors.length;
  const begun = performance.now();
  for (let n = 0; n < 100; n++) await get();
  const seconds = (performance.now() - begun) / 1000;
  assert.ok(errors.length <= told + 2 + seconds, 'at most one event a second');
  await redis.call('ACL', 'SETUSER', 'default', '+evalsha', '+eval');
  await waitUntil(async () => {
    assert.deepEqual((await get()).data, { a: 1 });
    return isExtended();
  }, 'the session to be extended');
});

test('a refused extension without a listener does no harm', async (t) => {
  const { redis, sessions, get, isExtended, server } = await slidingSession(t);
  sessions.removeAllListeners('error');
  await redis.call('ACL', 'SETUSER', 'default', '-evalsha', '-eval');
  for (let n = 0; n < 5; n++) assert.deepEqual((await get()).data, { a: 1 });
  await redis.call('ACL', 'SETUSER', 'default', '+evalsha', '+eval');
  await waitUntil(async () => (await get()) && isExtended(), 'the session to be extended');
  assert.ok(server.pid > 0);
});

test('an extension that is not answered in time is told as an error event, and later gets try again', async (t) => {
  const { proxy, errors, get } = await slidingSession(t, { commandTimeout: 300 });
  loseExtensions(proxy);
  const told = () => errors.filter(({ code }) => code === 'ERR_SESSIONS_TIMEOUT').length;
  // A get may be on the connection that is given up because of the extension before it.
  const getOrFail = () =>
    get().catch(({ code }) => assert.match(code, /^ERR_SESSIONS_(TIMEOUT|CONNECTION)$/));
  for (let n = 1; n <= 3; n++) {
    await waitUntil(async () => {
      await getOrFail();
      return told() >= n;
    }, 'the event');
  }
  proxy.reset();
  await waitUntil(async () => (await getOrFail())?.data.a === 1, 'a get to be answered');
});

test('an extension whose answer was lost with its connection is sent again', async (t) => {
  const { redis, proxy, errors, key, get, isExtended } = await slidingSession(t);
  let lost = 0;
  proxy.onReply = ({ bytes, cut }) => {
    if (bytes[0] !== 58 || lost++ > 0) return bytes;
    cut();
  };
  assert.deepEqual((await get()).data, { a: 1 });
  await waitUntil(isExtended, 'the session to be extended');
  await waitUntil(() => lost >= 2, 'the extension to be sent again');
  assert.ok(errors.every(({ code }) => code === 'ERR_SESSIONS_CONNECTION'));
  assert.ok((await redis.pttl(key)) > 60_000);
});
