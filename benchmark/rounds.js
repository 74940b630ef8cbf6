'use strict';

// Rounds. Each round measures every contestant once, one after the other, and every second round reverses the order. If
// the machine is slow for a while, it is slow for all contestants.

const { ratio, summary } = require('./statistics');

/** The measurements of all contestants in all rounds. */
class Rounds {
  /** @type {Record<string, Record<string, number>[]>} by label */
  measured = {};

  /** @param {string} label @param {string} quantity such as `callsPerSecond` */
  values(label, quantity) {
    return this.measured[label].map((round) => round[quantity]);
  }

  /** Divides one contestant's quantity by another's in each round; the result has the median over the rounds. */
  ratio(label, otherLabel, quantity) {
    return ratio(this.values(label, quantity), this.values(otherLabel, quantity));
  }

  /** The median, minimum and maximum of every quantity of every contestant. */
  summaries() {
    return Object.fromEntries(
      Object.entries(this.measured).map(([label, [first]]) => [
        label,
        Object.fromEntries(
          Object.keys(first).map((quantity) => [quantity, summary(this.values(label, quantity))]),
        ),
      ]),
    );
  }
}

/**
 * Measures in alternating rounds. An extra first round warms up the contestants and is not counted.
 *
 * @template {{ label: string }} C
 * @param {object} settings
 * @param {C[]} settings.contestants
 * @param {number} settings.rounds
 * @param {(contestant: C) => Promise<Record<string, number>>} settings.measure
 * @param {(round: number) => void} settings.progress
 * @param {boolean} [settings.warmUp] false skips the warm-up round
 */
async function alternate({ contestants, rounds, measure, progress, warmUp = true }) {
  const result = new Rounds();
  for (const { label } of contestants) result.measured[label] = [];
  for (let round = warmUp ? 0 : 1; round <= rounds; round++) {
    progress(round);
    for (const contestant of round % 2 === 0 ? contestants : contestants.toReversed()) {
      const measured = await measure(contestant);
      if (round > 0) result.measured[contestant.label].push(measured);
    }
  }
  return result;
}

module.exports = { Rounds, alternate };
