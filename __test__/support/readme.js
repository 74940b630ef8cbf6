'use strict';

// The README's TypeScript examples, as modules that the compiler can read.

const fs = require('node:fs');
const path = require('node:path');
const { root } = require('./packed.js');

/** What an example may take for granted: the readers have it from the examples above. */
const givens = `declare const sessions: SpotsSessions;
declare const app: string, token: string, ownerId: string;`;

/**
 * The fenced blocks of a language.
 *
 * @param {string[]} languages
 * @returns {{ line: number, code: string }[]}
 */
function readmeExamples(languages) {
  const text = fs.readFileSync(path.join(root, 'README.md'), 'utf8');
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter(([, language]) => languages.includes(language))
    .map((match) => ({ line: text.slice(0, match.index).split('\n').length, code: match[2] }));
}

/**
 * An example as a module: its imports stay on top, the rest may await, and what it declares itself
 * hides what it is given.
 *
 * @param {string} code
 */
function asModule(code) {
  const lines = code.split('\n');
  const imports = lines.filter((line) => /^import /.test(line));
  const rest = lines.filter((line) => !/^import /.test(line));
  if (!imports.some((line) => /\bSpotsSessions\b/.test(line))) {
    imports.push("import { SpotsSessions } from '@spots-tech/sessions';");
  }
  return `${imports.join('\n')}\n${givens}\n\nexport async function example() {\n${rest.join('\n')}\n}\n`;
}

module.exports = { asModule, readmeExamples };
