'use strict';

// The option `natMap`: how it is read, and what is refused. faults/nat-map-*.test.js have real servers.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const { inspect } = require('node:util');
const { runInNewContext } = require('node:vm');
const { createClient } = require('../lib/client.js');
const { readOptions } = require('../lib/options.js');
const { refuses } = require('./support/refuses.js');

const SECRET = 's3cret';
const CLUSTER = { cluster: ['h:7000'] };
const SENTINEL = { sentinels: ['h:7000'], name: 'm' };
const NODE = { host: 'localhost', port: 7001 };

/** The nodes of `natMap` as the engine gets them. */
const read = (natMap, place = CLUSTER) => readOptions({ ...place, natMap }).server.natMap;

describe('natMap', () => {
  it('is read with Sentinel and Cluster, in each of their forms', () => {
    const natMap = { '10.0.0.1:6379': NODE };
    const expected = [{ announced: '10.0.0.1:6379', ...NODE }];
    const urls = ['redis-cluster://h', 'redis-sentinel://h?name=m'];
    for (const place of [CLUSTER, SENTINEL, ...urls.map((url) => ({ connectionString: url }))]) {
      assert.deepEqual(read(natMap, place), expected);
    }
    for (const place of [CLUSTER, SENTINEL]) {
      const connectionString = { ...place, natMap };
      assert.deepEqual(readOptions({ connectionString }).server.natMap, expected);
      const other = { connectionString, natMap: { 'other:1': NODE } };
      assert.deepEqual(readOptions(other).server.natMap, [{ announced: 'other:1', ...NODE }]);
    }
  });

  it('may have names, IPv6 with and without brackets, and ports as text', () => {
    const rows = [
      ['node-1.cluster.local:6379', 'node-1.cluster.local:6379'],
      ['Node_1:6379', 'Node_1:6379'],
      ['[2001:db8::1]:6379', '2001:db8::1:6379'],
      ['2001:db8::1:6379', '2001:db8::1:6379'],
      ['[::1]:1', '::1:1'],
    ];
    for (const [key, announced] of rows) {
      assert.deepEqual(read({ [key]: NODE }), [{ announced, ...NODE }]);
    }
    assert.deepEqual(read({ 'h:1': { host: '::1', port: '65535' } }), [
      { announced: 'h:1', host: '::1', port: 65535 },
    ]);
  });

  it('counts as left out if it is null or undefined, and so does each entry', () => {
    for (const nothing of [null, undefined]) {
      assert.equal(read(nothing), undefined);
      assert.equal(readOptions({ natMap: nothing }).server.natMap, undefined);
      assert.deepEqual(read({ 'h:1': nothing, 'h:2': NODE }), [{ announced: 'h:2', ...NODE }]);
    }
    for (const empty of [{}, Object.create(null), runInNewContext('({})')]) {
      assert.deepEqual(read(empty), []);
    }
  });

  it('is copied and frozen', () => {
    const node = { ...NODE };
    const natMap = { 'h:1': node };
    const nodes = read(natMap);
    node.port = 1;
    natMap['h:2'] = node;
    assert.deepEqual(nodes, [{ announced: 'h:1', ...NODE }]);
    for (const part of [nodes, nodes[0]]) assert.ok(Object.isFrozen(part));
  });

  it('may be a function, which is checked when it gives an address', () => {
    const rows = [
      [
        { host: '::1', port: '7001' },
        { host: '::1', port: 7001 },
      ],
      [null, null],
      [undefined, null],
    ];
    for (const [given, expected] of rows) {
      const asked = [];
      const natMap = (announced) => {
        asked.push(announced);
        return given;
      };
      for (const place of [CLUSTER, SENTINEL, { connectionString: 'redis-cluster://h' }]) {
        assert.deepEqual(read(natMap, place)('h:1'), expected);
      }
      assert.deepEqual(asked, ['h:1', 'h:1', 'h:1']);
    }
    const cause = new Error('from the function');
    for (const [natMap, words] of [
      [() => ({ host: 'h' }), /`natMap\('h:1'\)\.port` to be a whole number/],
      [() => ({ host: 'h', port: 70_000 }), /`natMap\('h:1'\)\.port` .* got 70000$/],
      [() => ({ ...NODE, tls: {} }), /unknown option `natMap\('h:1'\)\.tls`/],
      [async () => NODE, /`natMap\('h:1'\)` to be where .* got an instance of Promise/],
      [() => false, /`natMap\('h:1'\)` to be where the node is reached/],
    ]) {
      assert.throws(() => read(natMap)('h:1'), { name: 'TypeError', message: words });
    }
    assert.throws(
      () =>
        read(() => {
          throw cause;
        })('h:1'),
      cause,
    );
  });

  it('is refused with one server, and in memory', () => {
    for (const place of [{}, { host: 'h' }, { connectionString: 'redis://h' }]) {
      for (const natMap of [{}, { 'h:1': NODE }, () => NODE]) {
        refuses(
          { ...place, natMap },
          'ERR_INVALID_ARG_VALUE',
          /`natMap` to be left out, because it works only with Sentinel or Cluster/,
        );
      }
    }
    const words = '`natMap` to be left out';
    refuses({ connectionString: 'memory:', natMap: {} }, 'ERR_INVALID_ARG_VALUE', words);
    const inner = { connectionString: { host: 'h', natMap: {} } };
    refuses(inner, 'ERR_INVALID_ARG_VALUE', '`connectionString.natMap` to be left out');
  });

  it('is refused in a URL, which cannot express it', () => {
    refuses('redis-cluster://h?natMap=x', 'ERR_INVALID_ARG_VALUE', 'without natMap, which a str');
  });

  it('is refused if it is no object of entries', () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const others = [true, 5, 'h:1', [], [NODE], new Map([['h:1', NODE]]), Promise.resolve({})];
    for (const other of [...others, proxy]) {
      refuses({ ...CLUSTER, natMap: other }, 'ERR_INVALID_ARG_TYPE', '`natMap` to be an object');
      const connectionString = { ...CLUSTER, natMap: other };
      refuses({ connectionString }, 'ERR_INVALID_ARG_TYPE', '`connectionString.natMap` to be an');
    }
  });

  it('that throws when it is read is refused, with the cause', () => {
    const cause = new Error('from a getter');
    const hostile = (name) => Object.defineProperty({}, name, { enumerable: true, get: thrower });
    function thrower() {
      throw cause;
    }
    for (const natMap of [hostile('h:1'), { 'h:1': hostile('host') }]) {
      assert.throws(
        () => read(natMap),
        (error) => error.code === 'ERR_INVALID_ARG_TYPE' && error.cause === cause,
      );
    }
  });

  for (const [label, entry, code, words] of [
    ['no port', { host: 'h' }, 'TYPE', /`natMap\['h:1'\]\.port` to be a whole number from 1/],
    ['no host', { port: 1 }, 'TYPE', /`natMap\['h:1'\]\.host` to be one name or IP address/],
    ['an empty host', { host: '', port: 1 }, 'TYPE', /`natMap\['h:1'\]\.host`/],
    ['a host and a port in one', { host: 'h:1', port: 1 }, 'VALUE', /`natMap\['h:1'\]\.host`/],
    ['a URL as the host', { host: 'redis://h', port: 1 }, 'VALUE', /`natMap\['h:1'\]\.host`/],
    ['port 0', { host: 'h', port: 0 }, 'VALUE', /`natMap\['h:1'\]\.port`.*got 0$/],
    ['port 65536', { host: 'h', port: 65536 }, 'VALUE', /`natMap\['h:1'\]\.port`.*got 65536$/],
    ['a port that is none', { host: 'h', port: 'x' }, 'VALUE', /`natMap\['h:1'\]\.port`/],
    ['a port of another type', { host: 'h', port: true }, 'TYPE', /`natMap\['h:1'\]\.port`/],
    ['more', { ...NODE, tls: {} }, 'VALUE', /unknown option `natMap\['h:1'\]\.tls`/],
    ['a text', 'h:1', 'TYPE', /`natMap\['h:1'\]` to be where the node is reached/],
    ['an array', ['h', 1], 'TYPE', /`natMap\['h:1'\]` to be where the node is reached/],
    ['a function', () => NODE, 'TYPE', /`natMap\['h:1'\]` to be where the node is reached/],
  ]) {
    it(`is refused with an entry that has ${label}`, () => {
      refuses({ ...CLUSTER, natMap: { 'h:1': entry } }, `ERR_INVALID_ARG_${code}`, words);
    });
  }

  for (const key of [
    ...['', 'h', 'h:', ':1', 'h:0', 'h:65536', 'h:x', '[h]:1', '[]:1', 'h h:1', '[::1]', '::1'],
    ...[`redis://u:${SECRET}@h:1`, `u:${SECRET}@h:1`],
  ]) {
    it(`is refused with the key '${key}'`, () => {
      assert.throws(
        () => read({ [key]: NODE }),
        (error) => {
          assert.equal(error.code, 'ERR_INVALID_ARG_VALUE');
          assert.match(error.message, /each key of natMap to be the host and the port that a node/);
          assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes(SECRET));
          return true;
        },
      );
    });
  }

  it('is passed on to client, which may change what it gets', () => {
    const natMap = { '[::1]:6379': NODE };
    for (const place of [CLUSTER, SENTINEL]) {
      const client = createClient(readOptions({ ...place, natMap, lazyConnect: true }));
      const reached = client.options.natMap('::1:6379');
      assert.deepEqual(reached, NODE);
      assert.equal(client.options.natMap('::1:6380'), null);
      reached.host = 'changed';
      assert.deepEqual(client.options.natMap('::1:6379'), NODE);
      client.disconnect();
    }
    const client = createClient(readOptions({ ...CLUSTER, lazyConnect: true }));
    assert.equal(client.options.natMap ?? undefined, undefined);
    client.disconnect();
  });
});
