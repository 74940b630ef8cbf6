'use strict';

// Checks the arguments of the methods and prepares them for the boundary. A wrong argument throws an error. The methods
// turn that error into a rejection.

const { isNativeError } = require('node:util/types');
const { rangeError, typeError, valueError } = require('./errors.js');

/** The longest name of an app or an owner, in characters. Keys hold the app and records hold the owner. */
const MAX_NAME_CHARS = 4096;

/** A longer token opens no session, so it is not looked up. Our longest is 1024 bytes in hex: 2048 characters. */
const MAX_TOKEN_CHARS = 4096;

/** A longer duration means that the session never expires: Lua keeps times as doubles, Redis as integers. */
const MAX_DURATION_MS = Number.MAX_SAFE_INTEGER / 2;

/** The id of a session. It is longer if the token was not made for the session's owner. */
const ID = /^[\w-]{22}(?:[\w-]{6})?$/;

/** The most sessions that `list` returns. */
const MAX_LISTED = 1000;

/** The most that `maxSessions` can be. */
const MAX_SESSIONS = 10_000;

/**
 * What JSON.stringify itself refuses to write: how V8 or JavaScriptCore says so, and our word for it.
 *
 * @type {[RegExp, string][]}
 */
const NOT_IN_JSON = [
  [/circular|cyclic/i, 'circular references'],
  [/BigInt/, 'bigints'],
];

/**
 * Makes the error for a method's argument whose properties could not be read.
 *
 * @param {unknown} request
 * @param {unknown} cause the error that reading it threw
 */
function unreadable(request, cause) {
  return request === undefined || request === null
    ? typeError('the argument', 'an object', request)
    : valueError('the argument', 'an object that can be read', request, { cause });
}

/**
 * Checks the name of an app or an owner and returns it as a string. Numbers are allowed because 1.x allowed them.
 *
 * @param {string} name
 * @param {unknown} value
 * @returns {string}
 */
function checkName(name, value) {
  if (typeof value === 'string') {
    if (value === '') throw valueError(name, 'a non-empty string', value);
    if (value.length > MAX_NAME_CHARS) {
      throw rangeError(name, `at most ${MAX_NAME_CHARS} characters long`, value);
    }
    return value;
  }
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return String(value);
    throw valueError(name, 'a non-empty string or a finite number', value);
  }
  if (typeof value === 'bigint') return checkName(name, String(value));
  throw typeError(name, 'a non-empty string or a finite number', value);
}

/**
 * @param {unknown} value
 * @param {string} [name]
 * @returns {string | undefined} undefined if no session can have this token
 */
function checkToken(value, name = 'token') {
  if (typeof value !== 'string') {
    // A request without a cookie has no token. That is not a mistake in the program.
    if (value === undefined || value === null) return undefined;
    throw typeError(name, 'a string, undefined or null', value);
  }
  return value === '' || value.length > MAX_TOKEN_CHARS ? undefined : value;
}

/**
 * @param {unknown} value
 * @returns {string | undefined} undefined if no session can have this id
 */
function checkId(value) {
  if (typeof value !== 'string') throw typeError('id', 'a string from `info` or `list`', value);
  return ID.test(value) ? value : undefined;
}

/** @param {unknown} token */
function bothTokenAndId(token) {
  return valueError('token', 'left out, because there is an `id`', token);
}

/** @param {unknown} value */
function checkLimit(value) {
  return checkInteger('limit', value, 1, MAX_LISTED);
}

/**
 * Checks the limits of a session's life.
 *
 * @param {unknown} sliding
 * @param {unknown} lifetime
 * @param {unknown} maxSessions
 * @returns {string} the field: empty without limits
 */
function limitsField(sliding, lifetime, maxSessions) {
  if (sliding === false && lifetime === Infinity && maxSessions === Infinity) return '';
  checkSliding('sliding', sliding);
  const ms = checkDuration(lifetime, 'lifetime');
  const most = checkMaxSessions('maxSessions', maxSessions);
  return `${sliding ? 1 : 0} ${ms} ${most === Infinity ? 0 : most}`;
}

/** @param {string} name @param {any} value */
function checkSliding(name, value) {
  if (typeof value !== 'boolean') throw typeError(name, 'true or false', value);
  return value;
}

