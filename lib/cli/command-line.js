'use strict';

// Reads the command line. Errors repeat only what can be no secret: the names of commands and of options.

const { parseArgs } = require('node:util');
const { UsageError } = require('./errors.js');
const { nearest } = require('./nearest.js');
const { COMMON } = require('./options.js');

/**
 * Finds the command, which comes first.
 *
 * @param {string[]} argv
 * @param {import('./index.js').Command[]} commands
 * @returns {{ command: 'help' | 'version', args: string[] } | { command: import('./index.js').Command, args: string[] }}
 */
function parseCommand([first, ...args], commands) {
  if (first === '--version' || first === '-v') return { command: 'version', args };
  if (first === '--help' || first === '-h') return { command: 'help', args };
  const names = commands.map(({ name }) => name);
  if (first === 'help') {
    return args.length === 0
      ? { command: 'help', args }
      : parseCommand([args[0], '--help'], commands);
  }
  const command = commands.find(({ name }) => name === first);
  if (command !== undefined) return { command, args };
  const known = `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
  // Anything else might be a URL with a password.
  if (first === undefined || !/^[a-z-]{1,20}$/i.test(first)) {
    throw new UsageError(`expected a command first: ${known} (--help explains them)`);
  }
  const meant = nearest(first.toLowerCase(), names);
  const hint = meant === undefined ? `expected ${known}` : `did you mean ${meant}?`;
  throw new UsageError(`unknown command ${first} (${hint})`);
}

/**
 * Reads the options of a command.
 *
 * @param {string[]} args
 * @param {import('./index.js').Command} command
 */
function parseOptions(args, command) {
  /** @type {Record<string, import('./options.js').Option>} */
  const options = { ...command.options, ...COMMON };
  // Not strict, because the errors of `parseArgs` repeat values.
  const config = { args, options, allowPositionals: true, strict: false, tokens: true };
  const { values, positionals, tokens } = parseArgs(config);
  for (const token of tokens) {
    if (token.kind === 'option') checkOption(token, options, command.name);
  }
  return { values, positionals };
}

/** @param {any} token @param {Record<string, import('./options.js').Option>} options @param {string} command */
function checkOption({ name, rawName, value, inlineValue }, options, command) {
  const option = Object.hasOwn(options, name) ? options[name] : undefined;
  if (option === undefined) {
    const meant = nearest(name, Object.keys(options));
    const hint = meant === undefined ? `${command} --help lists them` : `did you mean --${meant}?`;
    throw new UsageError(`unknown option ${rawName.slice(0, 40)} (${hint})`);
  }
  if (option.type === 'boolean' && value !== undefined) {
    throw new UsageError(`--${name} takes no value`);
  }
  // An id may begin with -, so only the name of an option shows that the value was forgotten.
  const isOption = !inlineValue && isOneOf(value, options);
  if (option.type === 'string' && (value === undefined || isOption)) {
    throw new UsageError(`--${name} needs a value: --${name} ${option.value ?? '<text>'}`);
  }
}

/** @param {string | undefined} value @param {Record<string, import('./options.js').Option>} options */
function isOneOf(value, options) {
  const [, long] = /^--([a-z-]+)(?:=|$)/.exec(value ?? '') ?? [];
  const isShort = ({ short }) => short !== undefined && value === `-${short}`;
  return Object.hasOwn(options, long ?? '') || Object.values(options).some(isShort);
}

module.exports = { parseCommand, parseOptions };
