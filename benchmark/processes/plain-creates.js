'use strict';

// Sends this package's create script to each node of a cluster over a plain socket. The commands are prepared
// beforehand, and the replies are only compared with the expected text. This is the upper limit for any client: it has
// almost no cost of its own.

const { once } = require('node:events');
const net = require('node:net');
const { addressOf } = require('../address');
const { slotOf } = require('../capacity/slots');
const { rangeOf } = require('../cluster');
const { driveBatches } = require('../driver');
const { command, keysOf, tokenOf } = require('../layout');
const { scriptText } = require('../lua');
const { duration, sessionOf } = require('../payload');
const { answer } = require('../requests');

/** The number of prepared creates. One measurement makes fewer calls; the list starts again when it is used up. */
const sessions = 60000;

/** @type {{ socket: net.Socket, creates: string[], next: number }[]} */
const nodes = [];

answer({
  async open({ url, size }) {
    const { nodes: addresses } = addressOf(url);
    for (const { host, port } of addresses) {
      const socket = net.connect(port, host).setNoDelay(true);
      await once(socket, 'connect');
      nodes.push({ socket, creates: [], next: 0 });
    }
    let hash;
    for (const { socket } of nodes) {
      socket.write(command('SCRIPT', 'LOAD', scriptText('create')));
      [, hash] = String(await once(socket, 'data')).split('\r\n');
    }
    const ends = nodes.map((_, shard) => rangeOf(shard, nodes.length)[1]);
    for (let index = 0; index < sessions; index++) {
      const { session, owned, id } = keysOf(tokenOf(index));
      const { ownerId, data } = sessionOf(size, index);
      const slot = slotOf(/{(.*)}/.exec(session)[1]);
      const about = [id, `${duration * 1000}`, JSON.stringify(ownerId), JSON.stringify(data)];
      const node = nodes[ends.findIndex((end) => slot < end)];
      node.creates.push(command('EVALSHA', hash, '2', session, owned, ...about));
    }
  },

  /** Keeps one batch in flight to each node. Returns the numbers per create. */
  async run({ inFlight, ms }) {
    const batch = Math.round(inFlight / nodes.length);
    const free = [...nodes];
    const createBatch = async () => {
      const node = free.pop();
      await createOn(node, batch);
      free.push(node);
    };
    return driveBatches(createBatch, batch, { inFlight: nodes.length, ms });
  },
});

/** @param {(typeof nodes)[number]} node @param {number} batch */
function createOn(node, batch) {
  if (node.next + batch > node.creates.length) node.next = 0;
  const text = node.creates.slice(node.next, node.next + batch).join('');
  node.next += batch;
  return new Promise((resolve, reject) => {
    const expected = ':1\r\n'.repeat(batch);
    let replies = '';
    const read = (chunk) => {
      replies += chunk.latin1Slice();
      if (replies.length < expected.length) return;
      node.socket.off('data', read);
      if (replies === expected) resolve();
      else reject(new Error(`the server answered ${replies.slice(0, 200)}`));
    };
    node.socket.on('data', read).write(text);
  });
}
