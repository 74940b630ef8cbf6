'use strict';

// The constructor's options, checked once and frozen: what index.js, the engine and the client are
// set up from. Nothing here connects to anything.

const { FIELD_NAMES, readServerFields } = require('./connection-fields.js');
const { parseConnectionString } = require('./connection-string.js');
const { rangeError, typeError, valueError } = require('./errors.js');
const { TLS_NAMES, completeTls, readTls } = require('./tls.js');

/** The largest delay that a timer of Node takes, in milliseconds. */
const MAX_DELAY = 2 ** 31 - 1;

/** Encodings that keep every bit of a token, by every name that Node has for them. */
const ENCODINGS = new Map([
  ...['base64', 'base64url', 'hex', 'latin1'].map((name) => [name, name]),
  ['binary', 'latin1'],
]);

/** @type {Record<string, { byDefault: unknown, read: (name: string, value: any) => unknown }>} */
const OPTIONS = {
  tokenEncoding: { byDefault: 'base64', read: readEncoding },
  tokenSize: { byDefault: 128, read: integer(16, 1024) },
  defaultDuration: { byDefault: 86_400, read: readDuration },
  commandTimeout: { byDefault: 5000, read: integer(1, MAX_DELAY) },
  connectTimeout: { byDefault: 10_000, read: integer(1, MAX_DELAY) },
  maxPending: { byDefault: 100_000, read: integer(1, Number.MAX_SAFE_INTEGER) },
};
const OPTION_NAMES = ['connectionString', 'tls', ...Object.keys(OPTIONS)];

/**
 * @typedef {Omit<import('./connection-fields.js').ServerSettings, 'tls'>
 *   & { tls?: Readonly<import('./tls.js').TlsSettings> }} Server
 *
 * @typedef {object} Settings
 * @property {Readonly<Server> | null} server null is the embedded store, `memory:`
 * @property {'base64' | 'base64url' | 'hex' | 'latin1'} tokenEncoding
 * @property {number} tokenSize in bytes
 * @property {number} defaultDuration in seconds, or Infinity
 * @property {number} commandTimeout in milliseconds
 * @property {number} connectTimeout in milliseconds
 * @property {number} maxPending
 */

/**
 * Reads the constructor's options: a connection string, or an object of options, in which the
 * fields of an ioredis-style address may stand in place of `connectionString`. `undefined` and
 * `null` always mean the default.
 *
 * @param {unknown} options
 * @returns {Readonly<Settings>}
 * @throws {TypeError | RangeError}
 */
function readOptions(options) {
  const string = options === undefined ? '' : readString('options', options);
  const given =
    string === undefined
      ? readObject('options', options, [...OPTION_NAMES, ...FIELD_NAMES])
      : { connectionString: string };

  const { server, tlsOfServer, ...fromQuery } = readServer(given);
  const tls = readTlsOption(given.tls ?? tlsOfServer);
  const settings = Object.entries(OPTIONS).map(([name, { byDefault, read }]) => [
    name,
    given[name] === undefined ? (fromQuery[name] ?? byDefault) : read(name, given[name]),
  ]);
  return Object.freeze({
    server: server && Object.freeze({ ...server, tls: chooseTls(server, tls) }),
    ...Object.fromEntries(settings),
  });
}

/** Where the server is, and the timeouts of its URL. @param {Record<string, any>} given */
function readServer(given) {
  const { connectionString = '' } = given;
  const fields = FIELD_NAMES.filter((name) => given[name] !== undefined);
  if (connectionString === '') return { server: readServerFields(given) };
  if (fields.length > 0) {
    throw valueError(fields[0], 'left out, as there is a connectionString', given[fields[0]]);
  }
  const string = readString('connectionString', connectionString);
  if (string !== undefined) return parseConnectionString(string);

  const address = readObject('connectionString', connectionString, [...FIELD_NAMES, 'tls']);
  return { server: readServerFields(address, 'connectionString.'), tlsOfServer: address.tls };
}

