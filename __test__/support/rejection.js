'use strict';

const assert = require('node:assert/strict');

/**
 * Resolves to the rejection of `call`. Fails if it throws synchronously, or resolves.
 *
 * @param {() => Promise<unknown>} call
 * @returns {Promise<any>}
 */
async function rejection(call) {
  let promise;
  assert.doesNotThrow(() => {
    promise = call();
  }, 'a method rejects, it never throws');
  assert.ok(promise instanceof Promise, 'a method returns a promise');
  let value;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  assert.fail(`expected a rejection, resolved with ${typeof value}`);
}

module.exports = { rejection };
