'use strict';

// The layout of src/ and lib/: which file holds what, and that no folder uses one above it.

const assert = require('node:assert/strict');
const { existsSync, readdirSync, readFileSync } = require('node:fs');
const path = require('node:path');
const { describe, test } = require('node:test');
const { LETTERS } = require('../lib/letters.js');
const { operations } = require('../lib/operations.js');

const root = path.join(__dirname, '..');
const redis = path.join(root, 'src', 'store', 'redis');

/** The folders of the store on Redis, the lowest first. A file may use its own folder and lower ones. */
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

describe('the layout of the code', () => {
  test('each operation has one letter, the same in JavaScript and in Rust', () => {
    const camelCase = (name) => name.replace(/[ _](\w)/g, (_, first) => first.toUpperCase());
    const rows = filesOf(path.join(root, 'src', 'operation')).flatMap((file) =>
      [...codeOf(file).matchAll(/name: "([\w ]+)",\s+letter: "(\w)"/g)].map(([, name, letter]) => {
        assert.equal(camelCase(name), camelCase(path.basename(file, '.rs')));
        return [camelCase(name), letter];
      }),
    );
    assert.deepEqual(Object.fromEntries(rows), LETTERS);
    assert.equal(new Set(Object.values(LETTERS)).size, rows.length, 'no two share one');
    for (const name of Object.keys(operations)) assert.ok(name in LETTERS, name);
  });

  test('the types of tracing name every operation', () => {
    const types = readFileSync(path.join(root, 'index.d.ts'), 'utf8');
    const [, methods] = types.match(/readonly method:\s*([^;]*);/);
    assert.deepEqual(
      [...methods.matchAll(/'(\w+)'/g)].map(([, name]) => name).sort(),
      Object.keys(operations).sort(),
    );
  });

  test('every operation has a file with the name of its method', () => {
    const files = readdirSync(path.join(root, 'src', 'operation'));
    for (const name of Object.keys(operations)) {
      const file = `${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}.rs`;
      assert.ok(files.includes(file), `src/operation/${file}`);
    }
  });

  for (const [level, folders] of LAYERS.entries()) {
    for (const folder of folders) {
      test(`${folder}/ uses no folder above it`, () => {
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

  test('every folder describes itself, and the median file is short', () => {
    for (const folder of LAYERS.flat()) {
      assert.match(readFileSync(path.join(redis, folder, 'mod.rs'), 'utf8'), /^\/\/! /, folder);
    }
    const lengths = filesOf(redis).map((file) => readFileSync(file, 'utf8').split('\n').length);
    lengths.sort((a, b) => a - b);
    const median = lengths[lengths.length >> 1];
    assert.ok(median < 160, `the median file has ${median} lines`);
  });

  describe('the guide to a new operation in CONTRIBUTING.md', () => {
    const text = readFileSync(path.join(root, 'CONTRIBUTING.md'), 'utf8');
    const section = text.slice(text.indexOf('## How to add an operation')).split('\n## ')[0];
    /** The code blocks of one language, each with the file that is named before it. @param {string} kind */
    const blocksOf = (kind) =>
      [...section.matchAll(/\*\*\d\. `([^`]+)`[^`]*(?:`[^`]+`[^`]*)*?\n```(\w+)\n([\s\S]*?)\n```/g)]
        .filter(([, , language]) => language === kind)
        .map(([, file, , code]) => ({ file, code }));

    test('names files that exist', () => {
      const named = [...section.matchAll(/`((?:src|lib|tests|docs|__test__)\/[\w./-]*)`/g)];
      assert.ok(named.length > 12, `${named.length} names`);
      for (const [, name] of named) {
        if (!/\btouch\b/.test(name)) assert.ok(existsSync(path.join(root, name)), name);
      }
    });

    test('shows changes to code that exists', () => {
      const blocks = blocksOf('diff');
      assert.equal(blocks.length, 5);
      for (const { file, code } of blocks) {
        const now = readFileSync(path.join(root, file), 'utf8').split('\n');
        const lines = code.split('\n').filter((line) => !line.startsWith('@@'));
        for (const line of lines.filter((line) => !line.startsWith('+'))) {
          assert.ok(now.includes(line.slice(1)), `update CONTRIBUTING.md: ${file} has no ${line}`);
        }
        assert.ok(lines.some((line) => line.startsWith('+')));
      }
    });

    test('shows a Rust file with every part of an operation', () => {
      const [{ code }] = blocksOf('rust');
      const declared = readFileSync(path.join(root, 'src', 'operation', 'mod.rs'), 'utf8');
      const spec = declared.match(/pub struct Spec \{([\s\S]*?)\n\}/)[1];
      const fields = [...spec.matchAll(/pub (\w+):/g)].map(([, name]) => name);
      const filled = code.match(/static SPEC: Spec = Spec \{([\s\S]*?)\n\};/)[1];
      assert.deepEqual(
        [...filled.matchAll(/^ {4}(\w+):/gm)].map(([, name]) => name),
        fields,
      );
      const trait = declared.match(/trait OnRedis[^{]*\{([\s\S]*?)\n\}/)[1];
      const signatures = [...trait.matchAll(/fn (\w+)[^;{]*;/g)].map(([, name]) => name);
      for (const name of signatures) assert.match(code, new RegExp(`fn ${name}\\b`));
      for (const [, names] of code.matchAll(/^use super::\w*(?:::)?\{([^}]*)\}/gm)) {
        for (const name of names.split(', ')) {
          const found = filesOf(path.join(root, 'src', 'operation')).some((file) =>
            new RegExp(`\\b${name}\\b`).test(codeOf(file)),
          );
          assert.ok(found, name);
        }
      }
    });
  });
});
