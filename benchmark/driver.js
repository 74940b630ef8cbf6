'use strict';

// A closed loop: `inFlight` lanes, each of which starts its next call when its last one has settled.

const { performance } = require('node:perf_hooks');
const { percentile } = require('./statistics');
const cpu = require('./cpu');

/**
 * One call in so many is timed: a prime, so that it does not beat with the size of any batch. With
 * few in flight there are few calls to tell a p99 from.
 */
const sampling = (inFlight) => (inFlight < 64 ? 3 : 13);

/** The part of a timed run that is left out at its start, while the lanes fill. */
const rampShare = 0.15;

/**
 * @typedef {object} Run
 * @property {number} inFlight
 * @property {number} [ms] how long to run; the start and the draining at the end are not counted
 * @property {number} [calls] or how many calls to make, all of them counted
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
    // A loop that was held up may have settled nothing yet: there is no rate to tell then.
    if (settled === begin.calls) return setTimeout(stop, ms);
    end = now();
    running = false;
  };
  if (calls === Infinity) {
    setTimeout(() => {
      latencies = [];
      begin = now();
      // Armed only now: late timers would fall together and leave no time between them.
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
 * Drives calls that are made so many at a time, and tells about single ones.
 *
 * @param {(index: number) => Promise<unknown>} callBatch
 * @param {number} batch
 * @param {Run} run how many batches at once
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
