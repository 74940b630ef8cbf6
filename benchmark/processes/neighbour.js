'use strict';

// Another client of the same server. It sends one GET after the other and records its longest wait.

const { performance } = require('node:perf_hooks');
const Redis = require('ioredis');
const { answer } = require('../requests');

const key = 'neighbour';

/** @type {Redis} */
let redis;
let watching = false;
/** @type {Promise<number>} */
let longest;

answer({
  async open({ url }) {
    redis = new Redis(url);
    await redis.set(key, 'x'.repeat(100));
  },

  async watch() {
    watching = true;
    longest = watch();
    // Redis answers in order, so when this GET is answered, the first GET of watch() has been answered too.
    await redis.get(key);
  },

  /** Answers with the longest wait in milliseconds. */
  async stop() {
    watching = false;
    return longest;
  },
});

async function watch() {
  let most = 0;
  while (watching) {
    const from = performance.now();
    await redis.get(key);
    most = Math.max(most, performance.now() - from);
  }
  return most;
}
