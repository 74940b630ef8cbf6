'use strict';

// Checks the constructor's options once, and returns frozen settings for index.js, the engine and the client. Nothing
// here opens a connection.

const { checkDuration, checkInteger, checkMaxSessions, checkSliding } = require('./arguments.js');
const fields = require('./connection-fields.js');
const { ADDRESS_NAMES, readAddress } = require('./connection-nodes.js');
const { parseConnectionString } = require('./connection-string.js');
const { rangeError, typeError, valueError } = require('./errors.js');
const { readNatMap } = require('./nat-map.js');
const { readObject } = require('./read-object.js');
const { TLS_NAMES, completeTls, readTls } = require('./tls.js');

/** The encodings that keep every bit of a token, by all names that Node has for them. */
const ENCODINGS = new Map([
  ...['base64', 'base64url', 'hex', 'latin1'].map((name) => [name, name]),
  ['binary', 'latin1'],
]);

/** @type {Record<string, { byDefault: unknown, read: (name: string, value: any) => unknown }>} */
const OPTIONS = {
  tokenEncoding: { byDefault: 'base64', read: readEncoding },
  tokenSize: { byDefault: 128, read: integer(32, 1024) },
  defaultDuration: { byDefault: 86_400, read: readDuration },
  sliding: { byDefault: false, read: checkSliding },
  lifetime: { byDefault: Infinity, read: readDuration },
  maxSessions: { byDefault: Infinity, read: checkMaxSessions },
  prefix: { byDefault: 'spots:', read: readPrefix },
  maxPending: { byDefault: 100_000, read: integer(1, Number.MAX_SAFE_INTEGER) },
  readFrom: { byDefault: 'primary', read: readReadFrom },
};
/** The defaults of the options that a connection string may set too: milliseconds, and bytes of JSON. */
const NUMBER_DEFAULTS = { commandTimeout: 4000, connectTimeout: 10_000, maxDataSize: 2 ** 20 };
/** The longest `prefix`, in bytes: every key begins with it. */
const MAX_PREFIX_BYTES = 256;
/** What `options` and `connectionString` should be, for errors. */
const ADDRESS = 'a connection string or an object';
const OPTION_NAMES = [
  ...['connectionString', 'tls', 'natMap'],
  ...[...Object.keys(OPTIONS), ...fields.NUMBER_NAMES],
];
/** The names of ioredis' options for `client`. `keyPrefix` is read too, only to be refused. */
const CLIENT_NAMES = [...fields.CLIENT_OPTION_NAMES, 'keyPrefix'];

/**
 * @typedef {Readonly<import('./tls.js').TlsSettings>} Tls
 * @typedef {Omit<import('./connection-nodes.js').Sentinels, 'tls'> & { tls?: Tls }} Sentinels
 * @typedef {Omit<import('./connection-fields.js').ServerSettings, 'tls' | 'sentinels'>
 *   & { tls?: Tls, sentinels?: Readonly<Sentinels>, natMap?: ReturnType<typeof readNatMap> }} Server
 *
 * @typedef {object} Settings
 * @property {Readonly<Server> | null} server null for the embedded store, `memory:`
 * @property {'base64' | 'base64url' | 'hex' | 'latin1'} tokenEncoding
 * @property {number} tokenSize in bytes
 * @property {number} defaultDuration in seconds, or Infinity
 * @property {boolean} sliding
 * @property {number} lifetime in seconds, or Infinity
 * @property {number} maxSessions or Infinity
 * @property {string} prefix the beginning of all keys
 * @property {number} commandTimeout in milliseconds
 * @property {number} connectTimeout in milliseconds
 * @property {number} maxDataSize in bytes of JSON
 * @property {number} maxPending in calls
 * @property {'primary' | 'replica'} readFrom
 * @property {true} [showFriendlyErrorStack] left out if it is false
 */

/**
 * Reads the constructor's options: a connection string, or an object. The object may hold the fields of an address, as
 * ioredis has them, instead of `connectionString`. `undefined` and `null` mean the default, except for ioredis'
 * `maxRetriesPerRequest: null`.
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

  const { natMap, server, tlsOfServer, clientOptions = {}, ...fromServer } = readServer(given);
  const [name, value] = chooseOption(given.tls, tlsOfServer);
  const tls = readTlsOption(name, value);
  /** @type {[string, unknown]} */
  const asked = tls ? [name, value] : ['connectionString', given.connectionString];
  const settings = Object.entries(OPTIONS).map(([name, { byDefault, read }]) => [
    name,
    given[name] === undefined ? byDefault : read(name, given[name]),
  ]);
  const numbers = {
    ...NUMBER_DEFAULTS,
    ...fromServer,
    ...fields.readFields(given, fields.NUMBER_NAMES),
  };
  const read = { ...Object.fromEntries(settings), ...numbers };
  if (read.readFrom === 'replica' && !(server?.cluster || server?.sentinels)) {
    throw valueError(
      'readFrom',
      "'primary' ('replica' works only with Sentinel or Cluster)",
      given.readFrom,
    );
  }
  const { showFriendlyErrorStack } = server?.clientOptions ?? clientOptions;
  const mapped = readNatMapOption(natMap, server);
  return Object.freeze({
    server: server && withTls({ ...server, ...mapped }, tls, asked),
    ...read,
    ...(showFriendlyErrorStack === true && { showFriendlyErrorStack }),
  });
}

/**
 * Reads where the server is, and the numbers that its connection string sets. `natMap` is the one that counts, with its
 * name for errors.
 *
 * @param {Record<string, any>} given
 */
