'use strict';

// The address as an object with the names of ioredis, as untyped users pass it. Each row is compared
// with the installed ioredis.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { Redis } = require('ioredis');
const { DEFAULT_REDIS_OPTIONS } = require('ioredis/built/redis/RedisOptions');
const { SpotsSessions } = require('../index.js');
const { createClient } = require('../lib/client.js');
const { readOptions } = require('../lib/options.js');
const { startRedis } = require('./support/redis-server.js');
const { rejection } = require('./support/rejection.js');

const retryStrategy = () => 10;
const KEPT = 'it keeps the text';
const FAILS = 'it fails at each connection';
const DATABASE_0 = 'it goes to database 0';
const IGNORED = 'it ignores it';

/**
 * Each row: what it is about, the object, and what it means here: what differs from the defaults, or
 * a pattern of the refusal. A fourth entry names how that differs from ioredis; rows without one mean
 * the same there.
 *
 * @type {[string, object, object | RegExp, string?][]}
 */
const ROWS = [
  ['nothing', {}, {}],
  ['host and port', { host: 'h', port: 1 }, { host: 'h', port: 1 }],
  ['undefined', { host: undefined, port: undefined, db: undefined, tls: undefined }, {}],
  ['null', { host: null, port: null, db: null, path: null, tls: null }, {}, 'it keeps null'],
  ['no login', { username: null, password: null }, {}],
  ['empty texts', { host: '', port: '', db: '' }, {}, 'it keeps them, and NaN'],
  ['an empty login', { username: '', password: '' }, {}],

  ['a host in capitals', { host: 'HOST' }, { host: 'host' }, KEPT],
  ['a host of a word', { host: 'my_host' }, { host: 'my_host' }],
  ['an international host', { host: 'bücher.example' }, { host: 'xn--bcher-kva.example' }, KEPT],
  ['a URL as host', { host: 'redis://h:1' }, /`host`.*one name or IP address/, FAILS],
  ['a port in the host', { host: 'h:6380' }, /`host`/, FAILS],
  ['spaces around the host', { host: ' h ' }, /`host`/, FAILS],
  ['a number as host', { host: 6379 }, /`host`/, FAILS],
  ['a boolean as host', { host: true }, /`host`.*got a boolean/, FAILS],
  ['IPv6', { host: '::1' }, { host: '::1' }],
  ['IPv6 in brackets', { host: '[::1]' }, /`host`/, FAILS],
  ['IPv6 with a zone', { host: 'fe80::1%lo' }, /`host`/, 'it goes there'],

  ['port as text', { port: '6380' }, { port: 6380 }],
  ['port 0', { port: 0 }, /`port`.*from 1 to 65535/, FAILS],
  ['port 65535', { port: 65535 }, { port: 65535 }],
  ['port 65536', { port: 65536 }, /`port`.*from 1 to 65535/, FAILS],
  ['a negative port', { port: -1 }, /`port`/, FAILS],
  ['a fraction as port', { port: 6379.5 }, /`port`/, FAILS],
  ['NaN as port', { port: Number.NaN }, /`port`/, FAILS],
  ['a word as port', { port: 'http' }, /`port`/, 'it takes NaN'],
  ['a port and more', { port: '6379x' }, /`port`/, 'it takes 6379'],
  ['an exponent as port', { port: '1e3' }, /`port`/, 'it takes 1'],
  ['a boolean as port', { port: true }, /`port`.*got a boolean/, FAILS],

  ['db as text', { db: '2' }, { db: 2 }],
  ['db 0', { db: 0 }, {}],
  ['a negative db', { db: -1 }, /`db`.*whole number/, DATABASE_0],
  ['a negative db as text', { db: '-1' }, /`db`/, DATABASE_0],
  ['a fraction as db', { db: 1.5 }, /`db`/, DATABASE_0],
  ['a huge db', { db: 2 ** 31 }, /`db`/, DATABASE_0],
  ['the largest db', { db: 2 ** 31 - 1 }, { db: 2 ** 31 - 1 }],
  ['an infinite db', { db: Infinity }, /`db`/, DATABASE_0],
  ['NaN as db', { db: Number.NaN }, /`db`/, DATABASE_0],
  ['a word as db', { db: 'abc' }, /`db`/, DATABASE_0],
  ['a db and more', { db: '2abc' }, /`db`/, 'it takes 2'],
  ['true as db', { db: true }, /`db`.*got a boolean/, DATABASE_0],
  ['false as db', { db: false }, /`db`.*got a boolean/, DATABASE_0],

  ['a path', { path: '/x.sock' }, { path: '/x.sock' }],
  ['a path with a host', { path: '/x.sock', host: 'h' }, { path: '/x.sock', host: 'h' }],
  ['a relative path', { path: 'x.sock' }, /`path`.*absolute path/, KEPT],
  ['a path with TLS', { path: '/x.sock', tls: {} }, /tls`.*none on a unix socket/, 'it tries'],

  ['a user and a password', { username: 'u', password: 'p' }, { username: 'u', password: 'p' }],
  ['a password', { password: 'p' }, { password: 'p' }],
  [
    'a user without a password',
    { username: 'u' },
    {},
    'it keeps the name, and sends no AUTH either',
  ],
  ['a number as password', { password: 123 }, { password: '123' }, 'it keeps the number'],
  ['a boolean as password', { password: true }, /`password`.*got a boolean/, 'it sends "true"'],
  ['an object as password', { password: {} }, /`password`.*got an object/, 'it sends "[object …"'],

  ['family 4', { family: 4 }, { family: 4 }],
  ['family 6', { family: 6 }, { family: 6 }],
  ['family as text', { family: '6' }, { family: 6 }, KEPT],
  ['family in words', { family: 'IPv6' }, { family: 6 }, 'it keeps the word, which Node knows'],
  ['family 5', { family: 5 }, /`family`.*0 or 4 or 6/, FAILS],

  ['tls: true', { tls: true }, { tls: true }],
  ['tls: {}', { tls: {} }, { tls: true }],
  ['tls: false', { tls: false }, {}],
  ['tls: "true"', { tls: 'true' }, /tls`.*true or an object/, 'it takes any text for true'],
  ['tls: "false"', { tls: 'false' }, /tls`.*true or an object/, 'it takes any text for true'],
  ['tls: 0', { tls: 0 }, /tls`.*true or an object/, 'it takes it for false'],
  [
    'tls that trusts all',
    { tls: { checkServerIdentity() {} } },
    /tls.checkServerIdentity/,
    'it does',
  ],

  ['lazyConnect', { lazyConnect: true }, { clientOptions: { lazyConnect: true } }],
  [
    'lazyConnect as text',
    { lazyConnect: 'false' },
    { clientOptions: { lazyConnect: false } },
    'it takes any text for true',
  ],
  ['lazyConnect: 1', { lazyConnect: 1 }, /`lazyConnect`.*true or false/, 'it takes it for true'],
  ['connectionName', { connectionName: 'web' }, { clientOptions: { connectionName: 'web' } }],
  [
    'retries for ever',
    { maxRetriesPerRequest: null },
    { clientOptions: { maxRetriesPerRequest: null } },
  ],
  ['retries', { maxRetriesPerRequest: 3 }, { clientOptions: { maxRetriesPerRequest: 3 } }],
  [
    'retries as text',
    { maxRetriesPerRequest: '3' },
    { clientOptions: { maxRetriesPerRequest: 3 } },
    'it waits for ever',
  ],
  ['no ready check', { enableReadyCheck: false }, { clientOptions: { enableReadyCheck: false } }],
  ['a retryStrategy', { retryStrategy }, { clientOptions: { retryStrategy } }],
  ['reconnectOnError: null', { reconnectOnError: null }, {}],
  ['retryStrategy: null', { retryStrategy: null }, {}, 'it gives up'],
  ['a number as retryStrategy', { retryStrategy: 5 }, /`retryStrategy`.*a function/, 'it gives up'],
  ['an object as keepAlive', { keepAlive: {} }, /`keepAlive`.*whole number/, FAILS],
  [
    'keyPrefix',
    { keyPrefix: 'a:' },
    /`keyPrefix`.*begin with the option `prefix`/,
    'the methods of 1.x failed',
  ],
  ['an empty keyPrefix', { keyPrefix: '' }, {}],
  ['a Connector', { Connector: class {} }, /`Connector`/, 'it connects by it'],
  ['a typo', { hostname: 'h' }, /unknown option .*hostname`.* host,/, IGNORED],
  ['an object of node-redis', { url: 'redis://h' }, /unknown option .*url`/, IGNORED],
];

