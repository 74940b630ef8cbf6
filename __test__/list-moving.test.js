'use strict';

// A list while the owner's slot moves to another node: a server then refuses to look for keys that it does not have.

const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const { after, before, test } = require('node:test');
const foreign = require('../lib/foreign.js');
const { SpotsSessions } = require('../index.js');
const { startCluster } = require('./support/cluster.js');
const { addressOf, idOf, indexKey, pointersKey } = require('./support/keys.js');
const { freshName } = require('./support/targets.js');

const ownerId = 'alice';
let cluster;
let sessions;
before(async () => {
  cluster = await startCluster({ primaries: 3, replicas: 0, downAfter: 60_000 });
  sessions = new SpotsSessions({ connectionString: cluster.url });
});
after(async () => {
  await sessions?.close();
  await cluster?.stop();
});

/** Begins to move the slot of a key. @returns {Promise<(key: string) => Promise<any>>} moves a key */
async function beginToMove(key) {
  const slot = await cluster.slotOf(key);
  const from = await cluster.slotOwner(slot);
  const to = (await cluster.primaries()).find((node) => node !== from);
  const [source, target] = [from.client(), to.client()];
  const ids = await Promise.all([source, target].map((node) => node.call('CLUSTER', 'MYID')));
  await target.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', ids[0]);
  await source.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', ids[1]);
  return (moved) => source.call('MIGRATE', to.host, to.port, moved, 0, 5000);
}

test('a list of an owner without pointers is answered', async () => {
  const app = freshName();
  const token = await sessions.create({ app, ownerId });
  await beginToMove(indexKey(app, ownerId));
  const listed = await sessions.list({ app, ownerId });
  assert.deepEqual(
    listed.map(({ id }) => id),
    [idOf(token)],
  );
});

test('a list finds sessions by pointers that have moved before the index', async () => {
  const app = freshName();
  const own = await sessions.create({ app, ownerId });
  const token = randomBytes(32).toString('base64url');
  const session = { app, token, ownerId, data: {}, durationMs: 600_000, replace: false };
  assert.equal(await foreign.create(sessions, session), true);
  const move = await beginToMove(indexKey(app, ownerId));
  assert.equal(await move(pointersKey(app, ownerId)), 'OK');
  const listed = await sessions.list({ app, ownerId });
  assert.deepEqual(listed.map(({ id }) => id).sort(), [idOf(own), addressOf(token)].sort());
  assert.equal(await sessions.killAll({ app, ownerId }), true);
  assert.equal(await sessions.get({ app, token }), undefined);
});
