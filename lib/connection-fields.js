'use strict';

// The fields and options of a connection: their names, and how the text of each is read. They come from a connection
// string (lib/connection-string.js) or from an object of the kind that ioredis takes.

const { isIPv6 } = require('node:net');
const { domainToASCII } = require('node:url');
const { rangeError, typeError, valueError } = require('./errors.js');
const { readPassword } = require('./password.js');

/** The longest delay of a timer in Node, in milliseconds, and the largest int in Redis. */
const MAX_INT = 2 ** 31 - 1;

/**
 * @typedef {object} ServerSettings
 * @property {string} host
 * @property {number} port
 * @property {string} [path] the path of a unix socket, which replaces host and port
 * @property {0 | 4 | 6} family the version of IP; 0: either
 * @property {number} db
 * @property {string} [username] only together with a password
 * @property {string | import('./password.js').AskPassword} [password]
 * @property {boolean} tls whether a URL asks for TLS
 * @property {Readonly<Record<string, unknown>>} clientOptions options of ioredis, for `client`
 * @property {readonly import('./connection-nodes.js').Node[]} [cluster] the nodes of a Redis Cluster
 * @property {import('./connection-nodes.js').Sentinels} [sentinels] the sentinels that know the primary
 *
 * @typedef {{ read: (text: string) => unknown, what: string }} Kind `read` returns the value of a text, or undefined if
 *   the text is wrong. `what` says what the text should be
 */

/** @type {(min: number, max: number) => Kind} */
const integer = (min, max) => ({
  read: (text) =>
    /^\d+$/.test(text) && Number(text) >= min && Number(text) <= max ? Number(text) : undefined,
  what: `a whole number from ${min} to ${max}`,
});
/** @type {(choices: Record<string, unknown>) => Kind} */
const oneOf = (choices) => ({
  read: (text) => (Object.hasOwn(choices, text) ? choices[text] : undefined),
  what: Object.keys(choices).join(' or '),
});
/** @type {Kind} */
const text = { read: (given) => given, what: 'a string' };
/** An object may hold a function instead. @type {Kind} */
const password = { read: text.read, what: 'a string or a function' };
const boolean = oneOf({ true: true, false: false });
const milliseconds = integer(1, MAX_INT);

/** The fields of a server's address, in a URL, in its query or in an object. @type {Record<string, Kind>} */
const FIELDS = {
  host: { read: readHost, what: 'one name or IP address (in a URL, IPv6 in brackets)' },
  port: integer(1, 65535),
  path: {
    read: (given) => (/^\/[^\0]+$/.test(given) ? given : undefined),
    what: 'the absolute path of a unix socket',
  },
  family: oneOf({ 0: 0, 4: 4, 6: 6, IPv4: 4, IPv6: 6 }),
  db: integer(0, MAX_INT),
  username: text,
  password,
};

/** The options of this package that a query may set too. @type {Record<string, Kind>} */
const NUMBER_KINDS = {
  connectTimeout: milliseconds,
  commandTimeout: milliseconds,
  maxDataSize: integer(1024, 2 ** 28), // bytes; updates may double it, and a value in Redis holds 512 MB
};

/** The options of ioredis that can be written as text. Only `showFriendlyErrorStack` is not for `client` alone. */
const CLIENT_OPTIONS = {
  ...all(integer(0, MAX_INT), 'disconnectTimeout', 'keepAlive', 'maxLoadingRetryTime'),
  ...all(integer(0, MAX_INT), 'blockingTimeout', 'blockingTimeoutGrace'),
  ...all(milliseconds, 'socketTimeout'),
  ...all(boolean, 'autoResendUnfulfilledCommands', 'autoResubscribe', 'disableClientInfo'),
  ...all(boolean, 'enableAutoPipelining', 'enableOfflineQueue', 'enableReadyCheck', 'lazyConnect'),
  ...all(boolean, 'monitor', 'noDelay', 'readOnly', 'showFriendlyErrorStack', 'stringNumbers'),
  ...all(text, 'connectionName', 'clientInfoTag'),
  // null makes ioredis wait indefinitely.
  maxRetriesPerRequest: {
    read: (given) => (given === 'null' ? null : integer(0, MAX_INT).read(given)),
    what: 'a whole number or null',
  },
  protocol: oneOf({ 2: 2, 3: 3 }),
};

