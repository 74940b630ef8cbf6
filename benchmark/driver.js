'use strict';

// A closed loop with `inFlight` lanes. A lane starts its next call when its previous call has settled.

const { performance } = require('node:perf_hooks');
const { percentile } = require('./statistics');
const cpu = require('./cpu');

/**
 * The driver times one call in 3 or in 13. Both are primes, so the sampling never falls into step with a batch size.
 * With few calls in flight there are fewer calls, and a p99 needs the denser sampling.
 */
const sampling = (inFlight) => (inFlight < 64 ? 3 : 13);

/** The share of a timed run that is discarded at the start, while the lanes fill. */
const rampShare = 0.15;

/**
 * @typedef {object} Run
 * @property {number} inFlight
 * @property {number} [ms] how long to run; the ramp-up and the draining at the end are not counted
 * @property {number} [calls] how many calls to make instead; all of them are counted
 */

/**
 * @param {(index: number) => Promise<unknown>} call
 * @param {Run} run
 */
async function drive(call, { inFlight, ms = Number.POSITIVE_INFINITY, calls = Infinity }) {
  let started = 0;
  let settled = 0;
  let running = true;
  let latencies = [];
  const every = sampling(inFlight);

  async function lane() {
    while (running && started < calls) {
      const index = started++;
      if (index % every === 0) {
        const from = performance.now();
        await call(index);
        latencies.push(performance.now() - from);
      } else {
        await call(index);
      }
      settled++;
    }
  }
  const now = () => ({
    calls: settled,
    ms: performance.now(),
    main: cpu.mainThreadMicros(),
    whole: cpu.processMicros(),
  });

  let begin = now();
  let end;
  const stop = () => {
    // If the event loop was blocked, no call may have settled yet. Without one there is no rate, so try again later.
    if (settled === begin.calls) return setTimeout(stop, ms);
    end = now();
    running = false;
  };
  if (calls === Infinity) {
    setTimeout(() => {
      latencies = [];
      begin = now();
      // Set this timer only now. If both were set at the start and the loop was late, they would fire together.
      setTimeout(stop, ms * (1 - rampShare));
    }, ms * rampShare);
  }
  await Promise.all(Array.from({ length: inFlight }, lane));
  end ??= now();

  const counted = end.calls - begin.calls;
  return {
    calls: counted,
    allCalls: settled,
    callsPerSecond: (counted / (end.ms - begin.ms)) * 1000,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    mainThreadMicros: (end.main - begin.main) / counted,
    processMicros: (end.whole - begin.whole) / counted,
  };
}

/**
 * Drives calls that are made in batches, and returns the numbers per single call.
 *
 * @param {(index: number) => Promise<unknown>} callBatch
 * @param {number} batch calls per batch
 * @param {Run} run counts batches: `inFlight` is the number of batches in flight
 */
async function driveBatches(callBatch, batch, run) {
  const measured = await drive(callBatch, run);
  return {
    calls: measured.calls * batch,
    allCalls: measured.allCalls * batch,
    callsPerSecond: measured.callsPerSecond * batch,
    mainThreadMicros: measured.mainThreadMicros / batch,
    processMicros: measured.processMicros / batch,
  };
}

module.exports = { drive, driveBatches };
