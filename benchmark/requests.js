'use strict';

// The child's side of requests and answers; contestant.js is the parent's side.

/**
 * Answers the parent's requests, and exits when the parent exits or disconnects.
 *
 * @param {Record<string, (argument: any) => unknown>} requests
 */
function answer(requests) {
  process.on('message', async ({ request, argument }) => {
    try {
      process.send({ result: await requests[request](argument) });
    } catch (error) {
      process.send({ error: error.stack });
    }
  });
  process.on('disconnect', () => process.exit());
}

module.exports = { answer };
