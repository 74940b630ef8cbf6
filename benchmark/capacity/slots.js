'use strict';

// Computes the Redis Cluster slot of a key: CRC16 (XMODEM) of its hash tag, modulo 16384. Also computes exactly how
// many of the 2^32 routes each slot gets, for any app name.

const slots = 16384;
const states = 65536;

const table = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc;
});

/** @param {string} text ASCII @param {number} [crc] the CRC of the preceding text */
function crc16(text, crc = 0) {
  for (let at = 0; at < text.length; at++) {
    crc = ((crc << 8) ^ table[(crc >> 8) ^ text.charCodeAt(at)]) & 0xffff;
  }
  return crc;
}

/** @param {string} tag the text between the braces of a key */
const slotOf = (tag) => crc16(tag) % slots;

const zeros = '\0\0\0\0';
const half = (number) => number.toString(16).padStart(4, '0');

/**
 * Tables of the CRC16 of each possible first half of a route, followed by four zero bytes, and of each second half. CRC
 * is linear, so a route's CRC is an entry of the first table XOR an entry of the second.
 */
function halves() {
  const second = Uint16Array.from({ length: states }, (_, number) => crc16(half(number)));
  const first = second.map((crc) => crc16(zeros, crc));
  return { first, second };
}

/**
 * Returns a function that maps a route (a number) to its slot.
 *
 * @param {string} app
 */
function router(app) {
  const { first, second } = halves();
  // The appended app name maps each CRC state to a different one, so a table of all states is enough.
  const after = Uint16Array.from({ length: states }, (_, state) => crc16(`:${app}`, state) % slots);
  return (route) => after[first[route >>> 16] ^ second[route & 0xffff]];
}

/**
 * Counts, for each of the 65536 CRC16 values, the routes (of all 2^32) that have it before the app is appended. This is
 * the XOR convolution of the two halves' histograms, computed with Walsh-Hadamard transforms.
 *
 * @returns {Float64Array}
 */
function routesByState() {
  const { first, second } = halves();
  const [a, b] = [first, second].map((crcs) => {
    const histogram = new Float64Array(states);
    for (const crc of crcs) histogram[crc]++;
    return transform(histogram);
  });
  return transform(a.map((value, at) => value * b[at])).map((value) => value / states);
}

/** The Walsh-Hadamard transform, in place. @param {Float64Array} values */
function transform(values) {
  for (let step = 1; step < values.length; step *= 2) {
    for (let block = 0; block < values.length; block += 2 * step) {
      for (let at = block; at < block + step; at++) {
        const [left, right] = [values[at], values[at + step]];
        values[at] = left + right;
        values[at + step] = left - right;
      }
    }
  }
  return values;
}

/** Counts the routes (of all 2^32) on each slot. @param {string} app */
function routesBySlot(app, byState = routesByState()) {
  const counts = new Float64Array(slots);
  for (const [state, count] of byState.entries()) counts[crc16(`:${app}`, state) % slots] += count;
  return counts;
}

module.exports = { crc16, router, routesBySlot, routesByState, slotOf, slots };
