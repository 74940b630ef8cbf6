'use strict';

// The time that a round trip takes, and how far the clocks are apart.

const { ok, onEach, warning } = require('./finding.js');

/** How often the server is asked. */
const ROUNDS = 9;
/** More than that is not next door, and each call waits for it. */
const SLOW_MS = 10;
/** `createdAt` and `expiresAt` are of the server's clock. A browser's cookie is of another. */
const APART_MS = 2000;

/** @param {import('./servers.js').Servers['nodes']} nodes */
function checkClock(nodes) {
  return onEach(nodes, async (node) => {
    const sent = Date.now();
    const [seconds, micros] = await node.ask('TIME');
    const waited = Date.now() - sent;
    const ahead = Number(seconds) * 1000 + Number(micros) / 1000 - (sent + waited / 2);
    // The reply may have taken any part of the round trip.
    const apart = Math.max(0, Math.abs(ahead) - waited / 2);
    if (apart <= APART_MS) return ok('the same as here, to 2 s');
    const says = `${(apart / 1000).toFixed(0)} s ${ahead > 0 ? 'ahead of' : 'behind'} this machine's`;
    return warning(says, 'let NTP set both: sessions end by the clock of the server');
  });
}

/** @param {import('./servers.js').Servers['nodes']} nodes */
async function checkRoundTrip(nodes) {
  const medians = await Promise.all(nodes.map(medianOf));
  const slowest = Math.max(...medians);
  const fastest = Math.min(...medians);
  const times = nodes.length === 1 ? show(slowest) : `${show(fastest)} to ${show(slowest)}`;
  const says = `${times} (median of ${ROUNDS})`;
  if (slowest < SLOW_MS) return [ok(says)];
  return [warning(`${says}: each call waits for it`, 'run the application near the server')];
}

/** @param {import('./servers.js').Servers['nodes'][number]} node @returns {Promise<number>} in milliseconds */
async function medianOf(node) {
  const times = [];
  for (let n = 0; n < ROUNDS; n++) {
    const sent = performance.now();
    // An answer is an answer, also one that refuses.
    await node.ask('PING').catch(() => {});
    times.push(performance.now() - sent);
  }
  return times.sort((a, b) => a - b)[ROUNDS >> 1];
}

/** @param {number} ms */
function show(ms) {
  return `${ms < 10 ? ms.toFixed(2) : ms.toFixed(0)} ms`;
}

module.exports = { checkClock, checkRoundTrip };
