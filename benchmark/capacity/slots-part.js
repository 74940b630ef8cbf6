'use strict';

// Whether every slot gets its share: counted for all 2^32 routes, and tried with real owners' names.

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
 * The letters of an app's name turn some bits of the CRC around, the same for all routes, so they only
 * let slots change places: what counts is the length of the name.
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

/** @param {Float64Array} byState @param {string} letter which follows */
function after(byState, letter) {
  const next = new Float64Array(byState.length);
  for (const [state, count] of byState.entries()) next[crc16(letter, state)] += count;
  return next;
}

/** As the package hashes them: user-0, user-1, … of two apps. */
function realOwners() {
  const apps = ['shop', 'benchmark'];
  const found = apps.map((app) => slotsOfOwners(app));
  const rows = apps.map((app, index) => {
    const counts = new Float64Array(slots);
    for (const slot of found[index]) counts[slot]++;
    const expected = owners / slots;
    const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // Of a chi-square with so many degrees of freedom: mean n, variance 2n.
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
