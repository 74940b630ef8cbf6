'use strict';

const { setTimeout: sleep } = require('node:timers/promises');

/**
 * Calls `condition` again and again, and resolves to its first truthy result.
 *
 * @template T
 * @param {() => T | Promise<T>} condition
 * @param {string} what what is waited for, for the error
 * @param {number} [patience] in milliseconds
 * @returns {Promise<T>}
 */
async function waitUntil(condition, what, patience = 30_000) {
  for (const deadline = Date.now() + patience; ; ) {
    const answer = await condition();
    if (answer) return answer;
    if (Date.now() > deadline) throw new Error(`waited ${patience} ms for ${what}, in vain`);
    await sleep(2);
  }
}

module.exports = { waitUntil };
