'use strict';

// Random connection strings. A generator builds them by the grammar, and then changes them at random. Their passwords
// differ from every other part of the string, so a test can tell whether a message shows one.

const fc = require('fast-check');

const orNothing = (arbitrary) => fc.option(arbitrary, { nil: '' });
const pick = (...texts) => fc.constantFrom(...texts);

/** Capital letters. Hardly any message has eight of them in a row. */
const secret = fc.stringMatching(/^[G-Z]{12,16}$/);
const separator = pick(
  ...'/?#@:%[],&= \0\n\\+',
  '%40',
  '%zz',
  '=x&',
  '//',
  '/2/',
  '1',
  'é',
  '\ud800',
);

const scheme = pick(
  ...[
    'redis:',
    'rediss:',
    'valkey:',
    'valkeys:',
    'REDIS:',
    'unix:',
    'redis+unix:',
    'redis-socket:',
  ],
  ...['memory:', 'http:', 'redis-sentinel:', 'rediss+cluster:', 'file:', ''],
);
const host = fc.oneof(
  pick('h', 'localhost', 'HOST', 'my_host', '127.0.0.1', '[::1]', '[::ffff:1.2.3.4]', '::1', ''),
  pick('bücher.example', 'a.b.', 'h1,h2', '0x7f.1', '256.256.256.256', '[', '-', '6379', '%68'),
  fc.domain(),
);
const port = pick('6379', '1', '65535', '0', '65536', '99999', '', '06379', '1e3', '+1', '-1', '٣');
const db = pick('0', '3', '2147483647', '2147483648', '', '-1', 'abc', '2/3', '02', '1.5', '%32');

const value = fc.oneof(
  pick(
    'true',
    'false',
    '0',
    '1',
    '4',
    '6',
    '500',
    '-1',
    'null',
    '',
    'x',
    '2147483647',
    '2147483648',
  ),
  pick('/x.sock', 'h', '%2F', '%', '+', '@', 'a=b', '%00', '%ff', '__proto__'),
);
const name = pick(
  ...['db', 'host', 'port', 'path', 'family', 'username', 'password', 'tls', 'allowUsernameInURI'],
  ...['connectTimeout', 'commandTimeout', 'lazyConnect', 'connectionName', 'maxRetriesPerRequest'],
  ...['protocol', 'keyPrefix', 'sentinels', 'retryStrategy', '__proto__', 'constructor', 'x', ''],
);
const query = fc
  .array(fc.tuple(name, pick('=', '=', '=', ''), value), { maxLength: 4 })
  .map((options) => options.map((option) => option.join('')).join('&'));

/** A string that follows the grammar, and the secret in its password. */
const spelled = fc
  .record({
    scheme,
    slashes: pick('//', '//', '//', '/', ''),
    user: orNothing(pick('u', 'us%40er', 'ü', 'a b')),
    secret,
    between: separator,
    host,
    port: orNothing(port),
    path: orNothing(fc.oneof(db, pick('tmp/redis.sock', '/', 'a%20b', 'a@b'))),
    query: orNothing(query),
    fragment: orNothing(pick('#', '#insecure', '#a@b')),
  })
  .map((parts) => {
    const { secret, between, user, host, fragment } = parts;
    const login = `${user}:${secret}${between}${secret}@`;
    const address = parts.port === '' ? host : `${host}:${parts.port}`;
    const path = parts.path === '' ? '' : `/${parts.path}`;
    const asked = parts.query === '' ? '' : `?${parts.query}`;
    return {
      secret,
      text: parts.scheme + parts.slashes + login + address + path + asked + fragment,
    };
  });

/** A string with the secret in its query. */
const inQuery = fc
  .tuple(scheme, host, name, secret, orNothing(query))
  .map(([scheme, host, name, secret, query]) => ({
    secret,
    text: `${scheme}//${host}?${name}=${secret}&password=${secret}&${query}`,
  }));

/** A change: the place, the number of characters to remove there, and the text to insert. */
const change = fc.record({
  place: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.nat(3),
  put: fc.oneof(separator, scheme, name, pick('', '', '::', '6379', '\t', '\u3000', '。')),
});

/** A string that may be broken, and the secret that it may hold. */
const spoiled = fc
  .tuple(fc.oneof(spelled, inQuery), fc.array(change, { maxLength: 3 }))
  .map(([{ secret, text }, changes]) => ({
    secret,
    text: changes.reduce((text, { place, length, put }) => {
      const at = Math.floor(place * text.length);
      return text.slice(0, at) + put + text.slice(at + length);
    }, text),
  }));

/** Strings that mean the same to ioredis as to us. */
const alike = fc
  .record({
    scheme: pick('redis://', 'REDIS://', '//'),
    login: orNothing(
      fc
        .tuple(
          fc.string({ unit: 'grapheme', minLength: 1 }),
          fc.string({ unit: 'grapheme', minLength: 1 }),
        )
        .map(([user, password]) => `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`),
    ),
    host: fc.oneof(fc.domain(), fc.ipV4(), pick('h', 'my_host', '[::1]')),
    port: orNothing(fc.integer({ min: 1, max: 65535 }).map((port) => `:${port}`)),
    db: orNothing(fc.nat(15).map((db) => `/${db}`)),
    family: orNothing(pick('?family=4', '?family=6', '?family=0')),
  })
  // Without a scheme ioredis takes a path for a unix socket.
  .map(({ scheme, login, host, port, db, family }) =>
    [scheme, login, host, port, scheme === '//' ? '' : db, family].join(''),
  );

/** A password as people paste it, and a string that holds it unescaped. */
const pasted = fc
  .record({
    password: fc
      .array(fc.oneof(secret, separator), { minLength: 1, maxLength: 4 })
      .map((parts) => parts.join('')),
    before: pick('redis://', 'rediss://', 'redis://u', 'valkey://us%40er'),
    after: pick('@h', '@h:6380', '@h/2', '@h:1/3?family=4', '@'),
  })
  .map(({ password, before, after }) => ({ password, text: `${before}:${password}${after}` }));

module.exports = { alike, pasted, spoiled };
