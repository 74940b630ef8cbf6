'use strict';

// Formats numbers for people.

/** Three significant digits; an empty string if there is no value. */
function short(value) {
  if (value === undefined || value === null || Number.isNaN(value)) return '';
  return value.toLocaleString('en-US', { maximumSignificantDigits: 3 });
}

/** The range of a summary; empty if its ends are equal. @param {import('./statistics').Summary} summary */
function spread({ min, max }) {
  return min === max ? '' : `${short(min)} … ${short(max)}`;
}

module.exports = { short, spread };
