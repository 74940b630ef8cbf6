'use strict';

// What the suites of `natMap` share.

const assert = require('node:assert/strict');
const { SpotsSessions } = require('../../index.js');
const { callEveryMethod } = require('./every-method.js');
const { patience } = require('./faulty-cluster.js');
const { freshName } = require('./targets.js');
const { waitUntil } = require('./wait-until.js');

const times = (count, make) => Array.from({ length: count }, (_, n) => make(n));

/** An instance that ends with the test. */
function open(t, options) {
  const sessions = new SpotsSessions({ commandTimeout: patience, ...options });
  t.after(() => sessions.close());
  return sessions;
}

/** The `client` of an instance whose `natMap` is an object, and of one where it is a function. */
function clientsBeyond(t, around, options) {
  // An attempt that leads nowhere ends soon.
  const hasty = { ...options, connectTimeout: 2000, maxRetriesPerRequest: 2 };
  const maps = [around.map, (announced) => around.map[announced]];
  return maps.map((natMap) => open(t, { ...hasty, natMap }).client);
}

/** Calls every method for owners of all nodes. */
async function worksEverywhere(sessions) {
  const app = freshName();
  await Promise.all(times(30, (n) => callEveryMethod(sessions, app, `owner-${n}`)));
}

const THROWN = new Error('s3cret of the program');

/** Ways in which a function fails, with the cause of the event. @type {[string, () => any, (cause: any) => void][]} */
const FAILURES = [
  [
    'throws',
    () => {
      throw THROWN;
    },
    (cause) => assert.equal(cause, THROWN),
  ],
  [
    'gives a promise',
    () => Promise.resolve({ host: '127.0.0.1', port: 1 }),
    ({ message }) => assert.match(message, /^expected `natMap\('.*'\)` to be where the node is/),
  ],
  [
    'gives no port',
    () => ({ host: '127.0.0.1' }),
    ({ message }) => assert.match(message, /^expected `natMap\('.*'\)\.port` to be a whole number/),
  ],
  [
    'gives a text',
    () => '127.0.0.1:6379',
    ({ message }) => assert.match(message, /^expected `natMap\('.*'\)` to be where the node is/),
  ],
];

/** GETs that servers have carried out. */
async function gets(nodes) {
  const texts = await Promise.all(nodes.map((node) => node.client().info('commandstats')));
  const counts = texts.map((text) => Number(/cmdstat_get:calls=(\d+)/.exec(text)?.[1] ?? 0));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Resolves when replicas have answered a `get`. */
async function readsReplicas(reader, writer, replicas) {
  const app = freshName();
  const create = (n) => writer.create({ app, ownerId: `owner-${n}` });
  const tokens = await Promise.all(times(30, create));
  await waitUntil(async () => {
    const before = await gets(replicas);
    await Promise.all(tokens.map((token) => reader.get({ app, token })));
    return (await gets(replicas)) > before;
  }, 'a replica to be read from');
}

module.exports = { FAILURES, THROWN, clientsBeyond, open, readsReplicas, times, worksEverywhere };
