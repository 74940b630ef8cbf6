'use strict';

// Keys that the JSON.parse of this V8 reads rightly. That of Node 24 reads a key with an escape, such
// as "\n", as one with a backslash there, if any object of the process has ever had such a key:
// https://github.com/nodejs/node/issues/63785. Tests of data would find that bug first.

const mistakesKeys = (() => {
  JSON.parse('{"probe\\\\":1}');
  return !Object.hasOwn(JSON.parse('{"probe\\n":1}'), 'probe\n');
})();

/** @param {string} key */
const isReadRight = (key) => !mistakesKeys || JSON.stringify(key) === `"${key}"`;

module.exports = { isReadRight };
