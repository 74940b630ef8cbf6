'use strict';

// What a session holds, as the JSON text of each key. The text tells whether a value has changed, also inside an object
// that was changed in place.

const { typeError, valueError } = require('../errors.js');
const { timeOf } = require('./expiry.js');

/** The property of a session that holds its base. */
const KEY = '@spots-tech/sessions';

/** @typedef {Map<string, string>} Texts */

/**
 * @param {any} session
 * @returns {Texts} without what JSON leaves out: functions and undefined
 */
function textsOf(session) {
  if (typeof session !== 'object' || session === null)
    throw typeError('session', 'an object', session);
  const texts = new Map();
  try {
    for (const key of Object.keys(session)) {
      const text = key === KEY ? undefined : JSON.stringify(session[key]);
      if (text !== undefined) texts.set(key, text);
    }
  } catch {
    // JavaScript's own message repeats keys of the session.
    throw valueError('session', 'an object without bigints and circular references', session);
  }
  return texts;
}

/** @param {Texts} texts @returns {Record<string, any>} */
function valuesOf(texts) {
  return Object.fromEntries(Array.from(texts, ([key, text]) => [key, JSON.parse(text)]));
}

/**
 * @param {Texts} before
 * @param {Texts} after
 * @returns {{ set: Record<string, any>, deleted: string[] }} what leads from one to the other
 */
function differenceOf(before, after) {
  const changed = Array.from(after).filter(([key, text]) => !isSame(key, before.get(key), text));
  const deleted = Array.from(before.keys()).filter((key) => !after.has(key));
  return { set: valuesOf(new Map(changed)), deleted };
}

/** @param {string} key @param {string | undefined} before @param {string} after */
function isSame(key, before, after) {
  if (before === after) return true;
  if (key !== 'cookie' || before === undefined) return false;
  return attributesOf(JSON.parse(before)) === attributesOf(JSON.parse(after));
}

/**
 * The attributes of a cookie, as JSON. Its `expires` changes with every request, so only whether it is set counts.
 *
 * @param {any} cookie of either framework, or as JSON has it
 */
function attributesOf(cookie) {
  const plain = typeof cookie?.toJSON === 'function' ? cookie.toJSON() : cookie;
  const { expires, originalExpires, ...attributes } = Object(plain);
  return JSON.stringify([attributes, timeOf(expires) !== undefined]);
}

module.exports = { KEY, attributesOf, differenceOf, textsOf, valuesOf };
