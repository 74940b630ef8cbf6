'use strict';

// The child's end of a conversation in requests and answers; contestant.js is the parent's.

/**
 * Answers what the parent asks, one request at a time, and ends with the parent.
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
