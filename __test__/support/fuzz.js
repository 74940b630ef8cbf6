'use strict';

// Property-based tests. `npm test` tries a fixed number of inputs, and `npm run fuzz` tries inputs for a given time.

const fc = require('fast-check');

/** @type {import('fast-check').Parameters<any>} */
const LONG = {
  numRuns: Number.MAX_SAFE_INTEGER,
  interruptAfterTimeLimit: Number(process.env.FUZZ_SECONDS) * 1000,
  markInterruptAsFailure: false,
};

/**
 * Makes a test of a property. Inputs that failed once are kept in the test, in `examples`.
 *
 * @template T
 * @param {import('fast-check').IRawProperty<T>} property
 * @param {{ numRuns: number, examples?: T[] }} short
 */
function fuzz(property, short) {
  return async (/** @type {import('node:test').TestContext} */ t) => {
    const parameters = process.env.FUZZ_SECONDS ? { ...short, ...LONG } : short;
    const details = await fc.check(property, parameters);
    t.diagnostic(`${details.numRuns} inputs`);
    if (details.failed) throw new Error(fc.defaultReportMessage(details));
  };
}

module.exports = { fuzz };
