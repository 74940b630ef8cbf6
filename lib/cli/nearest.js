'use strict';

// What a mistyped name may have meant.

/** The most letters that may be added, dropped or replaced. */
const MAX_EDITS = 2;

/**
 * Returns the known name that is most like a given one, or undefined if none is.
 *
 * @param {string} given
 * @param {string[]} known
 */
function nearest(given, known) {
  const rows = known.map((name) => ({ name, edits: distance(given, name) }));
  const [best] = rows.sort((a, b) => a.edits - b.edits);
  return best && best.edits <= Math.min(MAX_EDITS, given.length - 1) ? best.name : undefined;
}

/** The Levenshtein distance of two texts. @param {string} from @param {string} to */
function distance(from, to) {
  let row = Array.from({ length: to.length + 1 }, (_, n) => n);
  for (const [n, letter] of [...from].entries()) {
    const next = [n + 1];
    for (let m = 0; m < to.length; m++) {
      const replaced = row[m] + (letter === to[m] ? 0 : 1);
      next.push(Math.min(replaced, row[m + 1] + 1, next[m] + 1));
    }
    row = next;
  }
  return row[to.length];
}

module.exports = { nearest };
