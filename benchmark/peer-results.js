'use strict';

// Finds the workloads of suites/peers.js in a result.

/** In the order of the tables and charts. */
const operations = ['get', 'create', 'update', 'refresh', 'kill', 'mix'];

/**
 * @param {import('./results').Workload[]} workloads
 * @param {Partial<import('./results').Workload>} [wanted] such as `{ operation: 'get', inFlight: 64 }`
 */
function workloadsOf(workloads, wanted = {}) {
  return workloads.filter(
    (workload) =>
      workload.operation !== undefined &&
      Object.entries(wanted).every(([name, value]) => workload[name] === value),
  );
}

/** @param {import('./results').Result} result @returns {import('./results').Workload[]} */
function peersOf({ workloads }) {
  const peers = workloadsOf(workloads);
  if (peers.length === 0) throw new Error('expected a result with the suite `peers` in it');
  return peers;
}

/** @param {import('./results').Workload[]} workloads @returns {string[]} the smallest first */
function sizesOf(workloads) {
  return [...new Set(workloadsOf(workloads).map(({ size }) => size))];
}

/** @param {import('./results').Workload[]} workloads @returns {string[]} ours first */
function labelsOf(workloads) {
  return [...new Set(workloads.flatMap(({ contestants }) => Object.keys(contestants)))];
}

module.exports = { operations, peersOf, workloadsOf, sizesOf, labelsOf };
