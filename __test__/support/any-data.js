'use strict';

// Hostile data that JSON can write: lists of keys, numbers and strings, and fast-check's generators of objects made
// of them.

const fc = require('fast-check');
const { isReadRight } = require('./json-keys.js');

/** Keys with escapes that every V8 reads right, as long as no object has the key `\`. */
const ESCAPED_KEYS = ['\n', '"', '\ud800'];

/** Only a few keys, so that updates often hit keys that exist. */
const KEYS = [
  ...['a', 'b', 'c', 'd', '', ' ', '\0', '\\', '\\"', '\\u0061', '{', '}', ',', ':'],
  ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'toJSON', 'length'],
  // Integers, which JavaScript puts first, and keys that only look like integers.
  ...['0', '1', '2', '10', '01', '-1', '1.0', '1e3'],
  ...['4294967294', '4294967295', '9007199254740993'],
  // Alike, but not the same: composed and decomposed, look-alikes, halves of one character.
  ...['é', 'e\u0301', 'а', 'ａ', 'ß', 'ss', '\ud83d\ude00', '\ud83d', '\ude00', '\ufffd', '\u2028'],
  ...['ownerId', 'data', 'createdAt', 'null', 'true', 'a\nb', 'k'.repeat(300)],
]
  .filter(isReadRight)
  .concat(ESCAPED_KEYS);

const NUMBERS = [
  ...[0, -0, 1, -1, 0.1, 1e-7, 5e-324, Number.MAX_VALUE, -Number.MAX_VALUE, 1e21, 1e20, 123e-20],
  ...[2 ** 53 - 1, 2 ** 53, 2 ** 53 + 2, 2 ** 60, 2 ** 63, 2 ** 64, -(2 ** 63)],
  12345678901234567890,
  ...[1e400, -1e400, NaN, Infinity], // null in JSON, so they delete
];

const STRINGS = [
  ...['', 'null', '{}', '"', '\\', '\\"', '\n', '\r\n', '\0', '\u2028\u2029', '\u007f\u0080\u00a0'],
  ...['\0\u0001\b\n\r\t\u007f\u0085', 'line\nline'],
  ...['\ud800', '\udfff', '\udc00\ud800', 'x\ud83dy', '\ud83d\ude00', '\ufffd'],
  ...['\ufffe\uffff', '\ufeff', '🏳️‍🌈', 'é', 'e\u0301', '\u202eabc'],
  ...['\\u0000', '\\ud800', '\\u0041'],
  ...['}\n{"a":1}', '"}],[{"', '"},{"x":"', ']]--[[', "redis.call('FLUSHALL')"],
  ...['*1\r\n$4\r\nPING\r\n', '\r\n$5\r\n'],
];

const anyKey = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...KEYS) },
  fc.string({ unit: 'binary', maxLength: 6 }).filter(isReadRight),
  fc.nat(300).map(String),
);

const leaf = fc.oneof(
  fc.constantFrom(...NUMBERS),
  fc.constantFrom(...STRINGS),
  fc.constantFrom(null, undefined, true, false),
  fc.double(),
  fc.string({ unit: 'binary', maxLength: 20 }),
);

/** An object with these own properties, `__proto__` included, in their order if JavaScript keeps it. */
const objectOf = (values, constraints) =>
  fc.array(fc.tuple(anyKey, values), constraints).map((entries) => Object.fromEntries(entries));

const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('value'), { maxLength: 5 }),
    objectOf(tie('value'), { maxLength: 5 }),
  ),
}));
const anyObject = objectOf(value, { maxLength: 10 });

/** A patch deletes as often as it sets. */
const anyPatch = objectOf(fc.oneof(fc.constantFrom(null, null, NaN, undefined, [], {}), value), {
  maxLength: 10,
});

/** Any value, wrapped in 1,000 levels of arrays and objects. */
const anyDeep = fc.tuple(value, fc.infiniteStream(anyKey)).map(([inner, keys]) => {
  let wrapped = inner;
  for (let level = 0; level < 1000; level++) {
    wrapped = level % 3 ? { [keys.next().value]: wrapped, after: [] } : [[], wrapped];
  }
  return { wrapped };
});

/** JSON as others may write it: spaces, escapes and exponents that JSON.stringify never uses. */
const foreignKey = fc.constantFrom(
  ...['"a"', '"\\u0061"', '"\\u0062"', '"b"', '"1"', '"__proto__"', '"\\ud83d"'],
);
const foreignValue = fc.constantFrom(
  ...['1e400', '-1E+400', '1.0', '1E5', '123456789012345678901234567890', '-0', '0e0'],
  ...['"\\u0061"', '"\\/"', '"\\uD83D\\uDE00"', '"\\ud83d"', '"\\u000A"'],
  ...['[ ]', '{ }', '[\t1 , 2 ]', '{ "z" : 1, "1" : [ null ] }', 'null', 'true'],
);
const anyForeign = fc
  .uniqueArray(fc.tuple(foreignKey, foreignValue), { selector: ([key]) => JSON.parse(key) })
  .map((members) => `{ ${members.map(([key, text]) => `${key} : ${text}`).join(' ,')} }`);

module.exports = { KEYS, NUMBERS, STRINGS, anyDeep, anyForeign, anyKey, anyObject, anyPatch };
