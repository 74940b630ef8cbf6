'use strict';

// App and owner are names, never patterns. A token matches exactly or not at all.

const assert = require('node:assert/strict');
const { describe, test, before } = require('node:test');
const { forEachTarget, freshName } = require('./support/targets.js');

const NAMES = [
  ['one letter', 'a'],
  ['another case', 'A'],
  ['a space', ' '],
  ['a space after', 'a '],
  ['NUL', '\0'],
  ['NUL within', 'a\0b'],
  ['a newline', 'a\nb'],
  ['CR LF and RESP', 'a\r\n*1\r\n$4\r\nPING\r\n'],
  ['quotes', `"a'b\`c\\`],
  ['JSON', '{"app":"a"}'],
  ['a closing brace', '}'],
  ['an opening brace', '{'],
  ['an empty hash tag', '{}'],
  ['a hash tag', '{a}b'],
  ['a star', '*'],
  ['a question mark', '?'],
  ['a class', '[a-z]'],
  ['a bar', 'a|b'],
  ['a colon', ':'],
  ['the tail of a key of ours', 'a}:s:b'],
  ['an escape of a surrogate, spelled out', '\\ud800'],
  ['a percent escape', '%00'],
  ['an umlaut composed', '\u00e9'],
  ['an umlaut decomposed', 'e\u0301'],
  ['emoji', '🙂'],
  ['a high surrogate alone', '\ud83d'],
  ['a low surrogate alone', '\ude42'],
  ['surrogates in the wrong order', '\ude42\ud83d'],
  ['the replacement character', '\ufffd'],
  ['names of JavaScript', '__proto__'],
  ['a number', '42'],
  ['the longest', 'n'.repeat(4096)],
  ['the longest in three bytes a character', '€'.repeat(4096)],
];

/** Pairs whose parts, joined in any of the usual ways, give the same text. */
const CONFUSABLE = [
  ['a|b', 'c'],
  ['a', 'b|c'],
  ['a', 'bc'],
  ['ab', 'c'],
  ['a:b', 'c'],
  ['a', 'b:c'],
  ['a\0b', 'c'],
  ['a', 'b\0c'],
  ['a\nb', 'c'],
  ['a', 'b\nc'],
  ['abc', 'c'],
  ['c', 'ab'],
  ['\ud800', 'c'],
  ['\ud801', 'c'],
  ['\ufffd', 'c'],
  ['a', '\ud800'],
  ['a', '\udfff'],
  ['a', '\ufffd'],
  // Together they are one emoji.
  ['\ud83d', '\ude42'],
  ['🙂', '\ude42'],
  ['\ud83d', '🙂'],
];

