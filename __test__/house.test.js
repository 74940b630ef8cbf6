'use strict';

// The house: where things stand in src/ and lib/, and that nothing there points upward.

const assert = require('node:assert/strict');
const { readdirSync, readFileSync } = require('node:fs');
const path = require('node:path');
const { describe, test } = require('node:test');
const { operations } = require('../lib/operations.js');

const root = path.join(__dirname, '..');
const redis = path.join(root, 'src', 'store', 'redis');

/** The folders of the store on Redis, the lowest first. A file may use what stands below its folder. */
const LAYERS = [['scripts'], ['connection'], ['link'], ['node'], ['topology'], ['dispatch']];

/** The files below a folder, by their paths. @param {string} folder */
function filesOf(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.rs'))
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name));
}

/** The code of a file, without its tests. @param {string} file */
function codeOf(file) {
  return readFileSync(file, 'utf8').split('#[cfg(test)]')[0];
}

describe('the house', () => {
  test('each operation has one letter, the same in JavaScript and in Rust', () => {
    const rust = Object.fromEntries(
      filesOf(path.join(root, 'src', 'operation')).flatMap((file) =>
        [...codeOf(file).matchAll(/name: "(\w+)",\s+letter: "(\w)"/g)].map(([, ...row]) => row),
      ),
    );
    const rows = Object.entries(operations).map(([name, { letter }]) => [name, letter]);
    assert.deepEqual(rust, Object.fromEntries(rows));
    assert.equal(new Set(Object.values(rust)).size, rows.length, 'no two share one');
  });

  test('every operation has its file, named as its method', () => {
    const files = readdirSync(path.join(root, 'src', 'operation'));
    for (const name of Object.keys(operations)) {
      const file = `${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}.rs`;
      assert.ok(files.includes(file), `src/operation/${file}`);
    }
  });

  for (const [level, folders] of LAYERS.entries()) {
    for (const folder of folders) {
      test(`${folder}/ uses nothing that stands above it`, () => {
        const allowed = LAYERS.slice(0, level + 1).flat();
        for (const file of filesOf(path.join(redis, folder))) {
          for (const [, used] of codeOf(file).matchAll(/crate::store::redis::(\w+)/g)) {
            assert.ok(allowed.includes(used), `${path.relative(root, file)} uses ${used}`);
          }
        }
      });
    }
  }

  test('no file of connection/, link/, node/ or topology/ knows a call or an operation', () => {
    for (const folder of ['connection', 'link', 'node', 'topology']) {
      for (const file of filesOf(path.join(redis, folder))) {
        const found = codeOf(file).match(/crate::(operation|call|answers)\b/);
        assert.equal(found, null, path.relative(root, file));
      }
    }
  });

  test('operations do not know the stores', () => {
    for (const file of filesOf(path.join(root, 'src', 'operation'))) {
      assert.doesNotMatch(codeOf(file), /crate::(store|engine|answers|binding)\b/, file);
    }
  });

  test('no file of the stores writes text for JavaScript', () => {
    for (const file of filesOf(path.join(root, 'src', 'store'))) {
      assert.doesNotMatch(codeOf(file), /serde_json|push_str\("null|"\[\[/, file);
    }
  });

  test('every folder says what lives there, and the median file is short', () => {
    for (const folder of LAYERS.flat()) {
      assert.match(readFileSync(path.join(redis, folder, 'mod.rs'), 'utf8'), /^\/\/! /, folder);
    }
    const lengths = filesOf(redis).map((file) => readFileSync(file, 'utf8').split('\n').length);
    lengths.sort((a, b) => a - b);
    const median = lengths[lengths.length >> 1];
    assert.ok(median < 160, `the median file has ${median} lines`);
  });
});
