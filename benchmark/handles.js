'use strict';

// Helpers for the lists of handles that the calls use in turn.

/** Returns a copy with its own memory. @param {string} text in Latin-1 */
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
