'use strict';

// Invalid values for every argument of a method, each with the error that refuses it.

const SECRET = 'S3CRET';
const HUGE = 64 * 2 ** 20;
const TYPE = { Kind: TypeError, code: 'ERR_INVALID_ARG_TYPE' };
const VALUE = { Kind: TypeError, code: 'ERR_INVALID_ARG_VALUE' };
const RANGE = { Kind: RangeError, code: 'ERR_OUT_OF_RANGE' };

function revokedProxy(target = {}) {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

function thrower() {
  throw new Error('thrown by a test');
}

/** A proxy that throws at every touch. */
const touchy = (target = {}) => new Proxy(target, new Proxy({}, { get: () => thrower }));

/** What a method may be called on by mistake. @param {import('../../index.js').SpotsSessions} sessions an instance */
function wrongThis(sessions) {
  const Class = /** @type {any} */ (sessions.constructor);
  return [
    undefined,
    null,
    5,
    'text',
    {},
    [],
    Object.create(sessions),
    new Proxy(sessions, {}),
    revokedProxy(),
    Object.create(Class.prototype),
    Class,
    globalThis,
  ];
}

/** Values that have the wrong type for every argument. */
const NO_ARGUMENT = [
  ['null', null],
  ['true', true],
  ['a symbol', Symbol(SECRET)],
  ['an object', { [SECRET]: SECRET }],
  ['an array of one string', [SECRET]],
  ['an empty array', []],
  ['a function', () => SECRET],
  ['a Date', new Date(0)],
  [
    'an object that turns into a string',
    { toString: () => SECRET, valueOf: () => 1, toJSON: () => SECRET },
  ],
  [
    'an object whose conversion throws',
    { toString: thrower, valueOf: thrower, [Symbol.toPrimitive]: thrower },
  ],
  ['a boxed string', Object(SECRET)],
  ['a Buffer', Buffer.from(SECRET)],
  ['a promise', Promise.resolve(SECRET)],
  ['a revoked proxy', revokedProxy()],
  ['a revoked proxy of a function', revokedProxy(() => {})],
  ['a proxy that throws at every touch', touchy()],
  [
    'an object whose constructor throws',
    Object.defineProperty({}, 'constructor', { get: thrower }),
  ],
];

const expecting =
  (expected) =>
  ([label, value]) => ({ label, value, ...expected });

const NAMES = [
  ...[['undefined', undefined], ...NO_ARGUMENT].map(expecting(TYPE)),
  ...[
    ['an empty string', ''],
    ['NaN', NaN],
    ['Infinity', Infinity],
    ['-Infinity', -Infinity],
  ].map(expecting(VALUE)),
  ...[
    ['4,097 characters', SECRET.padEnd(4097, '€')],
    ['64 MiB', SECRET.padEnd(HUGE, 'x')],
    ['a bigint of 4,097 digits', 10n ** 4096n],
  ].map(expecting(RANGE)),
];

/** Without undefined and null, which a request without a cookie has, and which open no session. */
const TOKENS = [
  ['a number', 5],
  ['NaN', NaN],
  ['a bigint', 5n],
  ...NO_ARGUMENT.filter(([, value]) => value !== null),
].map(expecting(TYPE));

/** Properties that `create` refuses whatever their value is, because it would ignore them. */
const MISTAKEN_DURATIONS = Object.fromEntries(
  ['ttl', 'maxAge', 'expiresIn', 'expires'].map((name) => [
    name,
    [
      ['seconds', 60],
      ['0', 0],
      ['text', SECRET],
      ['a Date', new Date(0)],
      ['null', null],
      ['false', false],
    ].map(expecting(VALUE)),
  ]),
);

const DURATIONS = [
  ...[
    ['a number in a string', '60'],
    ['an empty string', ''],
    ['a bigint', 60n],
    ...NO_ARGUMENT,
  ].map(expecting(TYPE)),
  ...[
    ['0', 0],
    ['-1', -1],
    ['NaN', NaN],
    ['-Infinity', -Infinity],
  ].map(expecting(RANGE)),
];

const long = SECRET.padEnd(2 ** 19, 'x');
const longArray = () => Array(2 ** 17).fill(SECRET);

/** A boxed string with a long text that looks like an object. */
const longInDisguise = () =>
  Object.assign(Object.setPrototypeOf(Object('x'), Object.prototype), { toString: () => long });

/** JSON always writes it as a long string, although toJSON is gone after each time. */
function fickle() {
  const toJSON = () => {
    delete value.toJSON;
    queueMicrotask(() => Object.assign(value, { toJSON }));
    return long;
  };
  const value = { toJSON };
  return value;
}

const cycle = {};
cycle[SECRET] = { [SECRET]: cycle };
/** Endless, because the number of levels that JSON.stringify accepts depends on the version of V8. */
const tooDeep = () => ({ toJSON: () => ({ value: tooDeep() }) });

const DATA = [
  ...[
    ['null', null],
    ['true', true],
    ['a number', 5],
    ['a string', SECRET],
    ['an empty string', ''],
    ['a symbol', Symbol(SECRET)],
    ['an array', [SECRET]],
    ['a function', () => SECRET],
    ['a Date', new Date(0)],
    ['a Date that is none', new Date(NaN)],
    ['an object that JSON writes as a string', { toJSON: () => SECRET }],
    ['a long string', long],
    ['a long string, boxed', Object(long)],
    ['a long array', longArray()],
    [
      'a long array that passes for an object',
      Object.setPrototypeOf(longArray(), Object.prototype),
    ],
    ['a long string, boxed, that passes for an object', longInDisguise()],
    ['an object that JSON writes as a long string', { toJSON: () => long }],
    ['an object that JSON writes as a long string, and that forgets how', fickle()],
    ['an object that JSON writes as a long array', { toJSON: longArray }],
    ['an object that inherits how JSON writes it', Object.create({ toJSON: longArray })],
    ['64 MiB of a string', SECRET.padEnd(HUGE, 'x')],
    ['a promise', Promise.resolve({ [SECRET]: SECRET })],
    ['a thenable', { [SECRET]: SECRET, then: () => {} }],
  ].map(expecting(TYPE)),
  // V8's message about these repeats keys.
  ...[
    ['a bigint', 5n],
    ['a bigint within', { [SECRET]: [1n] }],
    ['a cycle', cycle],
  ].map(expecting({ ...VALUE, hasCause: false })),
  ...[
    ['a toJSON that throws', { toJSON: thrower }],
    ['a toJSON within that throws', { a: { toJSON: thrower } }],
    ['a getter that throws', Object.defineProperty({}, 'a', { enumerable: true, get: thrower })],
    ['a revoked proxy', revokedProxy()],
    ['a revoked proxy within', { a: [revokedProxy()] }],
    ['a proxy that throws at every touch', touchy()],
    ['levels without end', tooDeep()],
  ].map(expecting({ ...VALUE, hasCause: true })),
];

const FLAGS = [
  ['0', 0],
  ['1', 1],
  ['a word', 'true'],
  ['an empty string', ''],
  ['a boxed boolean', Object(true)],
  ...NO_ARGUMENT.filter(([label]) => label !== 'true'),
].map(expecting(TYPE));

/** Counts from 1 to `most`. @param {number} most */
const countsTo = (most) => [
  ...[['a number in a string', '5'], ['a bigint', 5n], ...NO_ARGUMENT].map(expecting(TYPE)),
  ...[
    ['0', 0],
    ['-0', -0],
    ['-1', -1],
    ['a fraction', 1.5],
    ['NaN', NaN],
    ['-Infinity', -Infinity],
    ['one too many', most + 1],
    ['2^53', 2 ** 53],
  ].map(expecting(RANGE)),
];

/** Without text of another form, which names no session. */
const IDS = [['undefined', undefined], ['a number', 5], ['a bigint', 5n], ...NO_ARGUMENT].map(
  expecting(TYPE),
);

/** A token is refused beside an id, whatever it is. */
const TOKENS_BESIDE_AN_ID = [
  ['a text', SECRET],
  ['an empty string', ''],
  ['a number', 5],
  ...NO_ARGUMENT,
].map(expecting(VALUE));

/** The methods that refuse a property that they do not know, and `kill` in its form by id. */
const STRICT_METHODS = {
  info: { app: NAMES, token: TOKENS },
  list: {
    app: NAMES,
    ownerId: NAMES,
    token: TOKENS,
    limit: [...countsTo(1000), expecting(RANGE)(['Infinity', Infinity])],
  },
  rotate: { app: NAMES, token: TOKENS },
  'kill by id': { app: NAMES, ownerId: NAMES, id: IDS, token: TOKENS_BESIDE_AN_ID },
  'killAll except': { app: NAMES, ownerId: NAMES, except: TOKENS },
};

const METHODS = {
  create: {
    app: NAMES,
    ownerId: NAMES,
    data: DATA,
    duration: DURATIONS,
    sliding: FLAGS,
    lifetime: DURATIONS,
    maxSessions: countsTo(10_000),
    ...MISTAKEN_DURATIONS,
  },
  get: { app: NAMES, token: TOKENS },
  refresh: {
    app: NAMES,
    token: TOKENS,
    duration: [...DURATIONS, expecting(TYPE)(['undefined', undefined])],
  },
  update: {
    app: NAMES,
    token: TOKENS,
    data: [...DATA, expecting(TYPE)(['undefined', undefined])],
  },
  kill: { app: NAMES, token: TOKENS },
  killAll: { app: NAMES, ownerId: NAMES },
};

module.exports = {
  ...{ DURATIONS, FLAGS, HUGE, METHODS, SECRET, STRICT_METHODS, TYPE, VALUE },
  ...{ countsTo, revokedProxy, touchy, wrongThis },
};
