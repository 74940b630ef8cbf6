#!/usr/bin/env node
'use strict';

// `npx @spots-tech/sessions <command> [url]`. It finds the command, runs it, and turns its errors into one line and an
// exit code. Each command is a module beside this one: `{ name, summary, usage, options, help, run }`.

const { parseCommand, parseOptions } = require('./command-line.js');
const { EXIT, UsageError, describeError, exitCodeOf } = require('./errors.js');
const { PROGRAM, helpOf, helpOfAll } = require('./help.js');
const { Terminal } = require('./terminal.js');

/**
 * @typedef {object} Context what a command gets
 * @property {Record<string, any>} values its options, as `parseArgs` gives them
 * @property {string} url the connection string
 * @property {Terminal} terminal
 *
 * @typedef {object} Command
 * @property {string} name
 * @property {string} summary what it does, in half a line: "lists an owner's sessions"
 * @property {string} usage its arguments, without the optional ones that all commands have
 * @property {Record<string, import('./options.js').Option>} options for `parseArgs`, with texts for the help
 * @property {string} help more about it, with an example; lines of at most 80 characters
 * @property {(context: Context) => Promise<number>} run resolves to the exit code
 */

/** @type {Command[]} */
const COMMANDS = [
  require('./doctor.js'),
  require('./list.js'),
  require('./kill.js'),
  require('./kill-all.js'),
  require('./migrate.js'),
];

/** @param {string[]} argv @param {Terminal} terminal @returns {Promise<number>} the exit code */
async function main(argv, terminal) {
  const { command, args } = parseCommand(argv, COMMANDS);
  if (command === 'help') {
    terminal.print(helpOfAll(COMMANDS));
    return EXIT.fine;
  }
  if (command === 'version') {
    terminal.print(require('../../package.json').version);
    return EXIT.fine;
  }
  // A password in the URL would be shown by `ps`. The npx process still shows it.
  process.title = `sessions ${command.name}`;
  const { values, positionals } = parseOptions(args, command);
  if (values.help) {
    terminal.print(helpOf(command));
    return EXIT.fine;
  }
  const [url = process.env.REDIS_URL, ...more] = positionals;
  if (more.length > 0) throw new UsageError('expected at most one argument, the URL of the server');
  if (url === undefined) {
    const example = `${PROGRAM} ${command.name} redis://localhost:6379`;
    throw new UsageError(`which server? set REDIS_URL, or give a URL: ${example}`);
  }
  return command.run({ values, url, terminal });
}

// Node prints warnings with its own name and id. `doctor` tells what they say.
process.removeAllListeners('warning').on('warning', () => {});
// ioredis prints one if the server needs no password and the URL has one. It would stand between the lines of `doctor`.
console.warn = () => {};
process.once('SIGINT', () => process.exit(EXIT.interrupted));
// A reader that has seen enough, such as `head`, closes the pipe.
process.stdout.on('error', ({ code }) => process.exit(code === 'EPIPE' ? EXIT.fine : EXIT.wrong));
// Without stderr nobody hears of the progress, and the work goes on.
process.stderr.on('error', () => {});

const terminal = new Terminal(process);
const fail = (/** @type {any} */ error) => {
  terminal.complain(`sessions: ${describeError(error)}`);
  return exitCodeOf(error);
};
process.once('uncaughtException', (error) => process.exit(fail(error)));
main(process.argv.slice(2), terminal)
  .catch(fail)
  .then((code) => {
    process.exitCode = code;
  });
