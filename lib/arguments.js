'use strict';

// Checks the arguments of the methods and spells them for the boundary. What is wrong is thrown;
// the methods turn it into a rejection.

const { isNativeError } = require('node:util/types');
const { rangeError, typeError, valueError } = require('./errors.js');

/** Far beyond any user's name; a key, and every message about it, has to hold it. */
const LONGEST_NAME = 4096;

/** No token is half as long, so a longer one opens no session: it need not be looked up. */
const LONGEST_TOKEN = 4096;

/** Redis keeps times as integers of milliseconds, and Lua as doubles: beyond is for ever. */
const LONGEST_DURATION_MS = Number.MAX_SAFE_INTEGER / 2;

/** What JSON.stringify refuses by itself, by the words of V8 or JavaScriptCore. @type {[RegExp, string][]} */
const NOT_IN_JSON = [
  [/circular|cyclic/i, 'circular references'],
  [/BigInt/, 'bigints'],
];

/**
 * The error of a method's argument whose properties could not be read.
 *
 * @param {unknown} request
 * @param {unknown} cause what reading it threw
 */
function unreadable(request, cause) {
  return request === undefined || request === null
    ? typeError('the argument', 'an object', request)
    : valueError('the argument', 'an object that can be read', request, { cause });
}

/**
 * The name of an app or an owner: a string, or a number as 1.x took it.
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
 * @returns {string | undefined} nothing if no session can have such a token
 */
function checkToken(value) {
  if (typeof value !== 'string') {
    // A request without a cookie: it opens no session, and is no mistake of the program.
    if (value === undefined || value === null) return undefined;
    throw typeError('token', 'a string, undefined or null', value);
  }
  return value === '' || value.length > LONGEST_TOKEN ? undefined : value;
}

/**
 * The error of a request that calls the duration as other libraries do. Ignored, it would make a session
 * of a day.
 *
 * @param {Record<string, unknown>} others by name; undefined is left out
 */
function mistakenDuration(others) {
  const [name, value] = Object.entries(others).find(([, value]) => value !== undefined);
  return valueError(name, 'left out (`duration` sets how many seconds a session lives)', value);
}

/**
 * @param {unknown} value seconds; fractions are kept to the millisecond
 * @param {string} [name]
 * @returns {number} milliseconds; 0 for ever
 */
function checkDuration(value, name = 'duration') {
  const what = 'a positive number of seconds or Infinity';
  if (typeof value !== 'number') throw typeError(name, what, value);
  // The negation catches NaN.
  if (!(value > 0)) throw rangeError(name, what, value);
  const ms = Math.max(1, Math.round(value * 1000));
  return ms > LONGEST_DURATION_MS ? 0 : ms;
}

/**
 * @param {unknown} value whatever JSON writes as an object
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
  // JSON writes a promise as {}, and a session without its data would be kept.
  if (isPromise) throw typeError('data', 'an object, not a promise of one', value);
  if (json?.charCodeAt(0) !== 123 /* { */) throw typeError('data', 'an object', value);
  // A character of UTF-16 is at most three bytes of UTF-8, so most need not be counted.
  if (json.length > maxDataSize / 3 && Buffer.byteLength(json) > maxDataSize) {
    throw rangeError('data', `at most ${maxDataSize} bytes of JSON (maxDataSize)`, value);
  }
  return json;
}

/**
 * The error of data that JSON.stringify cannot write. What it says itself of a circle repeats keys of
 * the data, so that is said in our words; what the data's own code has thrown is kept.
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
