'use strict';

// Finds keys with SCAN, which looks at some keys at a time and so never blocks the server. A key may come twice.

/** How many keys one SCAN looks at. That takes the server about a third of a millisecond. */
const SCAN_COUNT = 1000;

/**
 * Resolves to the servers that have all keys together: each primary of a Cluster, or the only server.
 *
 * @param {any} client of ioredis
 * @returns {Promise<any[]>}
 */
async function primariesOf(client) {
  if (!client.isCluster) return [client];
  await client.ping(); // by then it knows the nodes
  return client.nodes('master');
}

/**
 * Yields the keys of a server that match a pattern, page by page.
 *
 * @param {any} node
 * @param {string} pattern
 * @returns {AsyncGenerator<Buffer[]>}
 */
async function* scan(node, pattern) {
  let isLost = false;
  const onClose = () => {
    isLost = true;
  };
  const ask = (cursor) => {
    const reply = node.scanBuffer(cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT);
    reply.catch(() => {}); // if nobody wants this page any more
    return reply;
  };
  node.on('close', onClose);
  try {
    for (let reply = ask('0'); reply !== undefined; ) {
      const [next, keys] = await reply;
      // A server that was started again has its keys in another order, so a cursor of before would miss some.
      const cursor = isLost ? '0' : String(next);
      // Asked now, so that the server looks for these keys while the program uses the others.
      reply = isLost || cursor !== '0' ? ask(cursor) : undefined;
      isLost = false;
      yield keys;
    }
  } finally {
    node.off('close', onClose);
  }
}

/** Makes a text match only itself in a pattern of Redis. @param {string} text */
function escapeGlob(text) {
  return text.replace(/[\\*?[\]^]/g, '\\$&');
}

module.exports = { SCAN_COUNT, escapeGlob, primariesOf, scan };
