'use strict';

const { waitUntil } = require('./wait-until.js');

/**
 * Resolves when the replicas of a primary have all that has been written to it. WAIT would only wait for what its own
 * connection has written.
 *
 * @param {import('ioredis').Redis} primary
 * @param {{ atLeast?: number }} [options] how many replicas it must have
 */
async function hasReplicated(primary, { atLeast = 1 } = {}) {
  const [, written] = await primary.role();
  const areUpToDate = async () => {
    const [, , replicas] = await primary.role();
    const haveAll = replicas.every(([, , received]) => Number(received) >= written);
    return haveAll && replicas.length >= atLeast;
  };
  await waitUntil(areUpToDate, 'replicas to have what was written');
}

module.exports = { hasReplicated };
