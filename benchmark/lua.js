'use strict';

// Builds the text of this package's Lua scripts. The files of src/operation/ name the parts of each script.

const { readFileSync } = require('node:fs');
const path = require('node:path');

const folder = path.join(__dirname, '..', 'src', 'operation');
const read = (file) => readFileSync(path.join(folder, file), 'utf8');

/** The expressions of the parts that several scripts share, by name. */
const shared = new Map(
  [...read('script.rs').matchAll(/const (\w+): &str =\s+(.*?);\n/gs)].map(([, name, value]) => [
    name,
    value,
  ]),
);

/** @param {'create' | 'update' | 'refresh' | 'rotate' | 'list' | 'kill' | 'kill_all'} operation its file */
function scriptText(operation) {
  const [, parts] = /Script::new\(\s*&\[(.*?)\]\)/s.exec(read(`${operation}.rs`));
  return parts
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)
    .map((part) => textOf(shared.get(part) ?? part))
    .join('');
}

/** The text of an expression in Rust: of `include_str!("file")` or of a string. */
function textOf(expression) {
  const [, file] = /^include_str!\("(.*)"\)$/.exec(expression) ?? [];
  return file === undefined ? JSON.parse(expression) : read(file);
}

module.exports = { scriptText };