/** The fields that only Sentinel has. @type {Record<string, Kind>} */
const SENTINEL_FIELDS = {
  ...all(text, 'name', 'sentinelUsername'),
  sentinelPassword: password,
  sentinelTLS: boolean,
};

/** The fields that may be functions in an object. */
const PASSWORD_NAMES = ['password', 'sentinelPassword'];

/** The names that a query may hold. A Map, because a query may hold `__proto__`. @type {Map<string, Kind>} */
const QUERY = new Map(
  Object.entries({
    ...FIELDS,
    ...NUMBER_KINDS,
    ...CLIENT_OPTIONS,
    tls: boolean,
    ...SENTINEL_FIELDS,
    // A URL's user name is used by default, so only `false` changes anything.
    allowUsernameInURI: { read: (given) => given !== 'false', what: 'true or false' },
  }),
);

/** Options of ioredis that are functions, objects or lists. */
const NOT_IN_A_STRING = [
  ...['Connector', 'retryStrategy', 'reconnectOnError', 'scripts'],
  ...['sentinels', 'sentinelRetryStrategy', 'sentinelReconnectStrategy', 'preferredSlaves'],
  ...['natMap', 'autoPipeliningIgnoredCommands', 'himportFieldsets'],
];

/** Why `keyPrefix` is refused. If it were ignored, data that it should keep apart could get mixed up. */
const NO_PREFIX = 'because the keys of sessions begin with the option `prefix`';

/** The options of this package that a query may not set. */
const BESIDE = [
  ...['tokenEncoding', 'tokenSize', 'defaultDuration', 'sliding', 'lifetime', 'maxSessions'],
  ...['prefix', 'maxPending', 'readFrom'],
];

/**
 * Names that users may expect to work in a query, and what to write instead. Other unknown names are ignored. If these
 * were ignored, the result would be plain text, database 0 or a default.
 *
 * @type {Map<string, string>}
 */
const NOT_IN_A_QUERY = new Map(
  Object.entries({
    ssl: 'a URL that begins with rediss:// instead of one with ssl',
    database: 'a URL with db instead of database',
    ...describeAll(['keyPrefix'], NO_PREFIX),
    ...describeAll(BESIDE, 'which is an option beside connectionString'),
    ...describeAll(NOT_IN_A_STRING, 'which a string cannot express'),
  }),
);

/** Options of ioredis for `client` that an object can hold and a text cannot. */
const FUNCTIONS = ['retryStrategy', 'reconnectOnError'];
const CLIENT_OPTION_NAMES = [...Object.keys(CLIENT_OPTIONS), ...FUNCTIONS];

/**
 * Reads the options of ioredis for `client`.
 *
 * @param {Record<string, unknown>} given
 * @param {string} [prefix] the prefix of names in errors
 */
function readClientOptions(given, prefix = '') {
  if (!isLeftOut(given.keyPrefix)) {
    throw valueError(`${prefix}keyPrefix`, `left out, ${NO_PREFIX}`, given.keyPrefix);
  }
  const names = CLIENT_OPTION_NAMES.filter(
    (name) => given[name] !== undefined && given[name] !== '',
  );
  return Object.fromEntries(
    names.map((name) => [name, readClientOption(name, given[name], prefix)]),
  );
}

/** @param {string} name @param {unknown} value @param {string} prefix */
function readClientOption(name, value, prefix) {
  if (FUNCTIONS.includes(name)) {
    if (typeof value === 'function') return value;
    throw typeError(prefix + name, 'a function', value);
  }
  const { read, what } = CLIENT_OPTIONS[name];
  if (value !== null && !['string', 'number', 'boolean'].includes(typeof value)) {
    throw typeError(prefix + name, what, value);
  }
  const option = read(String(value));
  if (option === undefined) throw valueError(prefix + name, what, value);
  return option;
}

