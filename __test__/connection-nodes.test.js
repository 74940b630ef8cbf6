'use strict';

// Sentinel and Cluster: how URLs and options are read, and which are refused, with the right form.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const { inspect } = require('node:util');
const { readOptions } = require('../lib/options.js');
const { CLUSTERS, ONE, PRIMARY, SENTINELS } = require('./support/connection-nodes.js');

/** The settings of the server, with TLS in short, and without undefined ones. */
function read(options) {
  const { server } = readOptions(options);
  const { path, tls, sentinels, ...rest } = server;
  assert.equal(path, undefined);
  return {
    ...rest,
    ...(tls && { tls: short(tls) }),
    ...(sentinels && { sentinels: { ...sentinels, tls: short(sentinels.tls) } }),
  };
}

function short(tls) {
  if (tls === undefined) return undefined;
  assert.ok(tls.ca.length > 0);
  return { servername: tls.servername, rejectUnauthorized: tls.rejectUnauthorized };
}

const SECRET = 's3cret';
const CLUSTER_URL = /as in redis-cluster:\/\/user:password@node-1:6379,node-2:6379/;
const SENTINEL_URL = /as in redis-sentinel:\/\/user:password@.*\?name=mymaster/;
const CLUSTER = /\{ cluster: \[\{ host: 'node-1', port: 6379 \}/;
const SENTINEL = /\{ sentinels: \[\{ host: 'sentinel-1', port: 26379 \}\], name: 'mymaster' \}/;
/** @type {[string, string | object, ...RegExp[]][]} label, input, what the error says */
const REFUSED = [
  ['a cluster with a database', `redis-cluster://:${SECRET}@h/1`, /only 0/, CLUSTER_URL],
  ['… by the query', 'redis-cluster://h?db=1', /only 0/, CLUSTER_URL],
  ['… that is none', 'redis-cluster://h/abc', /whose db is/, CLUSTER_URL],
  ['an empty node', 'redis-cluster://h1,,h2', /before and after each comma/, CLUSTER_URL],
  ['a comma at the end', 'redis-cluster://h1,', /before and after each comma/, CLUSTER_URL],
  ['a bad port among them', `redis-cluster://u:${SECRET}@h1,h2:0`, /whose port is/, CLUSTER_URL],
  ['a bare IPv6', 'redis-cluster://::1,::2', /whose (host|port) is/, CLUSTER_URL],
  [
    'a login at each node',
    `redis-cluster://u:${SECRET}@h1,u:${SECRET}@h2`,
    /one login/,
    CLUSTER_URL,
  ],
  [
    'a user without a password',
    `redis-cluster://${SECRET}@h1,h2`,
    /:password@ or neither/,
    CLUSTER_URL,
  ],
  ['a path', 'redis-cluster://h?path=/x.sock', /without path/, CLUSTER_URL],
  ['a host in the query', 'redis-cluster://h?host=i', /without host/, CLUSTER_URL],
  ['two minds about TLS', 'rediss-cluster://h?tls=false', /not both/, CLUSTER_URL],
  ['a bare ? in a password', `redis-cluster://:1?name=${SECRET}@h`, /no unescaped \?/, CLUSTER_URL],
  ['sentinels without a name', `redis-sentinel://:${SECRET}@h`, /\?name=/, SENTINEL_URL],
  ['… with an empty one', 'redis-sentinel://h?name=', /\?name=/, SENTINEL_URL],
  ['a bare # in a password', `redis-sentinel://:a#${SECRET}@h`, /no unescaped #/, SENTINEL_URL],
  ['a port in the query', `redis-sentinel://h?${PRIMARY}&port=1`, /without port/, SENTINEL_URL],
  ['a path that is the name', 'redis-sentinel://h/mymaster', /whose db is/, SENTINEL_URL],
  ...[
    ...['rediss+cluster', 'valkey+cluster', 'valkeys-cluster', 'valkeys+cluster'],
    ...['rediss+sentinel', 'valkey+sentinel', 'valkeys-sentinel', 'valkeys+sentinel'],
  ].map((scheme) => [
    'a scheme that no page names',
    `${scheme}://:${SECRET}@h?name=m`,
    /begins with redis:\/\/.* redis-sentinel:\/\/.* redis-cluster:\/\//,
  ]),
  ['several servers', `redis://:${SECRET}@h1,h2`, /redis-cluster:\/\/.*redis-sentinel:\/\//],
  ['several servers without a scheme', 'h1:7000,h2:7001', /redis-cluster:\/\/.*redis-sentinel:/],
  ['sentinels of a socket', 'unix:///x.sock?sentinels=h', /without sentinels/],
  ['an empty cluster', { cluster: [] }, /`cluster`/, CLUSTER],
  ['a cluster that is a text', { cluster: `h:1,${SECRET}` }, /`cluster`/, CLUSTER],
  ['empty sentinels', { sentinels: [], name: 'm' }, /`sentinels`/, SENTINEL],
  ['sentinels and no name', { sentinels: ONE }, /`name`/, SENTINEL],
  [
    '… under connectionString',
    { connectionString: { sentinels: ONE, name: '' } },
    /`connectionString.name`/,
    SENTINEL,
  ],
  ['a name and no sentinels', { host: 'h', name: 'm' }, /`name` to be left out/, SENTINEL],
  ['a password and no sentinels', { sentinelPassword: SECRET }, /`sentinelPassword`/, SENTINEL],
  ['both', { cluster: ONE, sentinels: ONE, name: 'm' }, /`sentinels`/, CLUSTER, SENTINEL],
  ['a cluster with a name', { cluster: ONE, name: 'm' }, /`name`/, CLUSTER, SENTINEL],
  ['a cluster and a host', { cluster: ONE, host: 'h' }, /`host` to be left out/, CLUSTER],
  ['a cluster and a socket', { cluster: ONE, path: '/x.sock' }, /`path` to be left out/, CLUSTER],
  [
    'sentinels and a port',
    { sentinels: ONE, name: 'm', port: 1 },
    /`port` to be left out/,
    SENTINEL,
  ],
  ['a cluster with a database', { cluster: ONE, db: 1 }, /`db` to be 0/],
  ['a cluster and a URL', { connectionString: 'h', cluster: ONE }, /`cluster` to be left out/],
  [
    'a cluster and memory:',
    { connectionString: 'memory:', cluster: ONE },
    /`cluster` to be left out/,
  ],
  ['a bad node', { cluster: [7000, `u:${SECRET}@h:1`] }, /`cluster\[1\]`.*without a login/],
  [
    'a node with TLS',
    { cluster: ['rediss://h:1'] },
    /`cluster\[0\]`.*TLS, which are options beside/,
  ],
  ...['redis://h:1', 'h:1/', ' h:1', ':7003', 'h:', '7000', '[h]'].map((node) => [
    'a node that is no host:port',
    { cluster: [node] },
    /`cluster\[0\]`/,
  ]),
  ['an empty node', { cluster: [''] }, /`cluster\[0\]`/],
  ['no node', { cluster: [null] }, /`cluster\[0\]`/],
  ['an array as a node', { cluster: [[]] }, /`cluster\[0\]`/],
  ['a node of something else', { cluster: [true] }, /`cluster\[0\]`/],
  ['a port that is none', { cluster: [99999] }, /`cluster\[0\]`/],
  ['a port in a node that is none', { cluster: [{ port: 0 }] }, /`cluster\[0\]\.port`/],
  ['a node with more', { cluster: [{ host: 'h', password: SECRET }] }, /`cluster\[0\]\.password`/],
  ['a bad sentinelTLS', { sentinels: ONE, name: 'm', sentinelTLS: 'yes' }, /`sentinelTLS`/],
  ['a typo in it', { sentinels: ONE, name: 'm', sentinelTLS: { cA: 'x' } }, /`sentinelTLS.cA`/],
  [
    'tls that ioredis would not use',
    { sentinels: ONE, name: 'm', tls: true, enableTLSForSentinelMode: false },
    /`enableTLSForSentinelMode`.*because `tls` is on/,
  ],
  [
    'TLS that has no tls',
    { sentinels: ONE, name: 'm', enableTLSForSentinelMode: true },
    /`enableTLS.*because `tls` is off/,
  ],
  [
    '… under connectionString',
    { connectionString: { sentinels: ONE, name: 'm', enableTLSForSentinelMode: true } },
    /`connectionString\.enableTLS/,
  ],
  ['a text for it', { sentinels: ONE, name: 'm', enableTLSForSentinelMode: 'no' }, /true or false/],
];

for (const [what, rows] of [
  ['a cluster', CLUSTERS],
  ['sentinels', SENTINELS],
]) {
  describe(what, () => {
    for (const [label, input, expected] of rows) {
      it(`may be given with ${label}: ${show(input)}`, () => {
        const { server } = readOptions(input);
        assert.deepEqual(read(input), expected);
        const parts = [server, server.cluster, server.sentinels, server.sentinels?.nodes];
        for (const part of parts) assert.ok(part === undefined || Object.isFrozen(part));
      });
    }
  });
}

describe('refused, with the right form:', () => {
  for (const [label, input, ...expected] of REFUSED) {
    it(`${label}: ${show(input)}`, () => {
      assert.throws(
        () => readOptions(input),
        (error) => {
          assert.ok(error instanceof TypeError);
          assert.match(error.code, /^ERR_INVALID_ARG_(TYPE|VALUE)$/);
          for (const pattern of expected) assert.match(error.message, pattern);
          assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes(SECRET));
          return true;
        },
      );
    });
  }

  it('a list that throws when it is read, with the cause', () => {
    const { proxy, revoke } = Proxy.revocable([], {});
    revoke();
    const hostile = {
      get host() {
        throw new TypeError('from a getter');
      },
    };
    for (const cluster of [proxy, [hostile], [proxy]]) {
      assert.throws(
        () => readOptions({ cluster }),
        (error) => error.code === 'ERR_INVALID_ARG_TYPE' && error.cause instanceof TypeError,
      );
    }
  });
});

function show(input) {
  return typeof input === 'string' ? `'${input}'` : inspect(input, { breakLength: Infinity });
}
