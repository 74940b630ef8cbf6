'use strict';

/**
 * The letter that stands for an operation in a batch: `SPEC.letter` of its file in src/operation/. The second half is
 * internal: see foreign.js and pointers.js.
 */
const LETTERS = Object.freeze({
  create: 'c',
  get: 'g',
  info: 'n',
  kill: 'k',
  killAll: 'a',
  killById: 'i',
  list: 'l',
  ping: 'p',
  refresh: 'r',
  rotate: 'o',
  update: 'u',

  claim: 'C',
  killPointed: 'K',
  load: 'L',
  peek: 'E',
  point: 'T',
  pointers: 'Q',
  put: 'P',
  refreshPointed: 'R',
  rotatePointed: 'M',
  takeOver: 'O',
});

module.exports = { LETTERS };
