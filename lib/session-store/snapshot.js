'use strict';

// What a session holds at one moment, by its keys. A value that cannot change is kept as it is, and others as JSON text.
// The text tells whether a value has changed, also inside an object that was changed in place.

const { typeError, valueError } = require('../errors.js');
const { timeOf } = require('./expiry.js');

/** The property of a session that holds its base. */
const KEY = '@spots-tech/sessions';

/** @typedef {Map<string, unknown>} Snapshot of primitives, `Json` and one `Cookie` */

class Json {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }
}

class Cookie {
  /** @param {object} cookie of either framework, or as JSON has it */
  constructor(cookie) {
    const { toJSON } = /** @type {any} */ (cookie);
    this.plain = typeof toJSON === 'function' ? toJSON.call(cookie) : { ...cookie };
  }

  /** Whether it has the same attributes. Its `expires` changes with every request, so only whether it is set counts. */
  isLike(/** @type {Cookie} */ other) {
    const [mine, theirs] = [this.plain, other.plain];
    for (const name of Object.keys(mine)) if (!isSameIn(name, mine, theirs)) return false;
    for (const name of Object.keys(theirs)) if (!isSameIn(name, mine, theirs)) return false;
    return (timeOf(mine.expires) === undefined) === (timeOf(theirs.expires) === undefined);
  }
}

/** Whether two cookies have the same attribute, or it is an end. @param {string} name @param {object} one @param {object} other */
function isSameIn(name, one, other) {
  if (one[name] === other[name] || name === 'expires' || name === 'originalExpires') return true;
  return isSame(freeze(one[name]), freeze(other[name]));
}

/**
 * @param {any} session
 * @returns {Snapshot} without what JSON leaves out: functions and undefined
 */
function snapshotOf(session) {
  if (typeof session !== 'object' || session === null)
    throw typeError('session', 'an object', session);
  const snapshot = new Map();
  try {
    for (const key of Object.keys(session)) {
      if (key === KEY) continue;
      const value = session[key];
      const isCookie = key === 'cookie' && typeof value === 'object' && value !== null;
      const frozen = isCookie ? new Cookie(value) : freeze(value);
      if (frozen !== undefined) snapshot.set(key, frozen);
    }
  } catch {
    // JavaScript's own message repeats keys of the session.
    throw valueError('session', 'an object without bigints and circular references', session);
  }
  return snapshot;
}

/** Returns a value as JSON keeps it, so that nothing can change it; undefined if JSON leaves it out. @param {unknown} value */
function freeze(value) {
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'undefined':
      return value;
    case 'number':
      return Number.isFinite(value) ? value : null;
  }
  if (value === null) return null;
  const text = JSON.stringify(value);
  return text === undefined ? undefined : new Json(text);
}

/** @param {unknown} frozen */
function textOf(frozen) {
  return frozen instanceof Json ? frozen.text : JSON.stringify(frozen);
}

/** @param {unknown} frozen */
function thaw(frozen) {
  if (frozen instanceof Cookie) return frozen.plain;
  return frozen instanceof Json ? JSON.parse(frozen.text) : frozen;
}

/** @param {Iterable<[string, unknown]>} entries of a snapshot @returns {Record<string, any>} */
function valuesOf(entries) {
  const values = {};
  for (const [key, frozen] of entries) setOwn(values, key, thaw(frozen));
  return values;
}

/** Sets a property, also one with the name `__proto__`. @param {object} object @param {string} key @param {unknown} value */
function setOwn(object, key, value) {
  if (key !== '__proto__') object[key] = value;
  else Object.defineProperty(object, key, { value, enumerable: true });
}

/**
 * @param {Snapshot} before
 * @param {Snapshot} after
 * @returns {{ set: Record<string, any>, deleted: string[] }} what leads from one to the other
 */
function differenceOf(before, after) {
  const set = {};
  const deleted = [];
  for (const [key, frozen] of after) {
    if (!isSame(before.get(key), frozen)) setOwn(set, key, thaw(frozen));
  }
  for (const key of before.keys()) if (!after.has(key)) deleted.push(key);
  return { set, deleted };
}

/** Whether two snapshots have the same data, whatever their cookies are. @param {Snapshot} one @param {Snapshot} other */
function isSameData(one, other) {
  const { set, deleted } = differenceOf(one, other);
  return [...Object.keys(set), ...deleted].every((key) => key === 'cookie');
}

/** Whether two values of snapshots are the same. @param {unknown} one @param {unknown} other */
function isSame(one, other) {
  if (one === other) return true;
  if (one instanceof Cookie && other instanceof Cookie) return one.isLike(other);
  // A text and a date may be the same in JSON.
  return (one instanceof Json || other instanceof Json) && textOf(one) === textOf(other);
}

module.exports = { KEY, differenceOf, isSame, isSameData, snapshotOf, valuesOf };
