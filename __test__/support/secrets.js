'use strict';

// Checks that errors and events show no password. Every password of these tests contains `s3cret`.

const assert = require('node:assert/strict');
const { inspect } = require('node:util');

/** Asserts that an error shows no secret, apart from what its cause shows. */
function assertShowsNothing(error) {
  const { cause: _, ...fields } = error;
  const shown = [error.message, error.stack, String(error), inspect(fields)].join('\n');
  assert.ok(!shown.includes('s3cret'), shown);
}

/**
 * Records the events of an instance.
 *
 * @param {import('../../index.js').SpotsSessions} sessions
 */
function listenTo(sessions) {
  /** @type {Error[]} */
  const errors = [];
  /** @type {unknown[]} what other events gave */
  const others = [];
  sessions.on('error', (error) => errors.push(error));
  for (const event of ['ready', 'reconnecting']) sessions.on(event, (given) => others.push(given));
  const assertNoneShows = () => {
    for (const error of [...errors, ...others]) if (error) assertShowsNothing(error);
  };
  return { errors, assertNoneShows };
}

module.exports = { assertShowsNothing, listenTo };
