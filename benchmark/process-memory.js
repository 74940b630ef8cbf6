'use strict';

// What this process holds once its garbage is gone.

const { setTimeout: sleep } = require('node:timers/promises');
const { collectGarbage } = require('./garbage');

/** @returns {Promise<{ rss: number, heap: number, external: number }>} in MB */
async function processMemory() {
  // What the first leaves to finalizers, the second collects.
  collectGarbage('major');
  await sleep(50);
  collectGarbage('major');
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss: rss / 1e6, heap: heapUsed / 1e6, external: external / 1e6 };
}

module.exports = { processMemory };
