'use strict';

// Rounds: in each, every contestant is measured once, one after the other, in an order that turns
// around from round to round. What slows the machine for a while slows all of them.

const { ratio, summary } = require('./statistics');

/** What was measured, by contestant and round. */
class Rounds {
  /** @type {Record<string, Record<string, number>[]>} by label */
  measured = {};

  /** @param {string} label @param {string} quantity such as `callsPerSecond` */
  values(label, quantity) {
    return this.measured[label].map((round) => round[quantity]);
  }

  /** The median, over the rounds, of one contestant's quantity divided by another's. */
  ratio(label, otherLabel, quantity) {
    return ratio(this.values(label, quantity), this.values(otherLabel, quantity));
  }

  /** Every quantity of every contestant as median, least and most. */
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
 * Measures in alternating rounds; a first round that is not counted lets every contestant warm up.
 *
 * @template {{ label: string }} C
 * @param {object} settings
 * @param {C[]} settings.contestants
 * @param {number} settings.rounds
 * @param {(contestant: C) => Promise<Record<string, number>>} settings.measure
 * @param {(round: number) => void} settings.progress
 * @param {boolean} [settings.warmUp] false if they are warm already
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