function readServer(given) {
  const { connectionString } = given;
  const natMap = ['natMap', given.natMap];
  if (connectionString === undefined) {
    return { server: readAddress(checkSentinelMode(given)), natMap };
  }
  const isFunction = (name) => typeof given[name] === 'function';
  const names = fields.PASSWORD_NAMES.filter(isFunction);
  const functions = fields.pick(given, names);
  const { natMap: inner, ...read } = readConnection(connectionString, given.tls, functions);
  const isInner = given.natMap === undefined;
  const { server, ...rest } = {
    ...read,
    natMap: isInner ? ['connectionString.natMap', inner] : natMap,
  };
  const field = ADDRESS_NAMES.find((name) => given[name] !== undefined && !names.includes(name));
  if (field !== undefined) {
    const or = fields.PASSWORD_NAMES.includes(field) ? ' or a function' : '';
    throw valueError(field, `left out${or}, because there is a \`connectionString\``, given[field]);
  }
  const own = fields.readClientOptions(given);
  if (server === null) return { server, clientOptions: own, natMap };
  const clientOptions = Object.freeze({ ...server.clientOptions, ...own });
  return { server: { ...server, clientOptions }, ...rest };
}

/**
 * @param {unknown} connectionString a connection string in any form, or an object instead of it
 * @param {unknown} tls the option `tls` beside it
 * @param {Record<string, Function>} functions the passwords beside it that are functions
 */
function readConnection(connectionString, tls, functions) {
  const string = readString('connectionString', connectionString);
  if (string !== undefined) return parseConnectionString(string, functions);

  const names = [...ADDRESS_NAMES, ...fields.NUMBER_NAMES, 'tls', 'natMap'];
  const address = readObject('connectionString', connectionString, names, ADDRESS, CLIENT_NAMES);
  const prefix = 'connectionString.';
  for (const [name, value] of Object.entries(functions)) {
    if (fields.isLeftOut(address[name])) address[name] = value;
    else throw valueError(name, `left out, because there is \`${prefix}${name}\``, value);
  }
  checkSentinelMode({ ...address, tls: tls ?? address.tls }, prefix);
  return {
    server: readAddress(address, prefix),
    tlsOfServer: address.tls,
    natMap: address.natMap,
    ...fields.readFields(address, fields.NUMBER_NAMES, prefix),
  };
}

/**
 * Reads `natMap`. Returns nothing if it is left out.
 *
 * @param {[name: string, value: unknown]} option
 * @param {import('./connection-fields.js').ServerSettings | null} server
 */
function readNatMapOption([name, value], server) {
  if (value === undefined) return {};
  const natMap = readNatMap(name, value);
  if (server?.cluster || server?.sentinels) return { natMap };
  throw valueError(name, 'left out, because it works only with Sentinel or Cluster', value);
}

/**
 * Refuses an `enableTLSForSentinelMode` that contradicts `tls`. Unless it is true, ioredis ignores `tls` and sends
 * everything in plain text.
 *
 * @param {Record<string, any>} given
 * @param {string} [prefix] the prefix of names in errors
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
 * Reads `tls`. Returns undefined if it is left out, false if it is false, and otherwise its checked settings.
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
 * Chooses the `tls` that counts, because there may be two: the outer one. But if the outer one is `true`, which has no
 * settings, and the inner one has settings, the inner one counts.
 *
 * @param {unknown} beside the outer one, beside `connectionString`
 * @param {unknown} inner the inner one, if `connectionString` is an object
 * @returns {[name: string, value: unknown]}
 */
function chooseOption(beside, inner) {
  const isInner = beside === undefined || (beside === true && typeof inner === 'object');
  return isInner ? ['connectionString.tls', inner] : ['tls', beside];
}

/**
 * @param {import('./connection-fields.js').ServerSettings} server
 * @param {ReturnType<typeof readTlsOption>} option
 * @param {[name: string, value: unknown]} asked the option that asks for TLS, for errors
 * @returns {Readonly<Server>}
 */
function withTls({ sentinels, ...server }, option, asked) {
  const tls = chooseTls(server, option, asked);
  if (!sentinels) return Object.freeze({ ...server, tls });
  // `sentinelTLS: true` uses the settings of `tls`, if there are any.
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
 * Returns a connection string in any of its forms (a string, a port, a `URL`) as a string. Returns undefined if the value
 * has none of these forms.
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
  // ascii and utf8 write several tokens as the same text. utf16le can write a text that has no form in UTF-8.
  const why = Buffer.isEncoding(value)
    ? `${works} (${value.toLowerCase()} loses bits, so that such a token could not be found again)`
    : works;
  throw valueError(name, why, value);
}

/** @param {string} name @param {unknown} value */
function readPrefix(name, value) {
  const what = 'a string without { and }';
  if (typeof value !== 'string') throw typeError(name, what, value);
  if (/[{}]/.test(value) || !value.isWellFormed()) throw valueError(name, what, value);
  if (Buffer.byteLength(value) > MAX_PREFIX_BYTES) {
    throw rangeError(name, `at most ${MAX_PREFIX_BYTES} bytes long`, value);
  }
  return value;
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
  checkDuration(value, name);
  return value;
}

/** @param {number} min @param {number} max */
function integer(min, max) {
  return (/** @type {string} */ name, /** @type {unknown} */ value) =>
    checkInteger(name, value, min, max);
}

module.exports = { readOptions };
