'use strict';

// URLs and options of Sentinel and Cluster, each with the settings that it means. The settings of TLS are shortened.

const DEFAULTS = { family: 0, db: 0, username: undefined, password: undefined, clientOptions: {} };
const ONE = [{ host: 'h', port: 7000 }];
const TWO = [
  { host: 'h', port: 7000 },
  { host: 'i', port: 7001 },
];
/** The settings of TLS, without the long list of trusted certificates. */
const TLS = { servername: undefined, rejectUnauthorized: true };

/** @param {object[]} cluster @param {object} [more] */
const clusterOf = (cluster, more) => ({ ...DEFAULTS, ...cluster[0], cluster, ...more });

/** @param {object[]} nodes @param {object} [own] of the sentinels @param {object} [more] */
const sentinelsOf = (nodes, own, more) => ({
  ...DEFAULTS,
  ...nodes[0],
  sentinels: { nodes, name: 'm', username: undefined, password: undefined, tls: undefined, ...own },
  ...more,
});

/** @type {[string, string | object, object][]} label, input, what it means */
const CLUSTERS = [
  ['one node', 'redis-cluster://h:7000', clusterOf(ONE)],
  ['several', 'redis-cluster://h:7000,i:7001', clusterOf(TWO)],
  ['no port', 'redis-cluster://h', clusterOf([{ host: 'h', port: 6379 }])],
  ['no host', 'redis-cluster://', clusterOf([{ host: 'localhost', port: 6379 }])],
  [
    'IPv6',
    'redis-cluster://[::1]:7000,[FE80::1]',
    clusterOf([
      { host: '::1', port: 7000 },
      { host: 'fe80::1', port: 6379 },
    ]),
  ],
  [
    'a login',
    'redis-cluster://us%40er:p%2Cw%40@h:7000,i:7001',
    clusterOf(TWO, {
      username: 'us@er',
      password: 'p,w@',
    }),
  ],
  ['a password alone', 'redis-cluster://:p,w@h:7000', clusterOf(ONE, { password: 'p,w' })],
  ['TLS', 'rediss-cluster://h:7000', clusterOf(ONE, { tls: TLS })],
  ['TLS by the query', 'redis-cluster://h:7000?tls=true', clusterOf(ONE, { tls: TLS })],
  [
    'TLS by the option',
    { connectionString: 'redis-cluster://h:7000', tls: { servername: 's' } },
    clusterOf(ONE, { tls: { ...TLS, servername: 's', rejectUnauthorized: true } }),
  ],
  ['database 0', 'redis-cluster://h:7000/0', clusterOf(ONE)],
  [
    'options of ioredis',
    'redis-cluster://h:7000?family=6&lazyConnect=true',
    clusterOf(ONE, { family: 6, clientOptions: { lazyConnect: true } }),
  ],
  [
    'a user name that is not to be used',
    'redis-cluster://u:p@h:7000?allowUsernameInURI=false',
    clusterOf(ONE, { password: 'p' }),
  ],
  ...['redis+cluster', 'valkey-cluster', 'REDIS-Cluster'].map((scheme) => [
    'another name of the scheme',
    `${scheme}://h:7000`,
    clusterOf(ONE),
  ]),
  ['objects', { cluster: TWO }, clusterOf(TWO)],
  ['objects under connectionString', { connectionString: { cluster: TWO } }, clusterOf(TWO)],
  [
    'numbers and texts',
    { cluster: [7000, 'i:7001', 'j'] },
    clusterOf([
      { host: 'localhost', port: 7000 },
      { host: 'i', port: 7001 },
      { host: 'j', port: 6379 },
    ]),
  ],
  [
    'an object with less',
    { cluster: [{}, { host: '::1' }, { port: '7001' }] },
    clusterOf([
      { host: 'localhost', port: 6379 },
      { host: '::1', port: 6379 },
      { host: 'localhost', port: 7001 },
    ]),
  ],
  ['a bare IPv6 in a text', { cluster: ['[::1]:7000'] }, clusterOf([{ host: '::1', port: 7000 }])],
  [
    'fields beside it',
    { cluster: ONE, username: 'u', password: 'p', db: 0, family: 4, tls: true },
    clusterOf(ONE, { username: 'u', password: 'p', family: 4, tls: TLS }),
  ],
  [
    'nothing in place of the others',
    { cluster: ONE, host: '', sentinels: undefined, name: null },
    clusterOf(ONE),
  ],
];

