// Connection strings: each input of a survey of ioredis, then random ones. A string is refused with
// our own error, which shows no secret.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const { inspect } = require('node:util');
const fc = require('fast-check');
const { parseURL } = require('ioredis/built/utils');
const { readOptions } = require('../lib/options.js');
const { READ_ALIKE, ROWS } = require('./support/connection-strings.js');

const DEFAULTS = {
  host: 'localhost',
  port: 6379,
  path: undefined,
  family: 0,
  db: 0,
  username: undefined,
  password: undefined,
  tls: undefined,
  clientOptions: {},
};
/** The settings of the server, without the trusted certificates, which are long. */
function parse(connectionString) {
  const { server } = readOptions({ connectionString });
  if (!server?.tls) return server && { ...server };
  const { servername, rejectUnauthorized, ca } = server.tls;
  assert.ok(ca.length > 0);
  return { ...server, tls: { servername, rejectUnauthorized } };
}

/** The same, as ioredis 6 reads it. */
function asIoredis(connectionString) {
  const { port, db, username, password, ...rest } = parseURL(connectionString);
  return {
    ...DEFAULTS,
    ...rest,
    port: Number(port ?? DEFAULTS.port),
    db: Number(db ?? DEFAULTS.db),
    username: username || undefined,
    password: password || undefined,
  };
}

