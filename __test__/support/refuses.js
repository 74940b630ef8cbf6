'use strict';

const assert = require('node:assert/strict');
const { readOptions } = require('../../lib/options.js');

/** @param {RegExp | string} message @param {string} code @param {unknown} options */
function refuses(options, code, message) {
  const Kind = code === 'ERR_OUT_OF_RANGE' ? RangeError : TypeError;
  assert.throws(
    () => readOptions(options),
    (error) => {
      assert.ok(error instanceof Kind, error.stack);
      assert.equal(error.code, code);
      assert.match(error.message, typeof message === 'string' ? new RegExp(message) : message);
      return true;
    },
  );
}

module.exports = { refuses };