/** @param {string} name @param {any} value */
function checkMaxSessions(name, value) {
  return value === Infinity ? value : checkInteger(name, value, 1, MAX_SESSIONS, ' or Infinity');
}

/**
 * @param {string} name
 * @param {any} value
 * @param {number} min
 * @param {number} max
 * @param {string} [more] what else the value may be, for errors
 * @returns {number}
 */
function checkInteger(name, value, min, max, more = '') {
  const what = `an integer from ${min} to ${max}${more}`;
  if (typeof value !== 'number') throw typeError(name, what, value);
  if (!Number.isInteger(value) || value < min || value > max) throw rangeError(name, what, value);
  return value;
}

/**
 * Refuses a property that a method does not have, because it is likely a mistake.
 *
 * @param {string} method
 * @param {object} request
 * @param {string[]} names the properties that it has
 */
function refuseUnknown(method, request, names) {
  let unknown;
  try {
    unknown = Object.keys(request).find((name) => !names.includes(name));
  } catch (cause) {
    throw unreadable(request, cause);
  }
  if (unknown === undefined) return;
  const list = names.join(', ');
  const error = new TypeError(
    `unknown property \`${unknown.slice(0, 100)}\`: ${method} takes ${list}`,
  );
  throw Object.assign(error, { code: 'ERR_INVALID_ARG_VALUE' });
}

/**
 * Makes the error for a request that gives the duration under a name that other libraries use. If it were ignored, the
 * session would live for `defaultDuration`.
 *
 * @param {Record<string, unknown>} others those names and their values; at least one is not undefined
 */
function mistakenDuration(others) {
  const [name, value] = Object.entries(others).find(([, value]) => value !== undefined);
  return valueError(name, 'left out (`duration` sets how many seconds a session lives)', value);
}

/**
 * @param {unknown} value seconds; fractions are kept to the millisecond
 * @param {string} [name]
 * @returns {number} milliseconds; 0: the session never expires
 */
function checkDuration(value, name = 'duration') {
  const what = 'a positive number of seconds or Infinity';
  if (typeof value !== 'number') throw typeError(name, what, value);
  // The negation also refuses NaN.
  if (!(value > 0)) throw rangeError(name, what, value);
  const ms = Math.max(1, Math.round(value * 1000));
  return ms > MAX_DURATION_MS ? 0 : ms;
}

/**
 * @param {unknown} value anything that JSON writes as an object
 * @param {number} maxDataSize bytes
 * @returns {string} the JSON
 */
function checkData(value, maxDataSize) {
  let json, isPromise;
  try {
    isPromise = typeof (/** @type {any} */ (value)?.then) === 'function';
    json = JSON.stringify(value);
  } catch (cause) {
    throw unwritable(value, cause);
  }
  // JSON writes a promise as {}, so the session would be kept without its data.
  if (isPromise) throw typeError('data', 'an object, not a promise of one', value);
  if (json?.charCodeAt(0) !== 123 /* { */) throw typeError('data', 'an object', value);
  // A character of UTF-16 is at most three bytes of UTF-8, so the bytes of a short text need no count.
  if (json.length > maxDataSize / 3 && Buffer.byteLength(json) > maxDataSize) {
    throw rangeError('data', `at most ${maxDataSize} bytes of JSON (maxDataSize)`, value);
  }
  return json;
}

/**
 * Makes the error for data that JSON.stringify cannot write. JavaScript's message about a circular reference repeats
 * keys of the data, so our message replaces it. An error that the data's own code threw is kept as the cause.
 *
 * @param {unknown} value
 * @param {unknown} cause
 */
function unwritable(value, cause) {
  const words = isNativeError(cause) ? cause.message : '';
  const [, what] = NOT_IN_JSON.find(([pattern]) => pattern.test(words)) ?? [];
  return what === undefined
    ? valueError('data', 'an object that JSON.stringify can write', value, { cause })
    : valueError('data', `an object without ${what}, which JSON cannot write`, value);
}

module.exports = {
  bothTokenAndId,
  checkData,
  checkDuration,
  checkId,
  checkInteger,
  checkLimit,
  limitsField,
  checkMaxSessions,
  checkName,
  checkSliding,
  checkToken,
  mistakenDuration,
  refuseUnknown,
  unreadable,
};
