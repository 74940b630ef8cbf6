'use strict';

// What the lists of handles that calls go around are made with.

/** @param {string} text which comes back as a string of its own, not as a reference */
function copyOf(text) {
  return Buffer.from(text, 'latin1').toString('latin1');
}

/** @param {unknown[]} items changed in place */
function shuffle(items) {
  for (let last = items.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    [items[last], items[other]] = [items[other], items[last]];
  }
}

module.exports = { copyOf, shuffle };
