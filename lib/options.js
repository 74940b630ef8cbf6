'use strict';

// The constructor's options, checked once and frozen: what index.js, the engine and the client are
// set up from. Nothing here connects to anything.

const fields = require('./connection-fields.js');
const { ADDRESS_NAMES, readAddress } = require('./connection-nodes.js');
const { parseConnectionString } = require('./connection-string.js');
const { rangeError, typeError, valueError } = require('./errors.js');
const { readObject } = require('./read-object.js');
const { TLS_NAMES, completeTls, readTls } = require('./tls.js');

/** Encodings that keep every bit of a token, by every name that Node has for them. */
const ENCODINGS = new Map([
  ...['base64', 'base64url', 'hex', 'latin1'].map((name) => [name, name]),
  ['binary', 'latin1'],
]);

/** @type {Record<string, { byDefault: unknown, read: (name: string, value: any) => unknown }>} */
const OPTIONS = {
  tokenEncoding: { byDefault: 'base64', read: readEncoding },
  tokenSize: { byDefault: 128, read: integer(32, 1024) },
  defaultDuration: { byDefault: 86_400, read: readDuration },
  maxPending: { byDefault: 100_000, read: integer(1, Number.MAX_SAFE_INTEGER) },
  readFrom: { byDefault: 'primary', read: readReadFrom },
};
/** Those that a connection string may set too. */
const NUMBERS = { commandTimeout: 4000, connectTimeout: 10_000, maxDataSize: 2 ** 20 };
/** What `options` and `connectionString` may be. */
const ADDRESS = 'a connection string or an object';
const OPTION_NAMES = ['connectionString', 'tls', ...Object.keys(OPTIONS), ...fields.NUMBER_NAMES];
/** Of ioredis, and for `client` alone; the last one only to be refused. */
const CLIENT_NAMES = [...fields.CLIENT_OPTION_NAMES, 'keyPrefix'];

/**
 * @typedef {Readonly<import('./tls.js').TlsSettings>} Tls
 * @typedef {Omit<import('./connection-nodes.js').Sentinels, 'tls'> & { tls?: Tls }} Sentinels
 * @typedef {Omit<import('./connection-fields.js').ServerSettings, 'tls' | 'sentinels'>
 *   & { tls?: Tls, sentinels?: Readonly<Sentinels> }} Server
 *
 * @typedef {object} Settings
 * @property {Readonly<Server> | null} server null is the embedded store, `memory:`
 * @property {'base64' | 'base64url' | 'hex' | 'latin1'} tokenEncoding
 * @property {number} tokenSize in bytes
 * @property {number} defaultDuration in seconds, or Infinity
 * @property {number} commandTimeout in milliseconds
 * @property {number} connectTimeout in milliseconds
 * @property {number} maxDataSize in bytes of JSON
 * @property {number} maxPending
 * @property {'primary' | 'replica'} readFrom
 * @property {true} [showFriendlyErrorStack] left out if it is not asked for
 */

/**
 * Reads the constructor's options: a connection string, or an object of options, in which the
 * fields of an ioredis-style address may stand in place of `connectionString`. `undefined` and
 * `null` mean the default, but for ioredis' `maxRetriesPerRequest: null`.
 *
 * @param {unknown} options
 * @returns {Readonly<Settings>}
 * @throws {TypeError | RangeError}
 */
function readOptions(options) {
  const string = readString('options', options);
  const names = [...OPTION_NAMES, ...ADDRESS_NAMES];
  const given =
    string === undefined
      ? readObject('options', options ?? null, names, ADDRESS, CLIENT_NAMES)
      : { connectionString: string };

  const { server, tlsOfServer, clientOptions = {}, ...fromServer } = readServer(given);
  const [name, value] = chooseOption(given.tls, tlsOfServer);
  const tls = readTlsOption(name, value);
  /** @type {[string, unknown]} */
  const asked = tls ? [name, value] : ['connectionString', given.connectionString];
  const settings = Object.entries(OPTIONS).map(([name, { byDefault, read }]) => [
    name,
    given[name] === undefined ? byDefault : read(name, given[name]),
  ]);
  const numbers = { ...NUMBERS, ...fromServer, ...fields.readFields(given, fields.NUMBER_NAMES) };
  const read = { ...Object.fromEntries(settings), ...numbers };
  if (read.readFrom === 'replica' && !(server?.cluster || server?.sentinels)) {
    throw valueError(
      'readFrom',
      "'primary' ('replica' works only with Sentinel or Cluster)",
      given.readFrom,
    );
  }
  const { showFriendlyErrorStack } = server?.clientOptions ?? clientOptions;
  return Object.freeze({
    server: server && withTls(server, tls, asked),
    ...read,
    ...(showFriendlyErrorStack === true && { showFriendlyErrorStack }),
  });
}