const DEFAULTS = {
  ...{ host: 'localhost', port: 6379, path: undefined, family: 0, db: 0 },
  ...{ username: undefined, password: undefined, tls: false, clientOptions: {} },
};

/** The settings of a server, with TLS as a yes or no. @param {unknown} options */
function parse(options) {
  const { server } = readOptions(options);
  return { ...server, tls: server.tls !== undefined };
}

/** The same, as ioredis reads it. @param {any} object */
function asIoredis(object) {
  const client = new Redis({ lazyConnect: true, ...object });
  const { host, port, path, family, db, username, password, tls, ...others } = client.options;
  const login = { username: username || undefined, password: password || undefined };
  const given = Object.keys(object).filter((name) => !(name in DEFAULTS));
  const changed = given.filter((name) => others[name] !== DEFAULT_REDIS_OPTIONS[name]);
  const clientOptions = Object.fromEntries(changed.map((name) => [name, others[name]]));
  return { host, port, path, family, db, ...login, tls: Boolean(tls), clientOptions };
}

describe('an address as an object', () => {
  for (const [label, object, expected, deviation] of ROWS) {
    const isRefused = expected instanceof RegExp;
    const unlike = deviation ? `, unlike ioredis: ${deviation}` : '';
    it(`${label}: is ${isRefused ? 'refused' : 'read'}${unlike}`, () => {
      for (const options of [object, { connectionString: object }]) {
        if (isRefused) {
          assert.throws(
            () => parse(options),
            (error) => {
              assert.match(error.code, /^ERR_INVALID_ARG_(TYPE|VALUE)$/);
              assert.match(error.message.replace('`connectionString.', '`'), expected);
              return true;
            },
          );
        } else {
          assert.deepEqual(parse(options), { ...DEFAULTS, ...expected });
        }
      }
      if (isRefused) assert.ok(deviation, 'ioredis refuses nothing');
      else if (deviation) assert.notDeepEqual(asIoredis(object), parse(object));
      else assert.deepEqual(asIoredis(object), parse(object));
    });
  }

  it('is read or refused by name for every option that ioredis has', () => {
    const ours = ['connectTimeout'];
    const refused = Object.entries({ ...DEFAULT_REDIS_OPTIONS, retryStrategy })
      .filter(([name, value]) => {
        if (ours.includes(name) || value === null || value === undefined) return false;
        try {
          return !parse({ [name]: value });
        } catch (error) {
          // One of them is allowed only beside `sentinels`.
          assert.match(error.message, new RegExp(`(unknown option|expected) \`${name}\``));
          return true;
        }
      })
      .map(([name]) => name);
    assert.deepEqual(refused, [
      ...['role', 'sentinelRetryStrategy', 'sentinelReconnectStrategy'],
      ...['enableTLSForSentinelMode', 'updateSentinels', 'failoverDetector', 'replyMapping'],
      ...['autoPipeliningIgnoredCommands', 'sentinelMaxConnections'],
    ]);
  });

  it('may set the timeouts, as the query of a URL may', () => {
    const connectionString = { host: 'h', connectTimeout: '5', commandTimeout: 6 };
    const { connectTimeout, commandTimeout } = readOptions({ connectionString });
    assert.deepEqual([connectTimeout, commandTimeout], [5, 6]);
    assert.equal(readOptions({ connectionString, connectTimeout: 7 }).connectTimeout, 7);
  });

  it('has options for `client` that may also be given beside a connection string', () => {
    const connectionString = 'redis://h?connectionName=url&lazyConnect=true';
    const { server } = readOptions({ connectionString, connectionName: 'web', retryStrategy });
    const expected = { connectionName: 'web', lazyConnect: true, retryStrategy };
    assert.deepEqual(server.clientOptions, expected);
    assert.ok(Object.isFrozen(server.clientOptions));
    const client = createClient(readOptions({ connectionString, retryStrategy }));
    assert.equal(client.options.retryStrategy, retryStrategy);
    assert.equal(readOptions({ connectionString: 'memory:', connectionName: 'web' }).server, null);
  });
});

