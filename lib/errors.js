'use strict';

// The errors that users see. A message names the argument, what it should be and what came, but
// never repeats a value: it could be a token, a password or a session's data.

const { dirname, join, sep } = require('node:path');

/** What went wrong with a call that reached, or could not reach, the store. */
class SpotsSessionsError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {string} [redisCode] the first word of the server's own error
   */
  constructor(code, message, redisCode) {
    super(message);
    this.code = code;
    if (redisCode !== undefined) this.redisCode = redisCode;
  }
}
Object.defineProperty(SpotsSessionsError.prototype, 'name', {
  value: 'SpotsSessionsError',
  configurable: true,
  writable: true,
});

/** Where frames of a stack lie that are ours, or that of the channel by which we trace calls. */
const FOLDER = dirname(__dirname);
const OWN = [join(FOLDER, 'index.js:'), join(FOLDER, `lib${sep}`), '(node:diagnostics_channel:'];

/** As many of these lie on top of the caller's, and count for V8's limit. */
const OWN_FRAMES = 9;

/**
 * Has what a call is rejected with tell who made the call, as ioredis' `showFriendlyErrorStack` does: the
 * error is made when the answer comes, and its own stack says nothing of the caller.
 *
 * @param {(error: Error) => void} reject
 */
function withCaller(reject) {
  const call = { stack: '' };
  const limit = Number(Error.stackTraceLimit);
  Reflect.set(Error, 'stackTraceLimit', limit + OWN_FRAMES);
  Error.captureStackTrace(call, withCaller);
  Reflect.set(Error, 'stackTraceLimit', limit);
  return (/** @type {Error} */ error) => {
    const { stack } = call;
    // A program may have had V8 make something else of it.
    if (typeof stack === 'string') {
      const [, ...frames] = stack.split('\n');
      const theirs = frames.filter((frame) => !OWN.some((place) => frame.includes(place)));
      error.stack = [error, ...theirs.slice(0, limit)].join('\n');
    }
    reject(error);
  };
}

/**
 * Names the kind of a value without showing it.
 *
 * @param {unknown} value
 */
function describe(value) {
  if (value === null) return 'null';
  if (value === undefined) return 'undefined';
  if (typeof value === 'string') {
    if (value === '') return 'an empty string';
    return `a string of ${value.length} ${value.length === 1 ? 'character' : 'characters'}`;
  }
  if (typeof value === 'object' || typeof value === 'function') return nameOfObject(value);
  return `a ${typeof value}`;
}

/** @param {object | Function} value which may be a proxy that throws at any touch */
function nameOfObject(value) {
  if (typeof value === 'function') return 'a function';
  try {
    if (Array.isArray(value)) return 'an array';
    const name = value.constructor?.name;
    return typeof name === 'string' && /^[A-Z]\w{0,40}$/.test(name) && name !== 'Object'
      ? `an instance of ${name}`
      : 'an object';
  } catch {
    return 'an object';
  }
}

/**
 * Shows a number that is wrong for what it is, and so no secret in the wrong place.
 *
 * @param {unknown} value
 */
function describeNumber(value) {
  return typeof value === 'number' ? String(value) : describe(value);
}

/**
 * @template {Error} E
 * @param {new (message: string, options?: ErrorOptions) => E} Kind
 * @param {string} code
 * @param {(value: unknown) => string} [show]
 */
function argumentError(Kind, code, show = describe) {
  /**
   * @param {string} name the argument, as the caller spells it, or words for it
   * @param {string} expected what it should be: "a non-empty string"
   * @param {unknown} got what came
   * @param {ErrorOptions} [options]
   */
  return (name, expected, got, options) => {
    const subject = name.includes(' ') ? name : `\`${name}\``;
    const error = new Kind(`expected ${subject} to be ${expected}, got ${show(got)}`, options);
    return Object.assign(error, { code });
  };
}

module.exports = {
  SpotsSessionsError,
  withCaller,
  /** The wrong type: `ERR_INVALID_ARG_TYPE`. */
  typeError: argumentError(TypeError, 'ERR_INVALID_ARG_TYPE'),
  /** The right type, but not a value that can be used: `ERR_INVALID_ARG_VALUE`. */
  valueError: argumentError(TypeError, 'ERR_INVALID_ARG_VALUE', describeNumber),
  /** A number or a length outside its range: `ERR_OUT_OF_RANGE`. */
  rangeError: argumentError(RangeError, 'ERR_OUT_OF_RANGE', describeNumber),
};