describe('a connection string', () => {
  for (const [row, input, expected, differs] of ROWS) {
    const label =
      typeof input === 'string' ? `'${input}'` : inspect(input, { breakLength: Infinity });
    const deviation = differs ? `, unlike ioredis 4: ${differs}` : '';
    it(`row ${row}: ${label} ${expected instanceof RegExp ? 'is refused' : 'is read'}${deviation}`, () => {
      if (expected instanceof RegExp) {
        const error = refusal(() => parse(input));
        assert.match(error.message, /`connectionString/);
        assert.match(error.message, expected);
        if (typeof input === 'string')
          assert.match(error.message, /as in redis:\/\/user:password@/);
      } else {
        assert.deepEqual(parse(input), { ...DEFAULTS, ...expected });
      }
    });
  }

  for (const input of READ_ALIKE) {
    it(`'${input}' means the same as in ioredis 6`, () => {
      assert.deepEqual(parse(input), asIoredis(input));
    });
  }

  it('has a row for each of the 53 inputs', () => {
    const rows = new Set(ROWS.map(([row]) => row));
    assert.deepEqual(
      [...rows],
      Array.from({ length: 53 }, (_, index) => index + 1),
    );
  });
  it('is the embedded store when it is memory:', () => {
    for (const input of ['memory:', 'MEMORY:']) assert.equal(parse(input), null);
    assert.equal(parse('memory:6379').host, 'memory');
  });
  it('may be a URL object', () => {
    assert.equal(parse(new URL('redis://:p%40@h:1/2')).password, 'p@');
  });
  it('cannot ask for TLS on a unix socket', () => {
    assert.match(refusal(() => parse('rediss://h?path=/x')).message, /none on a unix socket/);
  });
});

describe('any connection string', () => {
  const pieces = [
    ...[
      'redis:',
      'rediss://',
      'redis-cluster://',
      'redis-sentinel://',
      'name=m',
      'unix:',
      'memory:',
      '//',
      '/',
      ':',
      '@',
      '?',
      '#',
      '&',
      '=',
      '%',
      ',',
    ],
    ...[
      '[',
      ']',
      '::1',
      'h',
      '127.0.0.1',
      '6379',
      '99999',
      'db',
      'password',
      'tls',
      'true',
      'path',
    ],
    ...['%2', '%40', '\0', ' ', '\t', '\ud800', '__proto__', '-1', '1e3', '.', '\\'],
  ];
  const arbitrary = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((list) => list.join('')),
    fc.webUrl({ withQueryParameters: true, withFragments: true }),
  );

  it('is read completely or refused', () => {
    fc.assert(
      fc.property(arbitrary, (input) => {
        const read = attempt(() => readOptions(input));
        if (read.error) return assertOurs(read.error);
        const { server } = read.value;
        if (server === null) return;
        assert.match(server.host, /^[\w.:-]+$/);
        assert.ok(server.port >= 1 && server.port <= 65535);
        assert.ok(Number.isInteger(server.db) && server.db >= 0);
        assert.ok([0, 4, 6].includes(server.family));
        assert.ok(server.path === undefined || /^\/./s.test(server.path));
        for (const { host, port } of server.cluster ?? server.sentinels?.nodes ?? []) {
          assert.match(host, /^[\w.:-]+$/);
          assert.ok(port >= 1 && port <= 65535);
        }
      }),
      { numRuns: 5000 },
    );
  });

  it('that is built of random parts means the same as in ioredis 6', () => {
    const parts = fc.record({
      host: fc.domain(),
      port: fc.integer({ min: 1, max: 65535 }),
      db: fc.nat({ max: 1000 }),
      username: fc.string({ unit: 'grapheme', minLength: 1 }),
      password: fc.string({ unit: 'grapheme', minLength: 1 }),
    });
    fc.assert(
      fc.property(parts, ({ host, port, db, username, password }) => {
        const login = `${encodeURIComponent(username)}:${encodeURIComponent(password)}`;
        const input = `redis://${login}@${host}:${port}/${db}`;
        assert.deepEqual(parse(input), { ...DEFAULTS, host, port, db, username, password });
        assert.deepEqual(parse(input), asIoredis(input));
      }),
    );
  });

  it('shows nothing of a password when it is refused', () => {
    const secret = fc.stringMatching(/^[G-Z]{8,12}$/);
    const separator = fc.constantFrom(
      '#',
      '/',
      '?',
      '%zz',
      ':',
      '@',
      '[',
      ',',
      ' ',
      '\0',
      '&db=',
      '=',
    );
    const broken = fc.constantFrom(
      (password) => `redis://u:${password}@h:99999`,
      (password) => `redis://u:${password}@h/abc`,
      (password) => `redis://u:${password}@h1,h2`,
      (password) => `redis://u:${password}%zz@h`,
      (password) => `redis://:${password}#@h`,
      (password) => `redis//u:${password}@h:1:2`,
      (password) => `http://u:${password}@h`,
      (password) => `u:${password}@h:6379/3`,
      (password) => `${password}://u@h`,
      (password) => `unix://u:${password}@h/tmp/x`,
      (password) => `redis-sentinel://:${password}@h`,
      (password) => `redis-sentinel://:${password}@h,?name=m`,
      (password) => `redis-sentinel://h/abc?name=m&sentinelPassword=${password}`,
      (password) => `redis-cluster://:${password}@h1,h2/1`,
      (password) => `redis-cluster://${password}@h1,h2/1`,
      (password) => `redis://h?db=x&password=${password}`,
      (password) => `redis://h?tls=${password}`,
      (password) => `redis://h?retryStrategy=${password}`,
    );
    fc.assert(
      fc.property(broken, secret, separator, secret, (template, start, between, end) => {
        const { error } = attempt(() => readOptions(template(start + between + end)));
        assert.ok(error, 'each of these is broken');
        assertOurs(error);
        const shown = inspect(error, { depth: Infinity, showHidden: true }).toUpperCase();
        assert.ok(!shown.includes(start) && !shown.includes(end), error.message);
      }),
      { numRuns: 3000 },
    );
  });
});

function attempt(action) {
  try {
    return { value: action() };
  } catch (error) {
    return { error };
  }
}

function refusal(action) {
  const { error } = attempt(action);
  assert.ok(error, 'it was accepted');
  assertOurs(error);
  return error;
}

function assertOurs(error) {
  assert.ok(error instanceof TypeError, error.stack);
  assert.match(error.code, /^ERR_INVALID_ARG_(VALUE|TYPE)$/);
  assert.equal(error.cause, undefined);
}
