'use strict';

// Tells which keys the JSON.parse of this V8 reads correctly. In Node 24, JSON.parse has a bug: it reads a key with an
// escape, such as "\n", as a key with a backslash, if any object of the process has ever had such a key. See
// https://github.com/nodejs/node/issues/63785. Without this check, tests of data would find that bug before ours.

const mistakesKeys = (() => {
  JSON.parse('{"probe\\\\":1}');
  return !Object.hasOwn(JSON.parse('{"probe\\n":1}'), 'probe\n');
})();

/** @param {string} key */
const isReadRight = (key) => !mistakesKeys || JSON.stringify(key) === `"${key}"`;

module.exports = { isReadRight };
