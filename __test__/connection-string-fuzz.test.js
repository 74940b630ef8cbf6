'use strict';

// Random connection strings and options: each is read completely or refused, the same way each time,
// and no error shows a password. `npm run fuzz` tries more of them.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const { inspect } = require('node:util');
const fc = require('fast-check');
const { parseURL } = require('ioredis/built/utils');
const { QUERY } = require('../lib/connection-fields.js');
const { readOptions } = require('../lib/options.js');
const { alike, pasted, spoiled } = require('./support/connection-texts.js');
const { fuzz } = require('./support/fuzz.js');

const MAX_DELAY = 2 ** 31 - 1;

describe('a random connection string', () => {
  it(
    'is read completely or refused, and shows nothing of a password',
    fuzz(
      fc.property(spoiled, ({ text, secret }) => {
        const read = attempt(text);
        assert.deepEqual(outline(attempt(text)), outline(read), 'twice the same');
        if (read.error) {
          assert.equal(read.error.code, 'ERR_INVALID_ARG_VALUE');
          assertNothingOf(secret, read.error);
        } else {
          assertInRange(read.settings);
        }
      }),
      { numRuns: 4000 },
    ),
  );

  it(
    'in the syntax that ioredis shares means the same as in ioredis',
    fuzz(
      fc.property(alike, (text) => {
        const { server } = readOptions(text);
        const { host, port = 6379, db = 0, username, password, family = 0 } = parseURL(text);
        assert.deepEqual(
          { ...server },
          {
            ...{ host: unbracketed(host), port: Number(port), db: Number(db) },
            ...{ username: username || undefined, password: password || undefined },
            ...{ family: Number(family), path: undefined, tls: undefined, clientOptions: {} },
          },
        );
      }),
      { numRuns: 2000 },
    ),
  );

  it(
    'with a password that was pasted unescaped has that password, or is refused',
    fuzz(
      fc.property(pasted, ({ text, password }) => {
        const { settings, error } = attempt(text);
        if (error) return assertNothingOf(password, error);
        // `?db=2` after a host is an option, whatever follows it.
        const asked = password.split(/[?&]/).slice(1);
        if (asked.some((option) => QUERY.has(option.split('=', 1)[0]))) return;
        const read = settings.server.password ?? '';
        // UTF-8 has no half of a surrogate pair.
        const alike = [decodeURIComponent(password), password].map((text) => text.toWellFormed());
        assert.ok(alike.includes(read), inspect(read));
      }),
      { numRuns: 4000 },
    ),
  );
});

describe('random options', () => {
  const number = fc.oneof(
    fc.double(),
    fc.integer(),
    fc.constantFrom(0, 1, 16, 1024, 1025, 2 ** 31),
  );
  const text = fc.constantFrom('', 'base64', 'BINARY', 'utf8', '6379', 'h', '/x.sock', 'redis://h');
  const secret = fc.stringMatching(/^[G-Z]{12,16}$/);
  const odd = fc.constantFrom(
    ...[null, undefined, true, false, NaN, 1n, Symbol('s'), () => {}, [], {}, new Date(0)],
    ...[new String('redis://h'), new URL('redis://h'), Object.create(null), new Proxy({}, {})],
  );
  const tls = fc.dictionary(
    fc.constantFrom('ca', 'cert', 'key', 'servername', 'rejectUnauthorized', 'x'),
    fc.oneof(odd, text, number),
    { maxKeys: 3 },
  );
  const names = [
    ...['connectionString', 'tokenEncoding', 'tokenSize', 'defaultDuration', 'commandTimeout'],
    ...['connectTimeout', 'maxPending', 'tls', 'host', 'port', 'path', 'db', 'username', 'family'],
    ...['password', 'x', '__proto__'],
  ];
  const entry = fc.tuple(fc.constantFrom(...names), fc.oneof(number, text, odd, tls));
  const options = fc.record({
    secret,
    entries: fc.array(entry, { maxLength: 4 }),
    place: fc.constantFrom(
      'password',
      'username',
      'port',
      'db',
      'tls',
      'tokenSize',
      'family',
      'host',
    ),
    nested: fc.boolean(),
  });

  it(
    'are read completely or refused, and show nothing of a value',
    fuzz(
      fc.property(options, ({ secret, entries, place, nested }) => {
        const given = Object.fromEntries([...entries, [place, secret]]);
        const options = nested ? { connectionString: given } : given;
        const read = attempt(options);
        assert.deepEqual(outline(attempt(options)), outline(read), 'twice the same');
        if (read.error) {
          const { error } = read;
          assert.ok(error instanceof TypeError || error instanceof RangeError, error.stack);
          assert.match(error.code, /^ERR_(INVALID_ARG_(TYPE|VALUE)|OUT_OF_RANGE)$/);
          assertNothingOf(secret, error);
        } else {
          assertInRange(read.settings);
        }
      }),
      { numRuns: 4000 },
    ),
  );
});

