'use strict';

// Data goes in and comes out, and updates merge, as JavaScript itself would do it: for any data
// that JSON can write, the more hostile the better.

const assert = require('node:assert/strict');
const { describe, test, before } = require('node:test');
const fc = require('fast-check');
const { isReadRight } = require('./support/json-keys.js');
const { sessionKey } = require('./support/keys.js');
const { forEachTarget, freshName, onRedis } = require('./support/targets.js');

const OWNER = 'alice';
const times = (count, make) => Array.from({ length: count }, (_, n) => make(n));

/** Few enough that updates hit keys which are there. */
const KEYS = [
  ...['a', 'b', 'c', 'd', '', ' ', '\0', '\n', '\\', '"', '\\"', '\\u0061', '{', '}', ',', ':'],
  ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'toJSON', 'length'],
  // Like integers, which JavaScript puts first, and almost.
  ...['0', '1', '2', '10', '01', '-1', '1.0', '1e3'],
  ...['4294967294', '4294967295', '9007199254740993'],
  // Alike, but not the same: composed and decomposed, look-alikes, halves of one character.
  ...['é', 'e\u0301', 'а', 'ａ', 'ß', 'ss', '\ud83d\ude00', '\ud83d', '\ude00', '\ufffd', '\u2028'],
  ...['ownerId', 'data', 'createdAt', 'null', 'true', 'a\nb', 'k'.repeat(300)],
].filter(isReadRight);

const NUMBERS = [
  ...[0, -0, 1, -1, 0.1, 1e-7, 5e-324, Number.MAX_VALUE, -Number.MAX_VALUE, 1e21, 1e20, 123e-20],
  ...[2 ** 53 - 1, 2 ** 53, 2 ** 53 + 2, 2 ** 63, 2 ** 64, -(2 ** 63), 12345678901234567890],
  ...[1e400, -1e400, NaN, Infinity], // null in JSON, so they delete
];

const STRINGS = [
  ...['', 'null', '{}', '"', '\\', '\\"', '\n', '\r\n', '\0', '\u2028\u2029', '\u007f\u0080\u00a0'],
  ...['\ud800', '\udfff', '\udc00\ud800', 'x\ud83dy', '\ud83d\ude00'],
  ...['\ufffe\uffff', '\ufeff', '🏳️‍🌈', '\\u0000', '\\ud800'],
  ...['}\n{"a":1}', '"}],[{"', "redis.call('FLUSHALL')", '*1\r\n$4\r\nPING\r\n'],
];

const key = fc
  .oneof(
    { weight: 6, arbitrary: fc.constantFrom(...KEYS) },
    fc.string({ unit: 'binary', maxLength: 6 }),
    fc.nat(300).map(String),
  )
  .filter(isReadRight);
const leaf = fc.oneof(
  fc.constantFrom(...NUMBERS),
  fc.constantFrom(...STRINGS),
  fc.constantFrom(null, undefined, true, false),
  fc.double(),
  fc.string({ unit: 'binary', maxLength: 20 }),
);

/** Own properties, `__proto__` too, in the order of the entries as far as JavaScript keeps it. */
const objectOf = (values, constraints) =>
  fc.array(fc.tuple(key, values), constraints).map((entries) => Object.fromEntries(entries));

const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('value'), { maxLength: 5 }),
    objectOf(tie('value'), { maxLength: 5 }),
  ),
}));
const object = objectOf(value, { maxLength: 10 });

/** A patch deletes as often as it sets. */
const patch = objectOf(fc.oneof(fc.constantFrom(null, null, NaN, undefined, [], {}), value), {
  maxLength: 10,
});

/** What JSON makes of data. */
const asJson = (data) => JSON.parse(JSON.stringify(data));