const PRIMARY = 'name=m';
/** @type {[string, string | object, object][]} */
const SENTINELS = [
  ['one', `redis-sentinel://h:7000?${PRIMARY}`, sentinelsOf(ONE)],
  ['several', `redis-sentinel://h:7000,i:7001?${PRIMARY}`, sentinelsOf(TWO)],
  [
    'no port',
    `redis-sentinel://h,[::1]:7001?${PRIMARY}`,
    sentinelsOf(
      [
        { host: 'h', port: 26379 },
        { host: '::1', port: 7001 },
      ],
      {},
    ),
  ],
  ['a database', `redis-sentinel://h:7000/3?${PRIMARY}`, sentinelsOf(ONE, {}, { db: 3 })],
  [
    'both logins',
    `redis-sentinel://u:p@h:7000?${PRIMARY}&sentinelUsername=s&sentinelPassword=%26w`,
    sentinelsOf(ONE, { username: 's', password: '&w' }, { username: 'u', password: 'p' }),
  ],
  [
    'a user of the sentinels without a password',
    `redis-sentinel://h:7000?${PRIMARY}&sentinelUsername=s`,
    sentinelsOf(ONE),
  ],
  [
    "Lettuce's way to name it",
    'redis-sentinel://h:7000,i:7001/2#m',
    sentinelsOf(TWO, {}, { db: 2 }),
  ],
  ["Lettuce's, escaped", 'redis-sentinel://h:7000#%6D', sentinelsOf(ONE)],
  ['both ways', 'redis-sentinel://h:7000?name=m#other', sentinelsOf(ONE)],
  [
    'TLS to all',
    `rediss-sentinel://h:7000?${PRIMARY}`,
    sentinelsOf(ONE, { tls: TLS }, { tls: TLS }),
  ],
  [
    'TLS to the servers alone',
    `rediss-sentinel://h:7000?${PRIMARY}&sentinelTLS=false`,
    sentinelsOf(ONE, {}, { tls: TLS }),
  ],
  [
    'TLS to the sentinels alone',
    `redis-sentinel://h:7000?${PRIMARY}&sentinelTLS=true`,
    sentinelsOf(ONE, { tls: TLS }),
  ],
  [
    'TLS by the option',
    {
      connectionString: `redis-sentinel://h:7000?${PRIMARY}`,
      tls: { rejectUnauthorized: false },
    },
    sentinelsOf(
      ONE,
      { tls: { ...TLS, rejectUnauthorized: false } },
      { tls: { ...TLS, rejectUnauthorized: false } },
    ),
  ],
  ...['redis+sentinel', 'valkey-sentinel'].map((scheme) => [
    'another name of the scheme',
    `${scheme}://h:7000?${PRIMARY}`,
    sentinelsOf(ONE),
  ]),
  ['objects', { sentinels: TWO, name: 'm' }, sentinelsOf(TWO)],
  [
    'objects under connectionString',
    { connectionString: { sentinels: TWO, name: 'm' } },
    sentinelsOf(TWO),
  ],
  [
    'no ports',
    { sentinels: [{ host: 'h' }, 'i'], name: 'm' },
    sentinelsOf(
      [
        { host: 'h', port: 26379 },
        { host: 'i', port: 26379 },
      ],
      {},
    ),
  ],
  [
    'fields beside them',
    {
      sentinels: ONE,
      name: 'm',
      sentinelUsername: 's',
      sentinelPassword: 'w',
      username: 'u',
      password: 'p',
      db: 2,
      family: 6,
    },
    sentinelsOf(
      ONE,
      { username: 's', password: 'w' },
      { username: 'u', password: 'p', db: 2, family: 6 },
    ),
  ],
  [
    'tls, which is that of the servers',
    { sentinels: ONE, name: 'm', tls: true },
    sentinelsOf(ONE, {}, { tls: TLS }),
  ],
  [
    'tls, and ioredis told to use it',
    {
      sentinels: ONE,
      name: 'm',
      tls: { servername: 's' },
      enableTLSForSentinelMode: true,
    },
    sentinelsOf(ONE, {}, { tls: { ...TLS, servername: 's' } }),
  ],
  [
    'no tls, and ioredis told not to use it',
    { sentinels: ONE, name: 'm', enableTLSForSentinelMode: false },
    sentinelsOf(ONE),
  ],
  [
    'sentinelTLS: true, which has the settings of tls',
    {
      sentinels: ONE,
      name: 'm',
      tls: { servername: 's' },
      sentinelTLS: true,
    },
    sentinelsOf(ONE, { tls: { ...TLS, servername: 's' } }, { tls: { ...TLS, servername: 's' } }),
  ],
  [
    'sentinelTLS with settings of its own',
    {
      connectionString: { sentinels: ONE, name: 'm', tls: true, sentinelTLS: { servername: 't' } },
    },
    sentinelsOf(ONE, { tls: { ...TLS, servername: 't' } }, { tls: TLS }),
  ],
];

module.exports = { CLUSTERS, ONE, PRIMARY, SENTINELS };
