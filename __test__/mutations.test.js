'use strict';

// The bugs that `npm run test:mutations` plants can be planted, and docs/reliability.md lists them.

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { test } = require('node:test');
const { readBugs } = require('../scripts/mutations/read.js');

const read = (name) => readFileSync(join(__dirname, '..', name), 'utf8');
const bugs = readBugs();

/** The text of a test file, and of the races that it runs. @param {string} file */
function textOf(file) {
  const text = read(file);
  const races = text.matchAll(/require\('\.\/(support\/races-[\w-]+\.js)'\)/g);
  return [text, ...Array.from(races, ([, name]) => read(`__test__/${name}`))].join('\n');
}

for (const { title, file, search, replace, test: where, name } of bugs) {
  test(`the bug can be planted in exactly one place: ${title}`, () => {
    assert.ok(search, 'what it takes out');
    assert.notEqual(search, replace);
    assert.equal(read(file).split(search).length - 1, 1, `${file}: ${search}`);
    assert.ok(textOf(where).includes(name), `${where}: ${name}`);
  });
}

test('docs/reliability.md lists all bugs', () => {
  const [, listed] = read('docs/reliability.md').split('## Mutation control\n');
  const rows = listed.split('\n## ')[0].match(/^\| .*\| `.*$/gm);
  const expected = bugs.map(
    ({ title, file, test, name }) => `| ${title} | \`${file}\` | \`${test}\` “${name}” |`,
  );
  assert.deepEqual(rows, expected);
});
