'use strict';

// Checks for every fault: each call settles in time, with a true answer or with one of our errors. After the fault has
// ended, the same instance works again.

const assert = require('node:assert/strict');
const { inspect } = require('node:util');
const { SpotsSessions, SpotsSessionsError } = require('../../index.js');
const { startProxy } = require('./proxy.js');
const { startRedis } = require('./redis-server.js');
const { requestsOf } = require('./requests.js');
const { freshName } = require('./targets.js');
const { waitUntil } = require('./wait-until.js');

/** Whether tests repeat more and wait longer, as in a nightly job. */
const long = process.env.FAULTS === 'long';

/**
 * Milliseconds after its deadline within which a call must settle. 100 are promised. On a busy machine
 * this shows that a call waits neither indefinitely nor for a second `commandTimeout`.
 */
const SLACK = 4000;
/** Milliseconds after the end of a fault within which calls must work. 2,000 are promised. */
const RECOVERY = 8000;

/**
 * Starts a server, with a proxy before it if `proxy` is set. `open` makes instances. All end with the test.
 *
 * @param {import('node:test').TestContext} t
 * @param {{ proxy?: boolean } & import('./redis-server.js').StartOptions} [options]
 */
async function faultyServer(t, { proxy: withProxy = false, ...options } = {}) {
  const server = await startRedis(options);
  const proxy = withProxy ? await startProxy(server.port) : undefined;
  const app = freshName();
  /** @type {SpotsSessions[]} */
  const opened = [];
  t.after(async () => {
    server.kill('SIGCONT');
    proxy?.reset();
    await Promise.all(opened.map((sessions) => sessions.close()));
    await proxy?.stop();
    await server.stop();
  });

  /** @param {object} [settings] */
  function open(settings = {}) {
    const connectionString = proxy?.url ?? server.url;
    const sessions = new SpotsSessions({ connectionString, ...settings });
    opened.push(sessions);
    return sessions;
  }
  return { server, proxy, open, app, redis: server.client() };
}

/**
 * An instance with twenty sessions. It has already connected through a proxy, so faults do not hit the handshake.
 *
 * @param {import('node:test').TestContext} t
 * @param {object} [settings]
 */
async function connectedByProxy(t, settings) {
  const faulty = await faultyServer(t, { proxy: true });
  const sessions = faulty.open(settings);
  const { app } = faulty;
  await connects(sessions);
  const all = Array.from({ length: 20 }, (_, n) => n);
  const create = (n) => sessions.create({ app, ownerId: 'ann', data: { n }, duration: 600 });
  const tokens = await Promise.all(all.map(create));
  const get = (n) => sessions.get({ app, token: tokens[n] });
  /** Reads all sessions at once. This would show a reply that reached the wrong call. */
  const assertAll = async (dataOf = (n) => ({ n })) => {
    const found = await Promise.all(all.map(get));
    assert.deepEqual(
      found,
      all.map((n) => ({ ownerId: 'ann', data: dataOf(n) })),
    );
  };
  return { ...faulty, sessions, create, tokens, get, assertAll };
}

/**
 * Waits for a call for a bounded time. Resolves to its value, or to its error, which must be one of ours.
 *
 * @param {Promise<any>} call
 * @param {number} commandTimeout
 * @returns {Promise<{ value?: any, error?: any }>}
 */
async function settled(call, commandTimeout) {
  const late = Symbol('late');
  let timer;
  const patience = new Promise((resolve) => {
    timer = setTimeout(resolve, commandTimeout + SLACK, late);
  });
  const end = call.then(
    (value) => ({ value }),
    (error) => ({ error }),
  );
  const first = await Promise.race([end, patience]);
  clearTimeout(timer);
  assert.notEqual(first, late, `a call did not settle in ${commandTimeout} ms and some seconds`);
  if ('error' in first) assertOurs(first.error);
  return first;
}