forEachTarget((target, open, server) => {
  let sessions;
  before(() => {
    ({ sessions } = open());
  });

  describe('any text may name an app or an owner', () => {
    for (const [label, name] of NAMES) {
      test(label, async () => {
        for (const [app, ownerId] of [
          [name, freshName('owner')],
          [freshName(), name],
          [name, name],
        ]) {
          const token = await sessions.create({ app, ownerId, data: { ownerId }, duration: 600 });
          assert.deepEqual(await sessions.get({ app, token }), { ownerId, data: { ownerId } });
          assert.equal(await sessions.update({ app, token, data: { a: 1 } }), true);
          assert.equal(await sessions.refresh({ app, token, duration: 300 }), true);
          assert.deepEqual(await sessions.get({ app, token }), {
            ownerId,
            data: { ownerId, a: 1 },
          });
          const second = await sessions.create({ app, ownerId, data: {}, duration: 600 });
          assert.equal(await sessions.kill({ app, token }), true);
          assert.equal(await sessions.get({ app, token }), undefined);
          assert.equal(await sessions.killAll({ app, ownerId }), true);
          assert.equal(await sessions.get({ app, token: second }), undefined);
        }
      });
    }
  });

  test('two different pairs of app and owner never share sessions', async () => {
    const simple = NAMES.map(([, name]) => name).filter((name) => name.length < 10);
    const pairs = [
      ...CONFUSABLE,
      ...simple.map((name) => [name, 'c']),
      ...simple.map((name) => ['c', name]),
    ];
    const seen = new Set();
    const owners = pairs.filter(([app, ownerId]) => {
      const fresh = !seen.has(JSON.stringify([app, ownerId]));
      seen.add(JSON.stringify([app, ownerId]));
      return fresh;
    });
    const tokens = await Promise.all(
      owners.map(([app, ownerId], n) =>
        sessions.create({ app, ownerId, data: { n }, duration: 600 }),
      ),
    );
    const alive = () =>
      Promise.all(owners.map(([app], n) => sessions.get({ app, token: tokens[n] })));
    for (const [n, session] of (await alive()).entries()) {
      assert.deepEqual(session, { ownerId: owners[n][1], data: { n } });
    }
    for (const [n, [app, ownerId]] of owners.entries()) {
      assert.equal(await sessions.killAll({ app, ownerId }), true);
      const left = (await alive()).flatMap((session, m) => (session ? [m] : []));
      assert.deepEqual(left, owners.map((_, m) => m).slice(n + 1), JSON.stringify([app, ownerId]));
    }
  });

  test('no app opens the session of another', async () => {
    const simple = NAMES.map(([, name]) => name).filter((name) => name.length < 30);
    const tokens = await Promise.all(
      simple.map((app) => sessions.create({ app, ownerId: 'alice', data: {}, duration: 600 })),
    );
    for (const [mine, token] of tokens.entries()) {
      const answers = await Promise.all(simple.map((app) => sessions.get({ app, token })));
      const opened = answers.flatMap((answer, n) => (answer ? [n] : []));
      assert.deepEqual(opened, [mine]);
    }
  });

  describe('finite numbers and bigints become strings', () => {
    const rows = [
      [42, '42'],
      [0, '0'],
      [-0, '0'],
      [-1, '-1'],
      [1.5, '1.5'],
      [1e21, '1e+21'],
      [2 ** 53, '9007199254740992'],
      [42n, '42'],
      [-1n, '-1'],
      [12345678901234567890123n, '12345678901234567890123'],
    ];
    for (const [value, text] of rows) {
      test(`${typeof value} ${Object.is(value, -0) ? '-0' : value} is "${text}"`, async () => {
        const prefix = freshName();
        const token = await sessions.create({
          app: prefix,
          ownerId: value,
          data: {},
          duration: 600,
        });
        assert.deepEqual(await sessions.get({ app: prefix, token }), { ownerId: text, data: {} });
        assert.equal(await sessions.killAll({ app: prefix, ownerId: text }), true);

        const inApp = await sessions.create({
          app: value,
          ownerId: prefix,
          data: {},
          duration: 600,
        });
        assert.deepEqual(await sessions.get({ app: text, token: inApp }), {
          ownerId: prefix,
          data: {},
        });
        assert.equal(await sessions.update({ app: value, token: inApp, data: { a: 1 } }), true);
        assert.equal(await sessions.refresh({ app: value, token: inApp, duration: 60 }), true);
        assert.equal(await sessions.killAll({ app: value, ownerId: prefix }), true);
        assert.equal(await sessions.get({ app: value, token: inApp }), undefined);
      });
    }
  });

  describe('a token that differs in anything opens no session', () => {
    const rows = [
      ['empty', () => ''],
      ['one letter', (token) => token[0]],
      ['a part', (token) => token.slice(0, -1)],
      ['with a space after', (token) => `${token} `],
      ['with a space before', (token) => ` ${token}`],
      ['with a newline after', (token) => `${token}\n`],
      ['with NUL after', (token) => `${token}\0`],
      ['in upper case', (token) => token.toUpperCase()],
      ['in lower case', (token) => token.toLowerCase()],
      ['without its padding', (token) => token.replace(/=+$/, '')],
      ['in the other base64', (token) => Buffer.from(token, 'base64').toString('base64url')],
      ['in hex', (token) => Buffer.from(token, 'base64').toString('hex')],
      ['in latin1', (token) => Buffer.from(token, 'base64').toString('latin1')],
      [
        'with other bits where base64 has spare ones',
        (token) => token.replace(/(.)=$/, (_, last) => `${next(last)}=`),
      ],
      ['with another random byte', (token) => flip(token, 5)],
      ['with another route', (token) => flip(token, 0)],
      ['with the last byte changed', (token) => flip(token, 127)],
      ['a star', () => '*'],
      ['a pattern that fits', (token) => `${token.slice(0, 20)}*`],
      ['a lone surrogate', () => '\ud800'],
      ['with a lone surrogate after', (token) => `${token}\ud800`],
      ['emoji', () => '🙂'.repeat(40)],
      ['4,096 characters', (token) => token.padEnd(4096, 'A')],
      ['4,097 characters', (token) => token.padEnd(4097, 'A')],
      ['4,096 characters of three bytes', () => '€'.repeat(4096)],
      ['4,096 spaces', () => ' '.repeat(4096)],
      ['a million characters', () => 'a'.repeat(1e6)],
    ];
    const next = (letter) => String.fromCharCode(letter.charCodeAt(0) + 1);
    const flip = (token, at) => {
      const bytes = Buffer.from(token, 'base64');
      bytes[at] ^= 1;
      return bytes.toString('base64');
    };

    for (const [label, distort] of rows) {
      test(label, async () => {
        const app = freshName();
        const real = await sessions.create({ app, ownerId: 'alice', data: {}, duration: 600 });
        const token = distort(real);
        assert.notEqual(token, real);
        assert.equal(await sessions.get({ app, token }), undefined);
        assert.equal(await sessions.refresh({ app, token, duration: 60 }), false);
        assert.equal(await sessions.update({ app, token, data: { a: 1 } }), false);
        assert.equal(await sessions.kill({ app, token }), false);
        assert.deepEqual(await sessions.get({ app, token: real }), { ownerId: 'alice', data: {} });
      });
    }

    if (target === 'redis') {
      test('an empty or too long token is not looked up in Redis', async () => {
        const { app, token } = { app: freshName(), token: 'x'.repeat(4097) };
        await sessions.get({ app, token: 'the token of nobody' });
        const { redis } = open();
        await redis.config('RESETSTAT');
        for (const absent of ['', token]) {
          await sessions.get({ app, token: absent });
          await sessions.refresh({ app, token: absent, duration: 60 });
          await sessions.update({ app, token: absent, data: {} });
          await sessions.kill({ app, token: absent });
        }
        const stats = await server().commandStats();
        const used = ['get', 'eval', 'evalsha', 'exists', 'del', 'pexpire'].filter(
          (name) => stats[name],
        );
        assert.deepEqual(used, []);
      });
    }
  });
});
