'use strict';

// A slot that moves from one node of a Redis Cluster to another: the old node refuses commands on keys
// that it does not have, even inside a script that has just deleted them.

const assert = require('node:assert/strict');
const { randomInt } = require('node:crypto');
const { after, before, describe, test } = require('node:test');
const { SpotsSessions } = require('../index.js');
const { indexKey, sessionKey } = require('./support/keys.js');
const { startRedis, waitUntil } = require('./support/redis-server.js');

const app = 'shop';

describe('while a slot moves to another node', () => {
  /** @type {Awaited<ReturnType<typeof startNode>>[]} */
  const nodes = [];
  /** @type {import('ioredis').Redis} */
  let source;
  /** @type {import('ioredis').Redis} */
  let target;
  /** @type {SpotsSessions} It asks the other node whether the owner has pointers there. */
  let sessions;
  before(async () => {
    nodes.push(await startNode(), await startNode());
    [source, target] = nodes.map((node) => node.client());
    await source.call('CLUSTER', 'ADDSLOTS', ...Array.from({ length: 16384 }, (_, slot) => slot));
    await source.call('CLUSTER', 'MEET', nodes[1].host, nodes[1].port);
    for (const node of [source, target]) {
      const ready = async () => /state:ok.*nodes:2/s.test(await node.call('CLUSTER', 'INFO'));
      await waitUntil(ready, 'the cluster');
    }
    const { host, port } = nodes[0];
    sessions = new SpotsSessions({ cluster: [{ host, port }] });
  });
  after(async () => {
    await sessions?.close();
    for (const node of nodes) await node.stop();
  });

  /** Begins to move an owner's slot. */
  async function beginToMove(ownerId) {
    const slot = await source.call('CLUSTER', 'KEYSLOT', indexKey(app, ownerId));
    const [from, to] = await Promise.all(
      [source, target].map((node) => node.call('CLUSTER', 'MYID')),
    );
    await target.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from);
    await source.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to);
  }

  test('kill ends an owner’s last session on the node that still has it', async () => {
    const token = await sessions.create({ app, ownerId: 'killed' });
    await beginToMove('killed');

    assert.equal(await sessions.kill({ app, token }), true);
    assert.equal(await source.exists(sessionKey(app, 'killed', token)).catch(redirected), 'ASK');
    assert.equal(await source.exists(indexKey(app, 'killed')).catch(redirected), 'ASK');
  });

  test('killAll ends an owner’s sessions on the node that still has them', async () => {
    const tokens = [];
    for (let n = 0; n < 200; n++) tokens.push(await sessions.create({ app, ownerId: 'whole' }));
    await beginToMove('whole');

    assert.equal(await sessions.killAll({ app, ownerId: 'whole' }), true);
    for (const token of tokens) {
      assert.equal(await source.exists(sessionKey(app, 'whole', token)).catch(redirected), 'ASK');
    }
  });
});

/** The code of an error. `ASK` shows that the key is gone from this node. */
function redirected({ message }) {
  return message.split(' ')[0];
}

/** Tries again if the port 10000 above, which the bus of the cluster needs, is taken. */
async function startNode(attempts = 20) {
  try {
    const config = { 'cluster-enabled': 'yes' };
    return await startRedis({ port: randomInt(20000, 55536), config });
  } catch (error) {
    if (attempts === 1) throw error;
    return startNode(attempts - 1);
  }
}
