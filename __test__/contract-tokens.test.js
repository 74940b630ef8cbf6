'use strict';

// The shape of tokens, for every encoding and size, and that all of them work.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');
const { ownerHash } = require('./support/keys.js');
const { forEachTarget, freshName, onRedis } = require('./support/targets.js');
const { SpotsSessions } = require('../index.js');

const SIZES = [32, 33, 34, 35, 36, 64, 127, 128, 129, 1023, 1024];

const ENCODINGS = [
  {
    tokenEncoding: 'base64',
    alphabet: /^[A-Za-z0-9+/]+={0,2}$/,
    length: (bytes) => 4 * Math.ceil(bytes / 3),
  },
  {
    tokenEncoding: 'base64url',
    alphabet: /^[A-Za-z0-9_-]+$/,
    length: (bytes) => Math.ceil((4 * bytes) / 3),
  },
  { tokenEncoding: 'hex', alphabet: /^[0-9a-f]+$/, length: (bytes) => 2 * bytes },
  { tokenEncoding: 'latin1', alphabet: /^[\0-\xff]+$/, length: (bytes) => bytes },
  { tokenEncoding: 'binary', alphabet: /^[\0-\xff]+$/, length: (bytes) => bytes },
];

/** Create, get, update, refresh, kill: the life of one session. */
async function assertWorks(sessions, app, token, ownerId) {
  assert.deepEqual(await sessions.get({ app, token }), { ownerId, data: { a: 1 } });
  assert.equal(await sessions.update({ app, token, data: { b: 2 } }), true);
  assert.equal(await sessions.refresh({ app, token, duration: 60 }), true);
  assert.deepEqual(await sessions.get({ app, token }), { ownerId, data: { a: 1, b: 2 } });
  assert.equal(await sessions.kill({ app, token }), true);
  assert.equal(await sessions.get({ app, token }), undefined);
}

forEachTarget((_target, open) => {
  describe('tokens', () => {
    for (const { tokenEncoding, alphabet, length } of ENCODINGS) {
      for (const tokenSize of SIZES) {
        test(`of ${tokenSize} bytes in ${tokenEncoding} are well-formed, carry the owner, and work`, async () => {
          const { sessions, close } = open({ tokenEncoding, tokenSize });
          const app = freshName();
          const create = (n) =>
            sessions.create({ app, ownerId: `owner-${n}`, data: { a: 1 }, duration: 600 });
          const tokens = await Promise.all(Array.from({ length: 20 }, (_, n) => create(n)));
          for (const [n, token] of tokens.entries()) {
            assert.match(token, alphabet);
            assert.equal(token.length, length(tokenSize));
            const bytes = Buffer.from(token, tokenEncoding);
            assert.equal(bytes.length, tokenSize);
            assert.equal(bytes.toString(tokenEncoding), token);
            assert.deepEqual(bytes.subarray(0, 16), ownerHash(app, `owner-${n}`));
            await assertWorks(sessions, app, token, `owner-${n}`);
          }
          await close();
        });
      }
    }

    test('the default is 128 bytes in base64: 172 characters', async () => {
      for (const options of [{}, { tokenEncoding: undefined, tokenSize: undefined }]) {
        const { sessions } = open(options);
        const token = await sessions.create({ app: freshName(), ownerId: 'alice', data: {} });
        assert.match(token, /^[A-Za-z0-9+/]{171}=$/);
      }
    });

    test('only the bytes of the owner are fixed, and every other byte takes many values', async () => {
      const { sessions } = open({ tokenSize: 32 });
      const request = { app: freshName(), ownerId: 'alice', data: {}, duration: 600 };
      const tokens = await Promise.all(Array.from({ length: 500 }, () => sessions.create(request)));
      for (let at = 16; at < 32; at++) {
        const values = new Set(tokens.map((token) => Buffer.from(token, 'base64')[at]));
        // 500 draws of 256 values give 220 different ones on average; 150 is 15 deviations away.
        assert.ok(values.size > 150, `byte ${at} took ${values.size} values`);
      }
    });
  });
});

onRedis((open) => {
  test('a token works in an instance with any other encoding and size', async () => {
    const app = freshName();
    const instances = ENCODINGS.flatMap(({ tokenEncoding }) =>
      [32, 128, 1024].map((tokenSize) => open({ tokenEncoding, tokenSize }).sessions),
    );
    for (const minter of instances) {
      for (const reader of instances) {
        const token = await minter.create({ app, ownerId: 'alice', data: { a: 1 }, duration: 600 });
        await assertWorks(reader, app, token, 'alice');
      }
    }
  });
});

describe('options of tokens that are refused', () => {
  const LOSSY = ['ascii', 'utf8', 'utf-8', 'utf16le', 'utf-16le', 'ucs2', 'ucs-2', 'UTF8'];
  const rows = [
    ...LOSSY.map((tokenEncoding) => [
      { tokenEncoding },
      TypeError,
      'ERR_INVALID_ARG_VALUE',
      'tokenEncoding',
    ]),
    [{ tokenEncoding: 'bogus' }, TypeError, 'ERR_INVALID_ARG_VALUE', 'tokenEncoding'],
    [{ tokenEncoding: 5 }, TypeError, 'ERR_INVALID_ARG_TYPE', 'tokenEncoding'],
    [{ tokenSize: 31 }, RangeError, 'ERR_OUT_OF_RANGE', 'tokenSize'],
    [{ tokenSize: 1025 }, RangeError, 'ERR_OUT_OF_RANGE', 'tokenSize'],
    [{ tokenSize: 0 }, RangeError, 'ERR_OUT_OF_RANGE', 'tokenSize'],
    [{ tokenSize: 1 }, RangeError, 'ERR_OUT_OF_RANGE', 'tokenSize'],
    [{ tokenSize: -1 }, RangeError, 'ERR_OUT_OF_RANGE', 'tokenSize'],
    [{ tokenSize: NaN }, RangeError, 'ERR_OUT_OF_RANGE', 'tokenSize'],
    [{ tokenSize: Infinity }, RangeError, 'ERR_OUT_OF_RANGE', 'tokenSize'],
    [{ tokenSize: 32.5 }, RangeError, 'ERR_OUT_OF_RANGE', 'tokenSize'],
    [{ tokenSize: '32' }, TypeError, 'ERR_INVALID_ARG_TYPE', 'tokenSize'],
    [{ tokenSize: 128n }, TypeError, 'ERR_INVALID_ARG_TYPE', 'tokenSize'],
  ];
  for (const [options, Kind, code, name] of rows) {
    const [value] = Object.values(options);
    test(`${name}: ${typeof value} ${value}`, () => {
      assert.throws(
        () => new SpotsSessions({ connectionString: 'memory:', ...options }),
        (error) => {
          assert.match(error.message, /^failed to instantiate/);
          assert.ok(error.cause instanceof Kind, String(error.cause));
          assert.equal(error.cause.code, code);
          assert.ok(error.cause.message.includes(name));
          return true;
        },
      );
    });
  }

  for (const tokenEncoding of LOSSY) {
    test(`${tokenEncoding} is refused with the reason: it loses bits of the token`, () => {
      assert.throws(
        () => new SpotsSessions({ connectionString: 'memory:', tokenEncoding }),
        ({ cause }) => /los[et]|reversib/i.test(cause.message),
      );
    });
  }
});
