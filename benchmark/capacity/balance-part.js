'use strict';

// Simulates how evenly owners' sessions and calls spread over shards: the load of the fullest shard divided by the
// mean. Hashed owners spread like random routes (slots-part.js), so the simulation draws random routes.

const { rangeOf } = require('../cluster');
const { median } = require('../statistics');
const { print } = require('./print');
const { router, slots } = require('./slots');

const seeds = [1, 2, 3, 4, 5];
const shardCounts = [3, 6, 10, 30, 100, 300];
const slotOfRoute = router('shop');

/** The load of one owner: its sessions, or its share of the calls. */
const weights = {
  'one session each': () => 1,
  'one in k has k sessions or more, k ≤ 1,000': (_, random) =>
    Math.min(1000, Math.floor(2 ** 32 / (random() + 1))),
  'calls by rank^-0.5': (owner) => 1 / Math.sqrt(owner + 1),
  'calls by rank^-0.8': (owner) => (owner + 1) ** -0.8,
  'calls by rank^-1': (owner) => 1 / (owner + 1),
};

/** Pairs of owners and sessions per owner. Accounts that machines use can have this many sessions. */
const hot = [
  [1000, 1e4],
  [100, 1e5],
  [10, 1e6],
];

const scenarios = [
  ['one session each', 1e6],
  ['one session each', 1e7],
  ['one session each', 1e8],
  ['one in k has k sessions or more, k ≤ 1,000', 1e6],
  ['one in k has k sessions or more, k ≤ 1,000', 1e8],
  ['one in k has k sessions or more, k ≤ 1,000', 1e7, hot],
  ['one in k has k sessions or more, k ≤ 1,000', 1e8, hot],
  ['calls by rank^-0.5', 1e8],
  ['calls by rank^-0.8', 1e8],
  ['calls by rank^-1', 1e8],
];

module.exports = () => {
  const rows = scenarios.map(([name, owners, heavy = []]) => {
    process.stderr.write(`${name}, ${owners} owners …\n`);
    const runs = seeds.map((seed) => deal(weights[name], owners, heavy, seed));
    const ratios = shardCounts.map((shards) => {
      const found = runs.map((bySlot) => fullest(bySlot, shards));
      return `${digits(median(found))} (${digits(Math.max(...found))})`;
    });
    return [`${name}${heavy.length > 0 ? ', and hot owners' : ''}`, power(owners), ...ratios];
  });
  const even = new Float64Array(slots).fill(1);
  rows.push(['slots alone', '', ...shardCounts.map((shards) => digits(fullest(even, shards)))]);
  print(
    `Fullest shard ÷ mean: median of ${seeds.length} draws (worst)`,
    ['', 'owners', ...shardCounts.map((shards) => `${shards} shards`)],
    rows,
  );
  shares();
};

/** @returns {Float64Array} the weight on each slot */
function deal(weight, owners, heavy, seed) {
  const random = generator(seed);
  const bySlot = new Float64Array(slots);
  for (let owner = 0; owner < owners; owner++) {
    bySlot[slotOfRoute(random())] += weight(owner, random);
  }
  for (const [count, sessions] of heavy) {
    for (let owner = 0; owner < count; owner++) bySlot[slotOfRoute(random())] += sessions;
  }
  return bySlot;
}

/** @param {Float64Array} bySlot @param {number} shards */
function fullest(bySlot, shards) {
  const all = Array.from({ length: shards }, (_, shard) => {
    const [from, to] = rangeOf(shard, shards);
    return bySlot.subarray(from, to).reduce((sum, value) => sum + value, 0);
  });
  const mean = all.reduce((sum, value) => sum + value, 0) / shards;
  return Math.max(...all) / mean;
}

/** Prints the busiest owner's share of all calls. */
function shares() {
  const owners = 1e8;
  const rows = ['calls by rank^-0.5', 'calls by rank^-0.8', 'calls by rank^-1'].map((name) => {
    let total = 0;
    for (let owner = 0; owner < owners; owner++) total += weights[name](owner);
    return [name, `${((100 * weights[name](0)) / total).toPrecision(2)}%`];
  });
  print(`Share of the busiest of ${power(owners)} owners`, ['', ''], rows);
}

/** Returns a function that yields 32 random bits per call: sfc32, from PractRand. */
function generator(seed) {
  let [a, b, c, counter] = [seed, 0x9e3779b9, 0x243f6a88, 1];
  const next = () => {
    const result = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + result;
    return result >>> 0;
  };
  for (let warm = 0; warm < 16; warm++) next();
  return next;
}

const digits = (ratio) => (ratio < 1.01 ? ratio.toFixed(4) : ratio.toFixed(3));
const power = (number) => `10^${Math.log10(number)}`;
