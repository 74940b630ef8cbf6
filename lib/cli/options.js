'use strict';

// The options that several commands share, and the options of the instance that they stand for.

const { readFileSync } = require('node:fs');
const { UsageError, describeError } = require('./errors.js');
const { show } = require('./layout.js');

/**
 * An option for `parseArgs`, and its line in the help.
 *
 * @typedef {object} Option
 * @property {'string' | 'boolean'} type
 * @property {string} [short]
 * @property {string} [value] what stands after it: `<name>`
 * @property {string} what it does
 */

/** The options that each command has. @type {Record<string, Option>} */
const COMMON = {
  prefix: { type: 'string', value: '<text>', what: 'what all keys begin with (default spots:)' },
  ca: { type: 'string', value: '<file>', what: 'the certificates to trust, in PEM' },
  cert: { type: 'string', value: '<file>', what: "the client's certificate, in PEM" },
  key: { type: 'string', value: '<file>', what: 'its key, in PEM' },
  json: { type: 'boolean', what: 'print JSON' },
  help: { type: 'boolean', short: 'h', what: 'print this help' },
};

/** The options that name an owner. @type {Record<string, Option>} */
const OWNER = {
  app: { type: 'string', value: '<name>', what: 'the app' },
  owner: { type: 'string', value: '<id>', what: "the owner's id" },
};

/** The options of TLS that the URL cannot express: files. */
const FILES = ['ca', 'cert', 'key'];

/**
 * Returns the options of an instance.
 *
 * @param {string} url
 * @param {Record<string, any>} values
 */
function instanceOptions(url, values) {
  const given = FILES.filter((name) => values[name] !== undefined);
  const tls = Object.fromEntries(given.map((name) => [name, readFile(name, values[name])]));
  return {
    connectionString: url,
    ...(given.length > 0 && { tls }),
    ...(values.prefix !== undefined && { prefix: values.prefix }),
  };
}

/** @param {string} name of the option @param {string} file */
function readFile(name, file) {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new UsageError(`cannot read the file of --${name}: ${describeError(error)}`);
  }
}

/**
 * Returns the values of options that a command needs.
 *
 * @param {Record<string, any>} values
 * @param {import('./index.js').Command} command
 * @param {...string} names
 * @returns {string[]}
 */
function required(values, { name: command, usage }, ...names) {
  const missing = names.find((name) => values[name] === undefined);
  if (missing !== undefined) throw new UsageError(`${command} needs --${missing}: ${usage}`);
  return names.map((name) => values[name]);
}

/**
 * Returns the owner that the options name, and words for it.
 *
 * @param {Record<string, any>} values
 * @param {import('./index.js').Command} command
 */
function readOwner(values, command) {
  const [app, ownerId] = required(values, command, 'app', 'owner');
  return { app, ownerId, whose: `of owner ${show(ownerId)} in app ${show(app)}` };
}

module.exports = { COMMON, OWNER, instanceOptions, readOwner, required };
