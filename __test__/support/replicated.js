'use strict';

const { waitUntil } = require('./wait-until.js');

/**
 * Resolves when the replicas of a primary, at least one, have all that has been written to it. WAIT would only wait for
 * what its own connection has written.
 *
 * @param {import('ioredis').Redis} primary
 */
async function replicated(primary) {
  const [, written] = await primary.role();
  const areUpToDate = async () => {
    const [, , replicas] = await primary.role();
    return replicas.length > 0 && replicas.every(([, , received]) => Number(received) >= written);
  };
  await waitUntil(areUpToDate, 'replicas to have what was written');
}

module.exports = { replicated };
