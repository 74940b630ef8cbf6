'use strict';

// The words of a server's errors reach users and logs: without the secrets that were sent, without
// control characters, and shortened.

const assert = require('node:assert/strict');
const { inspect } = require('node:util');
const { test } = require('node:test');
const { SpotsSessions } = require('../..');
const { startFakeServer } = require('../support/fake-server.js');
const { rejection } = require('../support/rejection.js');
const { waitUntil } = require('../support/wait-until.js');

const PASSWORD = 'hunter2secret';
const DATA = { card: 'd4ta-v4lue', text: 'Grüße' };
const app = 'shop';

/** @param {string} text */
const bulk = (text) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;

/** An instance, which is closed after the test, and the errors of its events. */
function open(t, options) {
  const sessions = new SpotsSessions({ commandTimeout: 500, ...options });
  t.after(() => sessions.close());
  /** @type {Error[]} */
  const told = [];
  for (const name of ['error', 'reconnecting']) sessions.on(name, (error) => told.push(error));
  return { sessions, told };
}

/** Asserts that no way to print an error shows one of these secrets, or a control character. */
function assertClean(error, secrets) {
  for (const text of [
    error.message,
    String(error.stack),
    JSON.stringify({ ...error }),
    inspect(error, { depth: 9, showHidden: true }),
    String(error.redisCode),
  ]) {
    for (const secret of secrets)
      assert.ok(!text.toLowerCase().includes(secret.toLowerCase()), `${secret} in ${text}`);
  }
  assert.doesNotMatch(error.message, /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u);
  assert.ok(error.message.length <= 300, `${error.message.length} characters`);
}

const WORDINGS = [
  ['in a wording of its own', (it) => `ERR bad request AUTH user ${it}`],
  ['with the arguments', (it) => `ERR unknown command 'AUTH', with args beginning with: '${it}' `],
  ['cut off', (it) => `ERR bad request AUTH user ${it.slice(0, 5)}`],
  ['its end alone', (it) => `ERR no such thing: …${it.slice(-6)}`],
  ['as a code', (it) => `${it.toUpperCase()} is not known`],
  ['alone', (it) => it],
  ['quoted, in 60 KB', (it) => `ERR ${'no '.repeat(20_000)}"${it}"`],
  ['at once, in 60 KB', (it) => `ERR "${it}" ${'no '.repeat(20_000)}`],
  ['with colours', (it) => `ERR \x1b[31m${it.slice(0, 3)}\x1b[0m${it.slice(3)}\x07 \u202ei`],
];

test('R71 a password that a server repeats is in no error and no event, however it is worded', async (t) => {
  for (const [label, word] of WORDINGS) {
    for (const when of ['AUTH', 'HELLO', 'SELECT', 'EVALSHA', 'GET']) {
      const refused = Buffer.from(`-${word(PASSWORD)}\r\n`).toString('latin1');
      const fake = await startFakeServer(t, ([name]) => (name === when ? refused : null));
      const url = fake.url.replace('//', `//user:${PASSWORD}@`);
      const { sessions, told } = open(t, { connectionString: `${url}/2` });
      if (when === 'HELLO') continue; // it may be refused
      const call =
        when === 'GET'
          ? () => sessions.get({ app, token: 'a'.repeat(40) })
          : () => sessions.create({ app, ownerId: 'ann', data: DATA });
      const error = await rejection(call);
      assert.equal(error.code, 'ERR_SESSIONS_REDIS', `${label}, ${when}: ${error.message}`);
      for (const each of [error, ...told])
        assertClean(each, [PASSWORD, PASSWORD.slice(0, 5), PASSWORD.slice(-6)]);
    }
  }
});

test('R71 short passwords, and those of signs, are hidden, and the usual words of a server are not', async (t) => {
  const says = (words) =>
    startFakeServer(t, ([name]) => (name === 'AUTH' ? `-${words}\r\n` : null));
  for (const [password, words, shown] of [
    ['ab', 'ERR bad request AUTH user ab', 'ERR bad request AUTH user ***'],
    ['k', 'ERR bad request AUTH k', 'ERR bad request AUTH ***'],
    ['!?', 'ERR bad request AUTH !?', 'ERR bad request AUTH ***'],
    ['p4ss w0rd/#:@', 'ERR bad p4ss w0rd/#:@ of yours', 'ERR bad *** of yours'],
    ['pass', 'WRONGPASS invalid username-password pair or user is disabled.'],
    ['user', 'WRONGPASS invalid username-password pair or user is disabled.'],
  ]) {
    const fake = await says(words);
    const { sessions } = open(t, { host: fake.host, port: fake.port, username: 'u', password });
    const error = await rejection(() => sessions.create({ app, ownerId: 'ann', data: DATA }));
    assert.equal(error.message, `redis refused: ${shown ?? words}`);
  }
});

