'use strict';

// docs/reliability.md has a row for each fault, and the tests that it names exist.

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { test } = require('node:test');

const root = join(__dirname, '..', '..');
const read = (...names) => readFileSync(join(root, ...names), 'utf8');
const [table] = read('docs', 'reliability.md').split('## What is not tested');
const rows = [...table.matchAll(/^\| (R\d\d) \|.*\| ([^|]+) \|$/gm)];

test('the table has a row for each fault that asks for a test, once and in order', () => {
  const numbers = Array.from({ length: 53 }, (_, n) => n + 1);
  const asked = numbers.filter((n) => n <= 50 || n === 53);
  const listed = rows.map(([, row]) => Number(row.slice(1)));
  // Later rows are those of faults that were found since.
  assert.deepEqual(
    listed.filter((n) => n <= 53),
    asked,
  );
  assert.deepEqual(
    listed,
    [...new Set(listed)].sort((a, b) => a - b),
  );
});

for (const [, row, tests] of rows) {
  test(`the tests that the table names for ${row} exist`, () => {
    for (const part of tests.split('; ')) {
      const [, file, names] = part.match(/^`([^`]+)`(.*)$/) ?? assert.fail(part);
      const text = read(file.endsWith('.rs') ? 'tests' : '__test__', file);
      const quoted = [...names.matchAll(/“([^”]+)”/g)].map(([, name]) => name);
      for (const name of quoted.length > 0 ? quoted : [row])
        assert.ok(text.includes(name), `${file}: ${name}`);
    }
  });
}
