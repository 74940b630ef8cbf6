'use strict';

// Turns the examples of README.md and docs/ into modules that the compiler can read.

const fs = require('node:fs');
const path = require('node:path');
const { root } = require('./packed.js');

/** Declarations for every example. Readers know them from the examples above, or have their own. */
const givens = [
  'declare const sessions: SpotsSessions;',
  'declare const app: string, token: string, ownerId: string;',
  'declare function checkPassword(body: unknown): Promise<string | undefined>;',
  "declare const web: import('express').Application;",
  "declare const cookie: { httpOnly: true; secure: true; sameSite: 'lax'; path: string };",
  'declare const DAY: number;',
];

/** README.md and the pages of docs/, from the root on. */
function documents() {
  const pages = fs.readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' });
  const names = pages.filter((name) => name.endsWith('.md')).sort();
  return ['README.md', ...names.map((name) => path.posix.join('docs', ...name.split(path.sep)))];
}

/**
 * The fenced blocks of JavaScript and TypeScript.
 *
 * @param {string} file
 * @returns {{ line: number, code: string }[]}
 */
function examplesOf(file) {
  const text = fs.readFileSync(path.join(root, file), 'utf8');
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter(([, language]) => /^(js|ts|javascript|typescript)$/.test(language))
    .map((match) => ({ line: text.slice(0, match.index).split('\n').length, code: match[2] }));
}

/**
 * An example as a module. Its imports stay on top, the rest may await, and its own declarations hide
 * the given ones.
 *
 * @param {string} code
 */
function asModule(code) {
  /** What extends the types of a framework must be outside of functions. */
  const augmentations = code.match(/^declare module .*?^}$/gms) ?? [];
  const lines = augmentations.reduce((rest, text) => rest.replace(text, ''), code).split('\n');
  const imports = lines.filter((line) => /^import /.test(line));
  // Nothing is exported from inside a function.
  const rest = lines
    .filter((line) => !/^import /.test(line))
    .map((line) => line.replace(/^export (?=async|class|const|function)/, ''));
  if (!imports.some((line) => /\bSpotsSessions\b/.test(line))) {
    imports.push("import { SpotsSessions } from '@spots-tech/sessions';");
  }
  const hidden = imports.map((line) => /^import (\w+)/.exec(line)?.[1]);
  const given = givens.filter((line) => !hidden.includes(/^declare \w+ (\w+)/.exec(line)?.[1]));
  const head = [...imports, ...augmentations, ...given].join('\n');
  return `${head}\n\nexport async function example() {\n${rest.join('\n')}\n}\n`;
}

module.exports = { asModule, documents, examplesOf };