/** Asserts that an error has our class, a code and a message, and shows no secret. */
function assertOurs(error) {
  assert.ok(error instanceof SpotsSessionsError, inspect(error));
  assert.match(error.code, /^ERR_SESSIONS_(TIMEOUT|CONNECTION|CLOSED|OVERLOADED|REDIS|CORRUPT)$/);
  assert.ok(error.message.length > 0);
  assert.equal('redisCode' in error && error.redisCode !== undefined, error.code.endsWith('REDIS'));
  assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes('s3cret'), 'a secret shown');
}

/**
 * Resolves when an instance works again after a fault. Until then every error must be one of ours.
 *
 * @param {SpotsSessions} sessions
 * @param {string} app
 */
async function recovers(sessions, app) {
  const works = async () => {
    const { value, error } = await settled(
      sessions.create({ app, ownerId: 'recovered', data: { a: 1 }, duration: 60 }),
      RECOVERY,
    );
    if (error) return false;
    assert.deepEqual(await sessions.get({ app, token: value }), {
      ownerId: 'recovered',
      data: { a: 1 },
    });
    return true;
  };
  const begun = Date.now();
  await waitUntil(works, 'the instance to work again', RECOVERY);
  assert.ok(Date.now() - begun < RECOVERY, `it worked again after ${Date.now() - begun} ms only`);
}

/**
 * Resolves when an instance is connected, whatever the server answers. On a busy machine, connecting
 * would otherwise take up much of a short deadline.
 *
 * @param {SpotsSessions} sessions
 */
async function connects(sessions) {
  const isAnswered = async () => {
    const error = await sessions.get({ app: 'app', token: 'A'.repeat(172) }).catch((e) => e);
    return !/^ERR_SESSIONS_(TIMEOUT|CONNECTION)$/.test(error?.code);
  };
  await waitUntil(isAnswered, 'the instance to be connected');
}

/**
 * Asserts that a call that the server puts off rejects with this code. Makes the call until its last
 * attempt is answered before the deadline. If that attempt is in flight at the deadline, a timeout is
 * right, too: `R18` of server.test.js tests it.
 *
 * @param {() => Promise<any>} call
 * @param {number} commandTimeout
 * @param {string} redisCode
 */
async function assertRefusedInTime(call, commandTimeout, redisCode) {
  const isRefused = async () => {
    const { error, value } = await settled(call(), commandTimeout);
    assert.ok(error, `it was not refused: ${inspect(value)}`);
    if (error.code === 'ERR_SESSIONS_TIMEOUT') return false;
    assert.equal(error.redisCode, redisCode, inspect(error));
    return true;
  };
  await waitUntil(isRefused, `a call whose last attempt is answered in time: ${redisCode}`);
}

/**
 * Calls all methods at once, with a well-formed token, and resolves to their outcomes.
 *
 * @param {SpotsSessions} sessions
 * @param {string} app
 * @param {number} commandTimeout
 */
async function endsOfAll(sessions, app, commandTimeout) {
  const calls = Object.entries(requestsOf(app, 'A'.repeat(172)));
  const ends = calls.map(([method, request]) => settled(sessions[method](request), commandTimeout));
  return Promise.all(ends);
}

/**
 * Asserts that all methods reject with this code: an outage is never "not found".
 *
 * @param {SpotsSessions} sessions
 * @param {string} app
 * @param {number} commandTimeout
 * @param {RegExp} code
 */
async function assertOutage(sessions, app, commandTimeout, code) {
  for (const end of await endsOfAll(sessions, app, commandTimeout)) {
    assert.ok(end.error, `an outage was answered: ${inspect(end.value)}`);
    assert.match(end.error.code, code, inspect(end.error));
  }
}

module.exports = {
  ...{
    assertOutage,
    assertRefusedInTime,
    connectedByProxy,
    connects,
    endsOfAll,
    faultyServer,
    long,
    recovers,
    settled,
  },
};
