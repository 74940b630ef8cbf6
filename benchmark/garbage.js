'use strict';

const { setFlagsFromString } = require('node:v8');
const { runInNewContext } = require('node:vm');

let gc;

/**
 * Collects garbage now. Exposes `gc` only on the first call, so that all other processes run V8 with its default flags.
 *
 * @param {'minor' | 'major'} type
 */
function collectGarbage(type) {
  if (gc === undefined) {
    setFlagsFromString('--expose-gc');
    gc = runInNewContext('gc');
  }
  // In V8 11, `gc({ type: 'major' })` leaves some garbage behind; `gc()` does not.
  gc(type === 'minor' ? { type } : undefined);
}

module.exports = { collectGarbage };
