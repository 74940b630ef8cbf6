'use strict';

const assert = require('node:assert/strict');
const { inspect } = require('node:util');
const { SECRET } = require('./bad-values.js');

/**
 * Checks class, code and message, and that the message does not repeat what was given.
 *
 * @param {any} error
 * @param {{ Kind: Function, code: string, hasCause?: boolean }} expected
 * @param {string} [name] the argument that the message names
 */
function assertArgumentError(error, { Kind, code, hasCause }, name) {
  assert.ok(error instanceof Kind, inspect(error));
  assert.equal(error.code, code);
  if (name) assert.ok(error.message.includes(`\`${name}\``), error.message);
  assert.ok(error.message.length < 200, 'the message is short');
  assert.ok(!error.message.includes(SECRET), 'the message does not repeat the value');
  assert.ok(!JSON.stringify({ ...error, cause: undefined }).includes(SECRET));
  if (hasCause) assert.ok(error.cause instanceof Error, 'the cause is kept');
  if (hasCause === false) assert.ok(!('cause' in error), 'it has no cause');
}

module.exports = { assertArgumentError };