/**
 * Reads the fields of an object `{ host, port, path, family, db, username, password }`, as ioredis takes it, and its
 * options for `client`.
 *
 * @param {Record<string, unknown>} given numbers may be strings, as in environment variables
 * @param {string} [prefix] the prefix of names in errors, such as `connectionString.`
 * @returns {ServerSettings}
 * @throws {TypeError}
 */
function readServerFields(given, prefix = '') {
  const read = readFields(given, Object.keys(FIELDS), prefix);
  return toServer({ ...read, ...readClientOptions(given, prefix) });
}

/**
 * Reads the fields of an object that have these names.
 *
 * @param {Record<string, unknown>} given numbers may be strings
 * @param {string[]} names
 * @param {string} [prefix] the prefix of names in errors
 * @returns {Record<string, any>} only the fields that are given
 */
function readFields(given, names, prefix = '') {
  const entries = names.map((name) => [name, readField(prefix + name, name, given[name])]);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

/**
 * @param {string} path the path of the field, for errors
 * @param {string} name
 * @param {unknown} value
 * @returns {any} undefined if it is left out
 */
function readField(path, name, value) {
  if (isLeftOut(value)) return undefined;
  const { read, what } = QUERY.get(name);
  if (typeof value === 'function' && PASSWORD_NAMES.includes(name)) return value;
  if (typeof value !== 'string' && typeof value !== 'number') throw typeError(path, what, value);
  const field = read(String(value));
  if (field !== undefined) return field;
  const isOutside = Object.hasOwn(NUMBER_KINDS, name) && typeof value === 'number';
  throw (isOutside ? rangeError : valueError)(path, what, value);
}

/** @returns {ServerSettings} */
function toServer({ username, password, tls = false, ...fields }) {
  return {
    host: fields.host ?? 'localhost',
    port: fields.port ?? 6379,
    path: fields.path,
    family: fields.family ?? 0,
    db: fields.db ?? 0,
    // Without a password no AUTH is sent. ioredis does the same.
    username: password ? username || undefined : undefined,
    password: readPassword('password', password),
    tls,
    clientOptions: Object.freeze(pick(fields, CLIENT_OPTION_NAMES)),
  };
}

/**
 * Returns a host in the form in which it is looked up: lower case, punycode. Returns undefined if the text is no host.
 *
 * @param {string} given IPv6 without brackets
 */
function readHost(given) {
  if (isIPv6(given) && !given.includes('%')) return given.toLowerCase();
  // domainToASCII drops everything after a slash, and turns 6379 into the address 0.0.24.235.
  if (/[\s/?#\\%]|^\d+$/.test(given)) return undefined;
  const host = domainToASCII(given);
  return /^\w[\w.-]*$/.test(host) ? host : undefined;
}

/** @param {unknown} value */
function isLeftOut(value) {
  return value === undefined || value === null || value === '';
}

/** @template T @param {T} value @param {...string} names @returns {Record<string, T>} */
function all(value, ...names) {
  return Object.fromEntries(names.map((name) => [name, value]));
}

/** @param {string[]} names @param {string} why @returns {Record<string, string>} */
function describeAll(names, why) {
  return Object.fromEntries(names.map((name) => [name, `a URL without ${name}, ${why}`]));
}

/** Returns the properties of an object that have these names. @param {object} object @param {string[]} names */
function pick(object, names) {
  return Object.fromEntries(Object.entries(object).filter(([name]) => names.includes(name)));
}

module.exports = {
  FIELDS,
  FIELD_NAMES: Object.keys(FIELDS),
  CLIENT_OPTION_NAMES,
  NUMBER_NAMES: Object.keys(NUMBER_KINDS),
  QUERY,
  SENTINEL_NAMES: Object.keys(SENTINEL_FIELDS),
  NOT_IN_A_QUERY,
  PASSWORD_NAMES,
  readClientOptions,
  readField,
  readFields,
  readServerFields,
  toServer,
  isLeftOut,
  all,
  pick,
};
