'use strict';

// Data that sessions must keep as JSON writes it, and values that are not data.

/** any-data.js and contract-data.test.js have more keys, numbers, strings, depths and sizes. */
const FAITHFUL = [
  ['nothing', {}],
  [
    'every kind of value',
    { s: 'x', n: 1, f: 0.1, t: true, b: false, z: null, a: [1, [2]], o: { p: {}, q: [{}, []] } },
  ],
  [
    'undefined, functions and symbols',
    { a: undefined, f() {}, s: Symbol('s'), [Symbol('k')]: 1, l: [undefined] },
  ],
  // For every V8, also one whose JSON.parse mistakes keys that begin or end like these: json-keys.js.
  ['keys with escapes', { '': 1, '\0': 2, '\n': 3, '"\\': 4, '{}': 5, '🙂': 6 }],
  ['keys with lone surrogates', { '\ud800': 1, '\udc00': 2, '\ufffd': 3 }],
  [
    'dates, maps, buffers and boxes',
    { d: new Date(0), m: new Map([[1, 2]]), b: Buffer.from('hi'), s: Object('s') },
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
