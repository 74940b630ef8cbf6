'use strict';

// Checks the options of SessionStore.

const { checkDuration, checkName } = require('../arguments.js');
const { rangeError, typeError, valueError } = require('../errors.js');
const { partsOf } = require('../operations.js');
const { readObject } = require('../read-object.js');

const NAMES = ['sessions', 'app', 'ownerId', 'duration', 'touchAfter'];

/**
 * @typedef {object} StoreSettings
 * @property {import('../../index.js').SpotsSessions} sessions
 * @property {boolean} isInMemory
 * @property {string} app
 * @property {(session: any) => unknown} findOwner
 * @property {number} durationMs Infinity: a session never ends
 * @property {number | undefined} touchAfterMs undefined: a tenth of the time to live
 */

/**
 * @param {unknown} options
 * @returns {Readonly<StoreSettings>}
 * @throws {TypeError | RangeError}
 */
function readOptions(options) {
  const given = readObject('options', options, NAMES, 'an object');
  const { sessions, app, ownerId = () => undefined, touchAfter } = given;
  const { defaultDuration, server } = settingsOf(sessions);
  const { duration = defaultDuration } = given;
  if (typeof ownerId !== 'function') throw typeError('ownerId', 'a function', ownerId);
  return Object.freeze({
    sessions,
    isInMemory: server === null,
    app: readApp(app),
    findOwner: ownerId,
    durationMs: checkDuration(duration) || Infinity,
    touchAfterMs: touchAfter === undefined ? undefined : readTouchAfter(touchAfter) * 1000,
  });
}

/** @param {unknown} sessions */
function settingsOf(sessions) {
  try {
    return partsOf(sessions).settings;
  } catch {
    throw typeError('sessions', 'an instance of SpotsSessions', sessions);
  }
}

/** @param {unknown} app */
function readApp(app) {
  const name = checkName('app', app);
  // Such an app is in keys in a form that SCAN's answer does not tell from others.
  if (!name.isWellFormed()) throw valueError('app', 'a string without lone surrogates', app);
  return name;
}

/** @param {unknown} value */
function readTouchAfter(value) {
  const what = 'a number of seconds, 0 or more';
  if (typeof value !== 'number') throw typeError('touchAfter', what, value);
  // The negation also refuses NaN.
  if (!(value >= 0)) throw rangeError('touchAfter', what, value);
  return value;
}

module.exports = { readOptions };
