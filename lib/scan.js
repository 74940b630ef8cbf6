'use strict';

// Finds keys through `client` with SCAN, which looks at some keys at a time and so never blocks the server. A key may come
// twice.

const { SpotsSessionsError } = require('./errors.js');

/** How many keys one SCAN looks at. That takes the server about a third of a millisecond. */
const SCAN_COUNT = 1000;

/**
 * Waits for a reply to a command of `client`, which itself would wait for a silent server without end.
 *
 * @template T
 * @param {number} ms
 * @param {Promise<T>} reply
 * @returns {Promise<T>}
 */
async function inTime(ms, reply) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    const message = `redis did not answer a command of \`client\` within ${ms} ms`;
    const fail = () => reject(new SpotsSessionsError('ERR_SESSIONS_TIMEOUT', message));
    timer = setTimeout(fail, ms);
  });
  try {
    return await Promise.race([reply, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Resolves to the servers that have all keys together: each primary of a Cluster, or the only server.
 *
 * @param {any} client of ioredis
 * @param {number} ms that a command may take
 * @returns {Promise<any[]>}
 */
async function primariesOf(client, ms) {
  if (!client.isCluster) return [client];
  await inTime(ms, client.ping()); // by then it knows the nodes
  return client.nodes('master');
}

/**
 * Yields the keys of a server that match a pattern, page by page.
 *
 * @param {any} node
 * @param {string} pattern
 * @param {number} ms that a page may take
 * @returns {AsyncGenerator<Buffer[]>}
 */
async function* scan(node, pattern, ms) {
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
      const [next, keys] = await inTime(ms, reply);
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

module.exports = { SCAN_COUNT, escapeGlob, inTime, primariesOf, scan };
