'use strict';

// The few statistics that the report is made of.

/**
 * @typedef {object} Summary
 * @property {number} median
 * @property {number} min
 * @property {number} max
 * @property {number[]} [rounds] what they were made of
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
 * Divides round by round, then takes the median: the two measurements of one round are neighbours
 * in time, so what else the machine did in that second weighs on both.
 *
 * @param {number[]} ours one value per round
 * @param {number[]} theirs the same rounds
 */
function ratio(ours, theirs) {
  return summary(ours.map((value, round) => value / theirs[round]));
}

module.exports = { percentile, median, summary, ratio };
