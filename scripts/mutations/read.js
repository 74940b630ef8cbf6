'use strict';

// Reads bugs.txt, the bugs that `npm run test:mutations` plants. A bug has a title, the file in which it is planted,
// the lines that it removes and adds, and the test that must then fail:
//
//     # title
//     src/file.rs
//     - the lines to remove; they must be in the file exactly once
//     + the lines to add; may be left out
//     __test__/some.test.js > the beginning of the test's name

const fs = require('node:fs');
const path = require('node:path');

/** @typedef {{ title: string, file: string, search: string, replace: string, test: string, name: string }} Bug */

/** @returns {Bug[]} */
function readBugs() {
  const text = fs.readFileSync(path.join(__dirname, 'bugs.txt'), 'utf8');
  return text.trim().split('\n\n').map(readBug);
}

/** @param {string} text @returns {Bug} */
function readBug(text) {
  const [title, file, ...rest] = text.split('\n');
  const [test, name] = String(rest.pop()).split(' > ');
  const marked = (/** @type {string} */ mark) =>
    rest.filter((line) => line.startsWith(mark)).map((line) => line.slice(mark.length));
  const [search, replace] = [marked('- '), marked('+ ')].map((lines) => lines.join('\n'));
  return { title: title.replace('# ', ''), file, search, replace, test, name };
}

module.exports = { readBugs };
