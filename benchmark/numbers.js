'use strict';

// How numbers are written for people.

/** Three digits that matter; nothing for what this system does not tell. */
function short(value) {
  if (value === undefined || value === null || Number.isNaN(value)) return '';
  return value.toLocaleString('en-US', { maximumSignificantDigits: 3 });
}

/** The range of a summary, where there is one. @param {import('./statistics').Summary} summary */
function spread({ min, max }) {
  return min === max ? '' : `${short(min)} … ${short(max)}`;
}

module.exports = { short, spread };
