'use strict';

// Data that sessions must keep as JSON writes it, and what is no data.

const nested = (levels) => {
  let value = { end: true };
  for (let level = 0; level < levels; level++) value = level % 2 ? [value] : { value };
  return { value };
};

const FAITHFUL = [
  ['nothing', {}],
  [
    'every kind of value',
    { s: 'x', n: 1, f: 0.1, t: true, b: false, z: null, a: [1, [2]], o: { p: {} } },
  ],
  ['empty arrays and objects', { a: [], o: {}, n: [[], {}] }],
  [
    'undefined, functions and symbols',
    { a: undefined, f() {}, s: Symbol('s'), [Symbol('k')]: 1, l: [undefined] },
  ],
  ['numbers that JSON has no word for', { nan: NaN, inf: Infinity, minus: -Infinity, zero: -0 }],
  [
    'numbers over 2^53',
    { a: 2 ** 53 + 2, b: 2 ** 64, c: 1e21, d: 1e-7, e: Number.MAX_VALUE, f: 5e-324 },
  ],
  ['keys like integers', { b: 1, 2: 'two', a: 2, 1: 'one', '01': 3, '-1': 4, 4294967295: 5 }],
  [
    'an own __proto__',
    JSON.parse('{"a":1,"__proto__":{"isAdmin":true},"constructor":2,"toString":3}'),
  ],
  [
    'an empty key and keys with every kind of character',
    { '': 1, '\0': 2, '\n': 3, '"\\': 4, '{}': 5, '🙂': 6 },
  ],
  ['keys with lone surrogates', { '\ud800': 1, '\udc00': 2, '\ufffd': 3 }],
  ['lone surrogates', { a: '\ud800', b: 'x\udc00y', c: '\udc00\ud800', d: '\ufffd' }],
  [
    'control characters and separators of lines',
    { a: '\0\u0001\b\n\r\t\u007f\u0085\u2028\u2029', b: 'line\nline' },
  ],
  [
    'emoji, combining marks and NFC beside NFD',
    { a: '👩‍👩‍👧', b: 'é', c: 'e\u0301', d: '\u202eabc' },
  ],
  [
    'text that looks like JSON, Lua and RESP',
    { a: '"},{"x":"', b: '\r\n$5\r\n', c: ']]--[[', d: '\\u0041', e: 'null' },
  ],
  [
    'dates, maps, buffers and boxes',
    { d: new Date(0), m: new Map([[1, 2]]), b: Buffer.from('hi'), s: Object('s') },
  ],
  ['1,000 levels', nested(1000)],
  ['10,000 keys', Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`key ${n}`, n]))],
  [
    '1 MiB of ASCII and 1 MiB of multi-byte text',
    { a: 'a'.repeat(2 ** 20), b: '€'.repeat(2 ** 20 / 3) },
  ],
  ['an object with toJSON', { toJSON: () => ({ from: 'toJSON' }) }],
  ['an object without a prototype', Object.assign(Object.create(null), { a: 1 })],
  [
    'an instance of a class',
    new (class Cart {
      items = [1];
      #secret = 2;
      get sum() {
        return this.#secret;
      }
    })(),
  ],
  ['a Map itself, which JSON writes as {}', new Map([[1, 2]])],
];

const NOT_OBJECTS = [
  ['an array', []],
  ['an array with values', [1]],
  ['a string', 'text'],
  ['an empty string', ''],
  ['a boxed string', Object('text')],
  ['a number', 5],
  ['a boolean', true],
  ['a symbol', Symbol('s')],
  ['a function', () => {}],
  ['a Date', new Date(0)],
  ['null', null],
  ['an object that toJSON turns into a string', { toJSON: () => 'text' }],
  ['an object that toJSON turns into an array', { toJSON: () => [] }],
  ['an object that toJSON turns into nothing', { toJSON: () => undefined }],
];

module.exports = { FAITHFUL, NOT_OBJECTS };