test('R71 the password of sentinels is hidden too, in the error and the events', async (t) => {
  for (const [label, word] of WORDINGS) {
    const words = Buffer.from(`-${word(PASSWORD)}\r\n`).toString('latin1');
    for (const when of ['AUTH', 'SENTINEL']) {
      const fake = await startFakeServer(t, ([name]) => (name === when ? words : null));
      const { sessions, told } = open(t, {
        sentinels: [{ host: fake.host, port: fake.port }],
        name: 'mymaster',
        sentinelUsername: 'user',
        sentinelPassword: PASSWORD,
      });
      const error = await rejection(() => sessions.create({ app, ownerId: 'ann', data: DATA }));
      await waitUntil(() => told.length > 0, label);
      for (const each of [error, ...told]) assertClean(each, [PASSWORD, PASSWORD.slice(0, 5)]);
    }
  }
});

test('R71 no error of a call contains its token, its owner or its data', async (t) => {
  const token = 'T0kenT0kenT0kenT0kenT0kenT0kenT0ken1';
  /** @type {Record<string, [string[], (sessions: SpotsSessions) => Promise<any>]>} */
  const calls = {
    create: [
      ['d4ta-v4lue', 'ann@example.org', 'Grüße'],
      (sessions) => sessions.create({ app, ownerId: 'ann@example.org', data: DATA }),
    ],
    update: [['d4ta-v4lue', token], (sessions) => sessions.update({ app, token, data: DATA })],
    get: [[token], (sessions) => sessions.get({ app, token })],
    refresh: [[token], (sessions) => sessions.refresh({ app, token, duration: 9 })],
    kill: [[token], (sessions) => sessions.kill({ app, token })],
    killAll: [
      ['ann@example.org'],
      (sessions) => sessions.killAll({ app, ownerId: 'ann@example.org' }),
    ],
  };
  for (const [method, [secrets, call]] of Object.entries(calls)) {
    for (const secret of secrets) {
      for (const words of [
        `ERR bad request ${secret}`,
        `ERR Protocol error: '{\\"x\\":\\"${secret}\\"}'`,
        `ERR cut off: ${secret.slice(0, 8)}`,
        `upstream failure: ${secret}`,
      ]) {
        const refused = Buffer.from(`-${words}\r\n`).toString('latin1');
        const fake = await startFakeServer(t, ([name]) =>
          name === 'GET' || name.startsWith('EVAL') ? refused : null,
        );
        const { sessions } = open(t, { connectionString: fake.url });
        const error = await rejection(() => call(sessions));
        assert.match(error.code, /REDIS|TIMEOUT/, method);
        assertClean(error, [secret, secret.slice(0, 8)]);
        // After a passing error the call is sent again, and its last attempt may have no answer.
        const rest = /bad request|Protocol error|cut off|upstream failure|did not answer/;
        assert.match(error.message, rest);
      }
    }
  }
});

test('R71 a host that a server names is shown without control characters, and shortened', async (t) => {
  const host = `\x1b[31mred\x9b2J${'.very'.repeat(10_000)}.example`;
  const named = Buffer.from(`*2\r\n${bulk(host)}${bulk('6379')}`).toString('latin1');
  const fake = await startFakeServer(t, ([name]) => (name === 'SENTINEL' ? named : null));
  const { sessions, told } = open(t, {
    sentinels: [{ host: fake.host, port: fake.port }],
    name: 'mymaster',
  });
  const error = await rejection(() => sessions.get({ app, token: 'a'.repeat(40) }));
  for (const each of [error, ...told]) {
    assert.equal(each.code, 'ERR_SESSIONS_CONNECTION');
    assertClean(each, ['\x1b', '\x9b', '.very.very']);
  }
});

test('R71 the errors of calls that share a command do not show what another call has sent', async (t) => {
  const owners = ['anna.of.shop', 'bert.of.shop', 'cleo.of.shop', 'dora.of.shop'];
  let most = 0;
  const fake = await startFakeServer(t, ([name, ...args]) => {
    if (!name.startsWith('EVAL')) return null;
    const sent = owners.filter((owner) => args.includes(JSON.stringify(owner)));
    most = Math.max(most, sent.length);
    return `-LOADING soon: ${sent.join(' ')}\r\n`;
  });
  const { sessions } = open(t, { connectionString: fake.url });
  const calls = owners.map((ownerId) => sessions.create({ app, ownerId, data: DATA }));
  for (const { reason } of await Promise.allSettled(calls)) {
    // The last attempt may have been in flight at the deadline.
    assert.match(reason.code, /REDIS|TIMEOUT/, reason.message);
    assertClean(reason, owners);
  }
  assert.ok(most > 1, 'some shared a command');
});