/**
 * Reads `tls`: undefined if it is left out, false if TLS is unwanted, else its checked settings.
 *
 * @param {unknown} option
 */
function readTlsOption(option) {
  if (option === undefined || option === false) return option;
  if (option === true) return {};
  return readTls(readObject('tls', option, TLS_NAMES));
}

/**
 * @param {import('./connection-fields.js').ServerSettings} server
 * @param {ReturnType<typeof readTlsOption>} option
 */
function chooseTls(server, option) {
  if (server.tls && option === false) {
    throw valueError('tls', 'true or left out, as connectionString asks for TLS', option);
  }
  if (!server.tls && !option) return undefined;
  if (server.path !== undefined) {
    const name = option ? 'tls' : 'connectionString';
    throw valueError(name, 'without TLS, as Redis has none on a unix socket', option);
  }
  return completeTls(option || {});
}

/**
 * A connection string in any of its shapes (a string, a port, a `String`, a `URL`), as a string;
 * undefined if it is none.
 *
 * @param {string} name
 * @param {unknown} value
 */
function readString(name, value) {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') {
    if (Number.isInteger(value) && value > 0) return String(value);
    throw valueError(name, 'a port from 1 to 65535, if it is a number', value);
  }
  try {
    return value instanceof String || value instanceof URL ? String(value) : undefined;
  } catch (cause) {
    throw typeError(name, 'readable', value, { cause });
  }
}

/**
 * Reads the named properties of an object, each once, and refuses others, as they are likely typos.
 *
 * @param {string} name
 * @param {unknown} object null is an empty one
 * @param {string[]} names
 * @returns {Record<string, any>} undefined stands for what is left out
 */
function readObject(name, object, names) {
  const what = name === 'tls' ? 'true or an object' : 'a connection string or an object';
  if (object === null) return {};
  if (typeof object !== 'object') throw typeError(name, what, object);
  const values = {};
  let unknown;
  try {
    if (Array.isArray(object)) throw new TypeError('an array has no options');
    unknown = Object.keys(object).find((key) => !names.includes(key));
    for (const key of names) values[key] = object[key] ?? undefined;
  } catch (cause) {
    throw typeError(name, `${what} that can be read`, object, { cause });
  }
  if (unknown !== undefined) {
    const path = name === 'options' ? unknown : `${name}.${unknown}`;
    throw unknownOption(path.slice(0, 100), names);
  }
  return values;
}

/** @param {string} name @param {string[]} names that there are */
function unknownOption(name, names) {
  const error = new TypeError(`unknown option \`${name}\`: there are ${names.join(', ')}`);
  return Object.assign(error, { code: 'ERR_INVALID_ARG_VALUE' });
}

/** @param {string} name @param {unknown} value */
function readEncoding(name, value) {
  const works = `one of ${[...ENCODINGS.keys()].join(', ')}`;
  if (typeof value !== 'string') throw typeError(name, works, value);
  if (value === '') return 'base64';
  const encoding = ENCODINGS.get(value.toLowerCase());
  if (encoding !== undefined) return encoding;
  // ascii, utf8 and utf16le map several tokens to one text, or to text that Redis cannot hold.
  const why = Buffer.isEncoding(value)
    ? `${works} (${value.toLowerCase()} loses bits, so that such a token could not be found again)`
    : works;
  throw valueError(name, why, value);
}

/** @param {string} name @param {unknown} value */
function readDuration(name, value) {
  const what = 'a positive number of seconds or Infinity';
  if (typeof value !== 'number') throw typeError(name, what, value);
  if (!(value > 0)) throw rangeError(name, what, value);
  return value;
}

/** @param {number} min @param {number} max */
function integer(min, max) {
  const what = `an integer from ${min} to ${max}`;
  return (/** @type {string} */ name, /** @type {unknown} */ value) => {
    if (typeof value !== 'number') throw typeError(name, what, value);
    if (!Number.isInteger(value) || value < min || value > max) throw rangeError(name, what, value);
    return value;
  };
}

module.exports = { readOptions };
