'use strict';

// Cluster nodes that give wrong answers: redirections to hundreds of nodes, and ranges of slots that
// cannot be read. The number of connections stays bounded, and the other slots are served.

const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const { test } = require('node:test');
const { SpotsSessions } = require('../../index.js');
const {
  array,
  integer,
  node,
  range,
  slotOf,
  startFakeCluster,
} = require('../support/fake-cluster.js');
const { waitUntil } = require('../support/wait-until.js');

const app = 'app';
const NODES = 300;
/** How many connections are kept to nodes that only redirections named: `MAX_REFERRED_NODES`. */
const KEPT = 32;

/** @param {import('node:test').TestContext} t @param {number} count */
async function fakeCluster(t, count) {
  const cluster = await startFakeCluster(count);
  const sessions = new SpotsSessions({ connectionString: cluster.url, commandTimeout: 60_000 });
  t.after(async () => {
    await sessions.close();
    await cluster.stop();
  });
  const get = (token = randomToken()) => sessions.get({ app, token });
  return { cluster, get };
}

/** A random token, on a random slot, that opens no session. */
function randomToken() {
  return randomBytes(128).toString('base64');
}

/** The slot of the session that a token opens. @param {string} token */
function slotOfToken(token) {
  return slotOf(`{${Buffer.from(token, 'base64').toString('hex', 0, 4)}:${app}}`);
}

for (const word of ['ASK', 'MOVED']) {
  for (const [how, each] of [
    [
      'one after another',
      async (call) => {
        for (let n = 0; n < NODES; n++) await call();
      },
    ],
    ['at once', (call) => Promise.all(Array.from({ length: NODES }, call))],
  ]) {
    test(`R87 ${word} to ${NODES} different nodes, ${how}: each call is answered, and at most ${KEPT} connections are kept`, async (t) => {
      const { cluster, get } = await fakeCluster(t, 1 + NODES);
      let told = 0;
      let most = 0;
      cluster.answer = ([, key], port) => {
        most = Math.max(most, cluster.others);
        if (port !== cluster.ports[0]) return '$-1\r\n';
        // The number must be bounded even if no topology refresh ever succeeds.
        if (word === 'MOVED') cluster.slots = () => undefined;
        told = (told % NODES) + 1;
        return `-${word} ${slotOf(key)} 127.0.0.1:${cluster.ports[told]}\r\n`;
      };
      await each(async () => assert.equal(await get(), undefined));
      await waitUntil(() => cluster.others <= KEPT, `no more than ${KEPT} connections to stay`);
      // The fake nodes notice a little later that a connection was closed.
      assert.ok(most <= 3 * KEPT, `${most} connections at a time`);
    });
  }
}

test('R88 unreadable ranges of slots are not served until they can be read, and the other slots are', async (t) => {
  const { cluster, get } = await fakeCluster(t, 2);
  const [first, second] = cluster.ports;
  const unreadable = [
    range(8192, 12000, node(-1)),
    range(12001, 16383, node(second, '?')),
    range(0, 16384, node(second)),
    range(5, 4, node(second)),
    array([integer(0), integer(1)]),
    '+OK\r\n',
    '*-1\r\n',
  ];
  cluster.slots = () => array([unreadable[0], range(0, 8191, node(first)), ...unreadable.slice(1)]);
  const served = new Set();
  cluster.answer = (_words, port) => {
    served.add(port);
    return '$-1\r\n';
  };
  const tokens = Array.from({ length: 200 }, randomToken);
  const isLow = (token) => slotOfToken(token) < 8192;
  const high = tokens.filter((token) => !isLow(token)).map(get);
  let isWaiting = true;
  const highEnd = Promise.all(high).then(() => {
    isWaiting = false;
  });
  await Promise.all(tokens.filter(isLow).map(get));
  assert.deepEqual([...served, isWaiting, high.length > 0], [first, true, true]);
  cluster.slots = () => array([range(0, 8191, node(first)), range(8192, 16383, node(second))]);
  await highEnd;
  assert.deepEqual([...served], [first, second]);
});
