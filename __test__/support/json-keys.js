'use strict';

// Keys that the JSON.parse of this V8 reads right. That of Node 24 takes a key with an escape, as "\n",
// for one with a backslash in that place, if any object of the process has ever had one:
// https://github.com/nodejs/node/issues/63785. Tests of data would find that first.

const mistakesKeys = (() => {
  JSON.parse('{"probe\\\\":1}');
  return !Object.hasOwn(JSON.parse('{"probe\\n":1}'), 'probe\n');
})();

/** @param {string} key */
const isReadRight = (key) => !mistakesKeys || JSON.stringify(key) === `"${key}"`;

module.exports = { isReadRight };