describe('an address as an object, on a server', () => {
  /** @type {Awaited<ReturnType<typeof startRedis>>} */
  let server;
  before(async () => {
    server = await startRedis({ config: { requirepass: '12345' }, unixSocket: true });
  });
  after(() => server?.stop());

  it('with an absent database rejects, unlike ioredis, which uses database 0', async () => {
    const address = { host: server.host, port: String(server.port), password: 12345, db: '99' };
    const sessions = new SpotsSessions(address);
    const error = await rejection(() => sessions.create({ app: 'app', ownerId: 'ann' }));
    assert.deepEqual([error.code, error.redisCode], ['ERR_SESSIONS_REDIS', 'ERR']);
    assert.match(error.message, /DB index is out of range/);
    await sessions.close();
    const redis = server.client();
    assert.equal(await redis.dbsize(), 0);

    const theirs = server.client({ db: 99 });
    await theirs.set('lost', 'here');
    assert.equal(await redis.get('lost'), 'here');
  });

  it('with a path and a host uses the path', async () => {
    const address = { path: server.unixSocket, host: 'nowhere.invalid', password: '12345', db: 3 };
    const sessions = new SpotsSessions({ connectionString: address });
    await sessions.create({ app: 'app', ownerId: 'ann' });
    await sessions.close();
    assert.equal(await server.client({ db: 3 }).dbsize(), 2);
  });
});
