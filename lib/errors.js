'use strict';

// The errors that users see. A message names the argument, what it should be and what came. Of a wrong value it shows at
// most a number. It never repeats a text or an object: it could be a token, a password or a session's data.

const { dirname, join, sep } = require('node:path');

/** The error of a call that failed although its arguments were valid. */
class SpotsSessionsError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {string} [redisCode] the first word of the server's own error
   * @param {ErrorOptions} [options]
   */
  constructor(code, message, redisCode, options) {
    super(message, options);
    this.code = code;
    if (redisCode !== undefined) this.redisCode = redisCode;
  }
}
Object.defineProperty(SpotsSessionsError.prototype, 'name', {
  value: 'SpotsSessionsError',
  configurable: true,
  writable: true,
});

/** Texts by which we know our own frames in a stack, and those of the channel that traces calls. */
const FOLDER = dirname(__dirname);
const OWN = [join(FOLDER, 'index.js:'), join(FOLDER, `lib${sep}`), '(node:diagnostics_channel:'];

/** How far V8's limit of frames is raised, because our own frames count too. A traced call has a few more than these. */
const OWN_FRAMES = 9;

/**
 * Makes the error of a rejected call show the code that made the call, as ioredis' `showFriendlyErrorStack` does. The
 * error is created when the answer arrives, so its own stack does not show the caller.
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
    // A program's Error.prepareStackTrace may have made something else of it.
    if (typeof stack === 'string') {
      const [, ...frames] = stack.split('\n');
      const theirs = frames.filter((frame) => !OWN.some((place) => frame.includes(place)));
      error.stack = [error, ...theirs.slice(0, limit)].join('\n');
    }
    reject(error);
  };
}

/**
 * Describes what kind of value came, without showing the value.
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

/** @param {object | Function} value may be a proxy that throws whenever it is used */
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
 * Shows a number, and describes any other value. It is for arguments that may be numbers. A number in the place of a
 * text could be a secret, and is not shown.
 *
 * @param {unknown} value
 */
function describeNumber(value) {
  return typeof value === 'number' ? String(value) : describe(value);
}

/**
 * Makes a function that creates errors about an argument.
 *
 * @template {Error} E
 * @param {new (message: string, options?: ErrorOptions) => E} Kind
 * @param {string} code
 * @param {(value: unknown) => string} [show]
 */
function argumentError(Kind, code, show = describe) {
  /**
   * @param {string} name the argument, as the caller writes it, or words for it
   * @param {string} expected what the argument should be: "a non-empty string"
   * @param {unknown} got the value that came
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
  /** For a value of the wrong type: `ERR_INVALID_ARG_TYPE`. */
  typeError: argumentError(TypeError, 'ERR_INVALID_ARG_TYPE'),
  /** For a value of the right type that cannot be used: `ERR_INVALID_ARG_VALUE`. */
  valueError: argumentError(TypeError, 'ERR_INVALID_ARG_VALUE', describeNumber),
  /** For a number or a length outside its range: `ERR_OUT_OF_RANGE`. */
  rangeError: argumentError(RangeError, 'ERR_OUT_OF_RANGE', describeNumber),
};
