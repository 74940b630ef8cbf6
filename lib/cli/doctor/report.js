'use strict';

// Prints what is found: lines as they come, or JSON at the end.

const { plain, wrap } = require('../layout.js');

/** @type {Record<import('./finding.js').Status, 'green' | 'yellow' | 'red' | 'dim'>} */
const COLOURS = { ok: 'green', warning: 'yellow', problem: 'red', unknown: 'dim' };
const STATUS_WIDTH = 'problem'.length + 2;
const CHECK_WIDTH = 'persistence'.length + 2;
/** A narrower terminal has the text below the name of the check. */
const NARROW = 60;

/** @typedef {import('./finding.js').Finding & { check: string }} Row */

class Report {
  #terminal;
  #asJson;
  /** @type {Row[]} */
  #rows = [];

  /** @param {import('../terminal.js').Terminal} terminal @param {boolean} asJson */
  constructor(terminal, asJson) {
    this.#terminal = terminal;
    this.#asJson = asJson;
  }

  /** How many findings have a status. @param {import('./finding.js').Status} status */
  count(status) {
    return this.#rows.filter((row) => row.status === status).length;
  }

  /** @param {string} check its name @param {import('./finding.js').Finding[]} findings */
  add(check, findings) {
    for (const finding of findings) {
      // It may repeat what a server says.
      const texts = Object.entries(finding).map(([name, text]) => [name, text && plain(text)]);
      const row = { check, ...Object.fromEntries(texts) };
      this.#rows.push(row);
      if (this.#asJson) continue;
      for (const line of this.#terminal.isTerminal ? this.#lay(row) : [asFields(row)]) {
        this.#terminal.print(line);
      }
    }
  }

  end() {
    if (this.#asJson) {
      const checks = this.#rows.map(({ check, status, says, ...rest }) => ({
        check,
        status,
        message: says,
        ...rest,
      }));
      this.#terminal.printJson({ ok: this.count('problem') === 0, checks });
    } else if (this.#terminal.isTerminal) {
      this.#terminal.print(`\n${this.#terminal.paint('bold', this.#sum())}`);
    }
  }

  #sum() {
    const plural = (/** @type {number} */ n, /** @type {string} */ word) =>
      `${n} ${word}${n === 1 ? '' : 's'}`;
    const problems = this.count('problem');
    const warnings = this.count('warning');
    if (problems + warnings === 0) return 'all is well';
    return `${plural(problems, 'problem')}, ${plural(warnings, 'warning')}`;
  }

  /** @param {Row} row @returns {string[]} */
  #lay({ check, status, says, remedy, command }) {
    const { width } = this.#terminal;
    const isNarrow = width < NARROW;
    const indent = isNarrow ? 4 : STATUS_WIDTH + CHECK_WIDTH;
    const mark =
      this.#terminal.paint(COLOURS[status], status) + ' '.repeat(STATUS_WIDTH - status.length);
    const head = mark + (isNarrow ? check : check.padEnd(CHECK_WIDTH));
    const pad = ' '.repeat(indent);
    const text = wrap(says, width - indent);
    const first = isNarrow ? [head, pad + text[0]] : [head + text[0]];
    return [
      ...first,
      ...text.slice(1).map((line) => pad + line),
      ...(remedy ? wrap(`→ ${remedy}`, width - indent).map((line) => pad + line) : []),
      // It stays one line, so that it can be copied.
      ...(command ? [`    ${this.#terminal.paint('bold', command)}`] : []),
    ];
  }
}

/** @param {Row} row */
function asFields({ status, check, says, remedy = '', command = '' }) {
  return [status, check, says, remedy, command].join('\t').trimEnd();
}

module.exports = { Report };
