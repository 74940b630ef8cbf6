'use strict';

// The statistics that the suites and the report use.

/**
 * @typedef {object} Summary
 * @property {number} median
 * @property {number} min
 * @property {number} max
 * @property {number[]} [rounds] the values of the rounds
 */

/**
 * @param {number[]} values in any order
 * @param {number} share 0.5 for the median, 0.99 for p99
 */
function percentile(values, share) {
  if (values.length === 0) return Number.NaN;
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

/** @param {number[]} values */
function median(values) {
  if (values.length === 0) return Number.NaN;
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * @param {number[]} values
 * @returns {Summary}
 */
function summary(values) {
  return {
    median: median(values),
    min: Math.min(...values),
    max: Math.max(...values),
    rounds: values,
  };
}

/**
 * Divides round by round, then summarizes the ratios. The two measurements of one round are close in time, so any other
 * load on the machine affects both.
 *
 * @param {number[]} ours one value per round
 * @param {number[]} theirs the same rounds
 */
function ratio(ours, theirs) {
  return summary(ours.map((value, round) => value / theirs[round]));
}

module.exports = { percentile, median, summary, ratio };