/** What `update` does, in JavaScript: `null` deletes, the rest replaces or goes last. */
function merge(data, patch) {
  const merged = asJson(data);
  for (const [name, value] of Object.entries(asJson(patch))) {
    // Not by assignment, which `__proto__` would take for the prototype.
    const property = { value, writable: true, enumerable: true, configurable: true };
    if (value === null) delete merged[name];
    else Object.defineProperty(merged, name, property);
  }
  return merged;
}

/** Equal values, with equal keys in the same order, at every level. */
function assertSame(actual, expected) {
  const [got, wanted] = [actual, expected].map((data) => JSON.stringify(data));
  // Not assert.equal: it would print megabytes.
  if (got !== wanted) assert.fail(difference(got, wanted));
  assert.equal(Object.getPrototypeOf(actual), Object.prototype);
}

function difference(got, wanted) {
  let at = 0;
  while (got[at] === wanted[at]) at++;
  const around = (text) => text.slice(Math.max(0, at - 40), at + 80);
  return `got …${around(got)}…, expected …${around(wanted)}…`;
}

/** Any value, wrapped in this many levels of arrays and objects. */
const deep = fc
  .tuple(value, fc.integer({ min: 500, max: 1000 }), fc.infiniteStream(key))
  .map(([inner, levels, keys]) => {
    let wrapped = inner;
    for (let level = 0; level < levels; level++) {
      wrapped = level % 3 ? { [keys.next().value]: wrapped, after: [] } : [[], wrapped];
    }
    return { wrapped };
  });

forEachTarget((_target, open) => {
  let sessions;
  let app;
  before(() => {
    ({ sessions } = open({ maxDataSize: 2 ** 24 }));
    app = freshName();
  });
  const create = (data) => sessions.create({ app, ownerId: OWNER, data, duration: 600 });
  const read = async (token) => (await sessions.get({ app, token })).data;
  const property = (...args) => fc.assert(fc.asyncProperty(...args.slice(0, -1)), args.at(-1));

  /** The data as created, then as updated by each patch; read after each, or only at the end. */
  async function follow(data, patches, eachTime) {
    const token = await create(data);
    let expected = asJson(data);
    assertSame(await read(token), expected);
    for (const patch of patches) {
      assert.equal(await sessions.update({ app, token, data: patch }), true);
      expected = merge(expected, patch);
      if (eachTime) assertSame(await read(token), expected);
    }
    assertSame(await read(token), expected);
  }

  test('any data comes back as JSON writes and reads it', async () => {
    await property(
      object,
      async (data) => assertSame(await read(await create(data)), asJson(data)),
      {
        numRuns: 500,
      },
    );
  });

  test('any updates give what JavaScript gives, after each of them', async () => {
    await property(
      object,
      fc.array(patch, { maxLength: 8 }),
      (data, patches) => follow(data, patches, true),
      {
        numRuns: 200,
      },
    );
  });

  test('so do so many updates that the record is folded again and again', async () => {
    const padded = patch.map((changes) => ({ pad: 'x'.repeat(1500), ...changes }));
    await property(
      object,
      fc.array(padded, { minLength: 10, maxLength: 30 }),
      (data, patches) => follow(data, patches, false),
      { numRuns: 20 },
    );
  });

  test('every key can be set, replaced in its place, deleted, and set again at the end', async () => {
    for (const name of KEYS) {
      const own = (value) => Object.fromEntries([[name, value]]);
      const data = { ...own(1), first: 1, [`${name} `]: 2 };
      await follow(data, [own({ x: 2 }), own(null), own(null), own([3]), own('')], true);
    }
    const all = Object.fromEntries(KEYS.map((name, n) => [name, n]));
    const none = Object.fromEntries(KEYS.map((name) => [name, null]));
    await follow(all, [all, none, all], true);
  });

  test('every number and string stays what it is, as a value, in an array and in a patch', async () => {
    const leaves = [...NUMBERS, ...STRINGS];
    const data = Object.fromEntries(leaves.map((leaf, n) => [`key ${n}`, leaf]));
    await follow(data, [{ all: leaves }, { nested: { leaves } }, data], true);
  });

  test('up to 1,000 levels of arrays and objects', async () => {
    await property(
      deep,
      deep,
      (data, patch) => follow(data, [patch, { wrapped: [] }, patch], true),
      {
        numRuns: 10,
      },
    );
  });

  test('10,000 keys, of which updates replace, delete and add some', async () => {
    const names = fc.uniqueArray(
      key.map((text) => `${text} `),
      { minLength: 100, maxLength: 100 },
    );
    await property(
      names,
      fc.array(fc.dictionary(fc.nat(12_000).map(String), fc.constantFrom(null, 1, '€', [])), {
        maxLength: 5,
      }),
      async (names, patches) => {
        const entries = times(10_000, (n) => [n % 100 ? String(n) : names[n / 100], { n }]);
        await follow(Object.fromEntries(entries), patches, true);
      },
      { numRuns: 5 },
    );
  });

  describe('values of 1 MiB', () => {
    const rows = [
      ['ASCII', 'x'],
      ['quotes, which JSON escapes', '"'],
      ['NUL, which JSON spells in six characters', '\0'],
      ['emoji', '😀'],
      ['lone surrogates', '\ud800'],
      ['separators of lines', '\u2028'],
    ];
    for (const [label, unit] of rows) {
      test(label, async () => {
        const text = unit.repeat(2 ** 20 / Buffer.byteLength(unit));
        const key = unit.repeat(2 ** 16);
        await follow(
          { text, before: 1 },
          [{ [key]: text }, { text: [text] }, { text: null }],
          true,
        );
      });
    }
  });
});

