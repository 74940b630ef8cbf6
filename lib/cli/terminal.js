'use strict';

// What a command prints on and asks: a terminal, or a pipe. Results go to stdout, everything else to stderr.

const { createInterface } = require('node:readline');
const { Writable } = require('node:stream');
const { EXIT } = require('./errors.js');

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 };
/** Longer lines are hard to read. */
const MAX_COLUMNS = 100;

class Terminal {
  #input;
  #output;
  #errors;
  #env;

  /** @param {Pick<NodeJS.Process, 'stdin' | 'stdout' | 'stderr' | 'env'>} process */
  constructor({ stdin, stdout, stderr, env }) {
    this.#input = stdin;
    this.#output = stdout;
    this.#errors = stderr;
    this.#env = env;
  }

  /** Whether a person reads what is printed. Otherwise print plain lines, with tabs between fields. */
  get isTerminal() {
    return this.#output.isTTY === true;
  }

  /** Whether a person can answer. */
  get canAsk() {
    return this.#input.isTTY === true;
  }

  /** The width of the terminal, in columns. */
  get width() {
    return Math.min(this.#output.columns || 80, MAX_COLUMNS);
  }

  /** Prints a line of the result. @param {string} line */
  print(line) {
    this.#output.write(`${line}\n`);
  }

  /** Prints a line that is not the result. @param {string} line */
  complain(line) {
    this.#errors.write(`${line}\n`);
  }

  /**
   * Prints a value as JSON. JSON leaves some codes as they are that change a terminal: the controls from U+007F on.
   *
   * @param {unknown} value
   */
  printJson(value) {
    const json = JSON.stringify(value, null, 2);
    this.print(json.replace(/[\x7f-\x9f]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`));
  }

  /** Colours a text if it is for a terminal that may have colours. @param {keyof typeof CODES} style @param {string} text */
  paint(style, text) {
    const { NO_COLOR, TERM } = this.#env; // https://no-color.org
    if (!this.isTerminal || NO_COLOR || TERM === 'dumb') return text;
    return `\x1b[${CODES[style]}m${text}\x1b[0m`;
  }

  /** Asks a question, and resolves to whether the answer is yes. @param {string} question */
  async confirm(question) {
    return /^y(es)?$/i.test((await this.#ask(`${question} [y/N] `)).trim());
  }

  /** Asks for a password, which is not shown. @param {string} question */
  async askPassword(question) {
    const password = await this.#ask(`${question}: `, { hidden: true });
    this.#errors.write('\n');
    return password;
  }

  /**
   * @param {string} question
   * @param {{ hidden?: boolean }} [options]
   * @returns {Promise<string>} empty if there is no answer
   */
  #ask(question, { hidden = false } = {}) {
    const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
    const output = hidden ? nowhere : this.#errors;
    // From here on the terminal itself shows nothing of what is typed, so the question comes after it.
    const lines = createInterface({ input: this.#input, output, terminal: true, historySize: 0 });
    if (hidden) this.#errors.write(question);
    return new Promise((resolve) => {
      lines.once('SIGINT', () => {
        this.#errors.write('\n');
        process.exit(EXIT.interrupted);
      });
      lines.once('close', () => resolve(''));
      lines.question(question, (answer) => {
        resolve(answer);
        lines.close();
      });
    });
  }
}

module.exports = { Terminal };
