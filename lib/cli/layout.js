'use strict';

// Lays out text for a terminal.

/**
 * Breaks a text into lines, between words. A word that is longer than a line stays whole.
 *
 * @param {string} text
 * @param {number} width
 * @returns {string[]}
 */
function wrap(text, width) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines[lines.length - 1];
    if (line === '') lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= width) lines[lines.length - 1] += ` ${word}`;
    else lines.push(word);
  }
  return lines;
}

/**
 * Lays out pairs as two columns. The text of the second is wrapped.
 *
 * @param {[label: string, text: string][]} pairs
 * @param {number} width
 */
function twoColumns(pairs, width) {
  const first = Math.max(...pairs.map(([label]) => label.length)) + 2;
  return pairs
    .flatMap(([label, text]) =>
      wrap(text, width - first - 2).map((line, n) => `  ${(n ? '' : label).padEnd(first)}${line}`),
    )
    .join('\n');
}

/**
 * Lays out rows as a table with a heading. If it is too wide, each row becomes a block of lines, and texts are wrapped.
 *
 * @param {string[]} heading
 * @param {string[][]} rows
 * @param {number} width
 */
function table(heading, rows, width) {
  const widths = heading.map((_, n) => Math.max(...[heading, ...rows].map((row) => row[n].length)));
  const line = (/** @type {string[]} */ row) =>
    row
      .map((field, n) => field.padEnd(widths[n]))
      .join('  ')
      .trimEnd();
  if (line(widths.map((length) => 'x'.repeat(length))).length <= width) {
    return [heading, ...rows].map(line);
  }
  const label = Math.max(...heading.map(({ length }) => length)) + 2;
  const block = (/** @type {string[]} */ row) =>
    row.flatMap((field, n) =>
      wrap(field, width - label).map((text, m) => (m ? '' : heading[n]).padEnd(label) + text),
    );
  return rows.flatMap((row, n) => (n === 0 ? block(row) : ['', ...block(row)]));
}

/** Shows a name that a user has chosen. It may hold spaces, and codes that change a terminal. @param {string} name */
function show(name) {
  if (/^[\w.@:+-]+$/.test(name)) return name;
  return JSON.stringify(name).replace(
    /[\p{Cc}\p{Cf}]/gu,
    (c) => `\\u{${c.codePointAt(0).toString(16)}}`,
  );
}

/** Makes one line of a text that a server may have sent, without codes that change a terminal. @param {string} text */
function plain(text) {
  return text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ');
}

module.exports = { plain, show, table, twoColumns, wrap };
