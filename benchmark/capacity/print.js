'use strict';

// Prints a table in Markdown, ready for docs/scale.md.

const { short } = require('../numbers');

/**
 * @param {string} title
 * @param {string[]} headings
 * @param {(string | number)[][]} rows
 */
function print(title, headings, rows) {
  const line = (cells) => `| ${cells.map(text).join(' | ')} |`;
  const rule = headings.map((_, column) => (column === 0 ? '---' : '---:'));
  const lines = [`\n${title}\n`, line(headings), `|${rule.join('|')}|`, ...rows.map(line)];
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** @param {string | number} cell */
function text(cell) {
  return typeof cell === 'number' ? short(cell) : cell;
}

module.exports = { print };
