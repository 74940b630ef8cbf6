'use strict';

// What a person sees in a terminal at the end, which is less than what was printed there.

const ESC = String.fromCharCode(27);
/** Clears the rest of a line. */
const CLEAR = `${ESC}[K`;
/** The codes that the command line uses, and single characters. */
const PIECES = new RegExp(`${ESC}\\[\\d*[mK]|.`, 'gsu');

/**
 * Returns the lines that are shown after a text was printed, without colours. It does not know a width, so no line may be
 * longer than that of the terminal.
 *
 * @param {string} text
 */
function screenOf(text) {
  /** @type {string[][]} */
  const lines = [[]];
  let column = 0;
  for (const [piece] of text.matchAll(PIECES)) {
    const line = lines[lines.length - 1];
    if (piece === '\r') column = 0;
    else if (piece === '\n') lines.push(Array(column).fill(' '));
    else if (piece === CLEAR) line.length = Math.min(line.length, column);
    else if (!piece.startsWith(ESC)) line[column++] = piece;
  }
  return lines.map((line) => line.join('').trimEnd());
}

module.exports = { screenOf };
