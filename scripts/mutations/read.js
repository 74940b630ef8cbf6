'use strict';

// Reads bugs.txt, the bugs that `npm run test:mutations` plants. A bug is a title, the file that it
// is planted in, the lines that it takes out and puts in, and the test that must then go red:
//
//     # title
//     src/file.rs
//     - what is there, once
//     + what is put in its place; left out, nothing is
//     __test__/some.test.js > how the test's name begins

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
