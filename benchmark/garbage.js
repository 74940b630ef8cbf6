'use strict';

const { setFlagsFromString } = require('node:v8');
const { runInNewContext } = require('node:vm');

let gc;

/**
 * Collects garbage now. V8 is asked for the means only then, so that other runs are as for users.
 *
 * @param {'minor' | 'major'} type
 */
function collectGarbage(type) {
  if (gc === undefined) {
    setFlagsFromString('--expose-gc');
    gc = runInNewContext('gc');
  }
  // Asked for a `major` one by name, V8 11 leaves some garbage behind.
  gc(type === 'minor' ? { type } : undefined);
}

module.exports = { collectGarbage };
