'use strict';

// Checks that every slot gets its share: counts all 2^32 routes per slot, and hashes a million owner names.

const { createHash } = require('node:crypto');
const { print } = require('./print');
const { crc16, router, routesByState, slots } = require('./slots');

const lengths = 256;
const owners = 1_000_000;

module.exports = () => {
  everyRoute();
  realOwners();
};

/**
 * Counts the routes on each slot for app names of 0 to 256 characters. Only the length matters: other letters of the
 * same length flip the same bits of the CRC for all routes, so the slots just swap their counts.
 */
function everyRoute() {
  let byState = routesByState();
  let [least, most] = [Number.POSITIVE_INFINITY, 0];
  const mean = 2 ** 32 / slots;
  byState = after(byState, ':');
  for (let length = 0; length <= lengths; length++) {
    const bySlot = new Float64Array(slots);
    for (const [state, count] of byState.entries()) bySlot[state % slots] += count;
    for (const count of bySlot) {
      least = Math.min(least, count);
      most = Math.max(most, count);
    }
    byState = after(byState, 'a');
  }
  print(
    `Routes on a slot, all 2^32 of them, for apps of 0 to ${lengths} characters`,
    ['', ''],
    [
      ['mean', mean],
      ['least ÷ mean', (least / mean).toFixed(4)],
      ['most ÷ mean', (most / mean).toFixed(4)],
    ],
  );
}

/** The counts by CRC after one more letter. @param {Float64Array} byState @param {string} letter */
function after(byState, letter) {
  const next = new Float64Array(byState.length);
  for (const [state, count] of byState.entries()) next[crc16(letter, state)] += count;
  return next;
}

/** Hashes the owners user-0, user-1, … of two apps like the package does. */
function realOwners() {
  const apps = ['shop', 'benchmark'];
  const found = apps.map((app) => slotsOfOwners(app));
  const rows = apps.map((app, index) => {
    const counts = new Float64Array(slots);
    for (const slot of found[index]) counts[slot]++;
    const expected = owners / slots;
    const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // A chi-square distribution with n degrees of freedom has mean n and variance 2n.
    const deviations = (chiSquare - (slots - 1)) / Math.sqrt(2 * (slots - 1));
    const empty = counts.filter((count) => count === 0).length;
    return [app, expected, Math.min(...counts), Math.max(...counts), empty, deviations.toFixed(2)];
  });
  print(
    `${owners.toLocaleString('en-US')} owners by SHA-256, on ${slots} slots`,
    ['app', 'mean', 'least', 'most', 'empty slots', 'chi-square, standard deviations off'],
    rows,
  );
  const shards = 30;
  const shardOf = (slot) => Math.floor(((slot + 0.5) * shards) / slots);
  const [first, second] = found.map((bySlot) => bySlot.map(shardOf));
  const together = first.filter((shard, owner) => shard === second[owner]).length;
  print(
    `Owners whose sessions of both apps are on the same of ${shards} shards`,
    ['', ''],
    [
      ['measured', (together / owners).toFixed(4)],
      ['if the apps had nothing to do with each other', (1 / shards).toFixed(4)],
    ],
  );
}

/** @param {string} app @returns {Uint16Array} by owner */
function slotsOfOwners(app) {
  const slotOfRoute = router(app);
  const length = Buffer.alloc(8);
  length.writeUInt32BE(app.length, 4);
  return Uint16Array.from({ length: owners }, (_, owner) => {
    const hash = createHash('sha256').update(length).update(`${app}user-${owner}`).digest();
    return slotOfRoute(hash.readUInt32BE(0));
  });
}
