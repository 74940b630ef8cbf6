'use strict';

// Checks the arguments of the methods and prepares them for the boundary. A wrong argument throws an error. The methods
// turn that error into a rejection.

const { isNativeError } = require('node:util/types');
const { rangeError, typeError, valueError } = require('./errors.js');

/** The longest name of an app or an owner, in characters. Keys hold the app and records hold the owner. */
const LONGEST_NAME = 4096;

/** A longer token opens no session, so it is not looked up. Our longest is 1024 bytes in hex: 2048 characters. */
const LONGEST_TOKEN = 4096;

/** A longer duration means that the session never expires: Lua keeps times as doubles, Redis as integers. */
const LONGEST_DURATION_MS = Number.MAX_SAFE_INTEGER / 2;

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
    if (value.length > LONGEST_NAME) {
      throw rangeError(name, `at most ${LONGEST_NAME} characters long`, value);
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
 * @returns {string | undefined} undefined if no session can have this token
 */
function checkToken(value) {
  if (typeof value !== 'string') {
    // A request without a cookie has no token. That is not a mistake in the program.
    if (value === undefined || value === null) return undefined;
    throw typeError('token', 'a string, undefined or null', value);
  }
  return value === '' || value.length > LONGEST_TOKEN ? undefined : value;
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
  return ms > LONGEST_DURATION_MS ? 0 : ms;
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

module.exports = { checkData, checkDuration, checkName, checkToken, mistakenDuration, unreadable };