/** Where the server is, and the numbers that are given with it. @param {Record<string, any>} given */
function readServer(given) {
  const { connectionString } = given;
  if (connectionString === undefined) return { server: readAddress(checkSentinelMode(given)) };
  const { server, ...rest } = readConnection(connectionString, given.tls);
  const field = ADDRESS_NAMES.find((name) => given[name] !== undefined);
  if (field !== undefined) {
    throw valueError(field, 'left out, because there is a `connectionString`', given[field]);
  }
  const own = fields.readClientOptions(given);
  if (server === null) return { server, clientOptions: own };
  const clientOptions = Object.freeze({ ...server.clientOptions, ...own });
  return { server: { ...server, clientOptions }, ...rest };
}

/**
 * @param {unknown} connectionString a string in any of its shapes, or an object in its place
 * @param {unknown} tls the option beside it
 */
function readConnection(connectionString, tls) {
  const string = readString('connectionString', connectionString);
  if (string !== undefined) return parseConnectionString(string);

  const names = [...ADDRESS_NAMES, ...fields.NUMBER_NAMES, 'tls'];
  const address = readObject('connectionString', connectionString, names, ADDRESS, CLIENT_NAMES);
  const prefix = 'connectionString.';
  checkSentinelMode({ ...address, tls: tls ?? address.tls }, prefix);
  return {
    server: readAddress(address, prefix),
    tlsOfServer: address.tls,
    ...fields.readFields(address, fields.NUMBER_NAMES, prefix),
  };
}

/**
 * Refuses an `enableTLSForSentinelMode` that contradicts `tls`. ioredis ignores `tls` without it,
 * and then sends sessions in clear.
 *
 * @param {Record<string, any>} given
 * @param {string} [prefix]
 */
function checkSentinelMode(given, prefix = '') {
  const { tls = false, enableTLSForSentinelMode: enabled } = given;
  if (!fields.isLeftOut(given.sentinels) && enabled !== undefined && enabled !== (tls !== false)) {
    const name = `${prefix}enableTLSForSentinelMode`;
    if (typeof enabled !== 'boolean') throw typeError(name, 'true or false', enabled);
    throw valueError(name, `left out, because \`tls\` is ${tls ? 'on' : 'off'}`, enabled);
  }
  return given;
}

/**
 * Reads `tls`: undefined if it is left out, false if TLS is unwanted, else its checked settings.
 *
 * @param {string} name
 * @param {unknown} option
 */
function readTlsOption(name, option) {
  if (option === undefined || option === false) return option;
  if (option === true) return {};
  return readTls(readObject(name, option, TLS_NAMES, 'true or an object'), name);
}

/**
 * The option `tls` and its name, where there may be two: the one beside counts, but true says no more
 * than that it is TLS, and leaves the settings to the inner one.
 *
 * @param {unknown} beside
 * @param {unknown} inner that of an object in the place of a connection string
 * @returns {[name: string, value: unknown]}
 */
function chooseOption(beside, inner) {
  const isInner = beside === undefined || (beside === true && typeof inner === 'object');
  return isInner ? ['connectionString.tls', inner] : ['tls', beside];
}

/**
 * @param {import('./connection-fields.js').ServerSettings} server
 * @param {ReturnType<typeof readTlsOption>} option
 * @param {[name: string, value: unknown]} asked what asks for TLS, if anything does
 * @returns {Readonly<Server>}
 */
function withTls({ sentinels, ...server }, option, asked) {
  const tls = chooseTls(server, option, asked);
  if (!sentinels) return Object.freeze({ ...server, tls });
  // True says no more than that it is TLS: its settings are those of `tls`, if there are any.
  const theirs =
    sentinels.tls === true ? option || {} : readTlsOption('sentinelTLS', sentinels.tls);
  const own = sentinels.tls === undefined ? tls : theirs ? completeTls(theirs) : undefined;
  return Object.freeze({ ...server, tls, sentinels: Object.freeze({ ...sentinels, tls: own }) });
}

/**
 * @param {import('./connection-fields.js').ServerSettings} server
 * @param {ReturnType<typeof readTlsOption>} option
 * @param {[name: string, value: unknown]} asked
 */
function chooseTls(server, option, [name, value]) {
  if (server.tls && option === false) {
    throw valueError('tls', 'true or left out, because `connectionString` asks for TLS', false);
  }
  if (!server.tls && !option) return undefined;
  if (server.path !== undefined) {
    throw valueError(name, 'without TLS, because Redis has none on a unix socket', value);
  }
  return completeTls(option || {});
}

/**
 * A connection string in any of its shapes (a string, a port, a `URL`), as a string; undefined if it
 * is none.
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
    return value instanceof URL ? String(value) : undefined;
  } catch (cause) {
    throw typeError(name, `${ADDRESS} that can be read`, value, { cause });
  }
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
function readReadFrom(name, value) {
  const what = "'primary' or 'replica'";
  if (typeof value !== 'string') throw typeError(name, what, value);
  if (value !== 'primary' && value !== 'replica') throw valueError(name, what, value);
  return value;
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