/** @returns {{ settings?: any, error?: any }} */
function attempt(options) {
  try {
    return { settings: readOptions(options) };
  } catch (error) {
    return { error };
  }
}

/** The result of reading, without the certificates of TLS, which are too long to compare. */
function outline({ settings, error }) {
  if (error) return [error.name, error.code, error.message];
  const { server } = settings;
  const tls = server?.tls && { ...server.tls, ca: server.tls.ca.length };
  // A function is read as a function of our own.
  const password = typeof server?.password === 'function' ? 'function' : server?.password;
  return { ...settings, server: server && { ...server, tls, password } };
}

function assertNothingOf(secret, error) {
  assert.ok(error instanceof TypeError || error instanceof RangeError, error.stack);
  const seen = inspect(error, { depth: Infinity, showHidden: true, getters: true });
  const shown = `${seen}\n${error}\n${error.stack}\n${JSON.stringify(error)}`.toUpperCase();
  for (const [run] of secret.toUpperCase().matchAll(/[G-Z]{8,}/g)) {
    for (let at = 0; at + 8 <= run.length; at++) {
      assert.ok(!shown.includes(run.slice(at, at + 8)), shown);
    }
  }
}

function assertInRange({ server, ...settings }) {
  const isInteger = (number, min, max) =>
    Number.isInteger(number) && number >= min && number <= max;
  assert.ok(['base64', 'base64url', 'hex', 'latin1'].includes(settings.tokenEncoding));
  assert.ok(isInteger(settings.tokenSize, 32, 1024));
  assert.ok(settings.defaultDuration > 0);
  assert.ok(isInteger(settings.commandTimeout, 1, MAX_DELAY));
  assert.ok(isInteger(settings.connectTimeout, 1, MAX_DELAY));
  assert.ok(isInteger(settings.maxPending, 1, Number.MAX_SAFE_INTEGER));
  if (server === null) return;
  assert.ok(Object.isFrozen(server) && Object.isFrozen(server.clientOptions));
  assert.match(server.host, /^[\w.:-]+$/);
  assert.ok(isInteger(server.port, 1, 65535));
  assert.ok(isInteger(server.db, 0, MAX_DELAY));
  assert.ok([0, 4, 6].includes(server.family));
  assert.ok(server.path === undefined || /^\/[^\0]+$/.test(server.path), server.path);
  for (const name of ['username', 'password']) {
    const isFunction = name === 'password' && typeof server[name] === 'function';
    const isText = typeof server[name] === 'string' && server[name];
    assert.ok(server[name] === undefined || isText || isFunction);
  }
  assert.ok(server.username === undefined || server.password !== undefined);
  assert.ok(server.tls === undefined || server.path === undefined);
  for (const [name, value] of Object.entries(server.clientOptions)) {
    assert.ok(QUERY.has(name), name);
    assert.ok(value === null || ['string', 'number', 'boolean'].includes(typeof value), name);
  }
}

/** @param {string | undefined} host */
function unbracketed(host = 'localhost') {
  return host.replace(/^\[(.*)\]$/, '$1');
}
