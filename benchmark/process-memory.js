'use strict';

// Measures the memory of this process after a garbage collection.

const { setTimeout: sleep } = require('node:timers/promises');
const { collectGarbage } = require('./garbage');

/** @returns {Promise<{ rss: number, heap: number, external: number }>} in MB */
async function processMemory() {
  // The first collection triggers finalizers. The second one frees what they released.
  collectGarbage('major');
  await sleep(50);
  collectGarbage('major');
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss: rss / 1e6, heap: heapUsed / 1e6, external: external / 1e6 };
}

module.exports = { processMemory };