onRedis((open) => {
  let sessions;
  let redis;
  before(() => {
    ({ sessions, redis } = open({ maxDataSize: 2 ** 24 }));
  });

  /** JSON as others may write it: spaces, escapes and exponents that JSON.stringify never uses. */
  const texts = ['1e400', '-1E+400', '1.0', '1E5', '123456789012345678901234567890', '-0', '0e0'];
  const strings = ['"\\u0061"', '"\\/"', '"\\uD83D\\uDE00"', '"\\ud83d"', '"\\u000A"'];
  const nested = ['[ ]', '{ }', '[\t1 , 2 ]', '{ "z" : 1, "1" : [ null ] }', 'null', 'true'];
  const foreignKey = fc.constantFrom(
    '"a"',
    '"\\u0061"',
    '"\\u0062"',
    '"b"',
    '"1"',
    '"__proto__"',
    '"\\ud83d"',
  );
  const foreignObject = fc
    .uniqueArray(fc.tuple(foreignKey, fc.constantFrom(...texts, ...strings, ...nested)), {
      selector: ([key]) => JSON.parse(key),
    })
    .map((members) => `{ ${members.map(([key, text]) => `${key} : ${text}`).join(' ,')} }`);

  test('records that another program wrote are read as JavaScript reads them', async () => {
    const app = freshName();
    const token = await sessions.create({ app, ownerId: OWNER, data: {}, duration: 600 });
    const record = sessionKey(app, OWNER, token);
    await fc.assert(
      fc.asyncProperty(
        foreignObject,
        fc.array(foreignObject, { maxLength: 5 }),
        async (data, patches) => {
          await redis.set(record, ['{"createdAt":1}', '"alice"', data, ...patches].join('\n'));
          const expected = patches
            .map((text) => JSON.parse(text))
            .reduce(mergeParsed, JSON.parse(data));
          const got = (await sessions.get({ app, token })).data;
          // Not as JSON, which writes Infinity as null.
          assert.deepEqual(got, expected);
          assert.deepEqual(Object.keys(got), Object.keys(expected));
        },
      ),
      { numRuns: 300 },
    );
  });

  function mergeParsed(data, patch) {
    for (const [name, value] of Object.entries(patch)) {
      const property = { value, writable: true, enumerable: true, configurable: true };
      if (value === null) delete data[name];
      else Object.defineProperty(data, name, property);
    }
    return data;
  }
});
