'use strict';

// Reads the objects of options that users pass. Such an object may be a proxy, or have getters that throw.

const { typeError } = require('./errors.js');

/**
 * Reads the named properties of an object, each only once. Refuses any other property, because it is likely a typo.
 *
 * @param {string} name the name of the object in errors
 * @param {unknown} object null counts as an empty object
 * @param {string[]} names the properties that it may have
 * @param {string} what what the object should be, for errors
 * @param {string[]} [more] further properties that it may have; the error about a typo does not list them
 * @returns {Record<string, any>} the value of each name; undefined if it is left out
 */
function readObject(name, object, names, what, more = []) {
  if (object === null) return {};
  if (typeof object !== 'object') throw typeError(name, what, object);
  const values = {};
  let unknown, isOther;
  try {
    const known = [...names, ...more];
    unknown = Object.keys(object).find((key) => !known.includes(key));
    for (const key of known) values[key] = read(key, object[key]);
    // An array, a Buffer and a String object have their elements as properties.
    isOther = unknown === '0' || (saysNothing(object, values) && !isPlain(object));
  } catch (cause) {
    throw typeError(name, `${what} that can be read`, object, { cause });
  }
  // For example a Map, or a promise that was not awaited. It would mean all defaults, and so localhost.
  if (isOther) throw typeError(name, what, object);
  if (unknown !== undefined) {
    const path = name === 'options' ? unknown : `${name}.${unknown}`;
    throw unknownOption(path.slice(0, 100), names);
  }
  return values;
}

/** Whether an object has no properties. @param {object} object @param {Record<string, unknown>} values read from it */
function saysNothing(object, values) {
  const isEmpty = Object.keys(object).length === 0;
  return isEmpty && Object.values(values).every((value) => value === undefined);
}

/** Whether an object is a plain `{}` of any realm, or has no prototype. @param {object} object */
function isPlain(object) {
  const prototype = Object.getPrototypeOf(object);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/**
 * Takes null for a property that is left out. Only in ioredis' `maxRetriesPerRequest` it has a meaning: no limit.
 *
 * @param {string} key
 * @param {any} value
 */
function read(key, value) {
  return value === null && key !== 'maxRetriesPerRequest' ? undefined : value;
}

/** @param {string} name @param {string[]} names all options */
function unknownOption(name, names) {
  const error = new TypeError(`unknown option \`${name}\`: the options are ${names.join(', ')}`);
  return Object.assign(error, { code: 'ERR_INVALID_ARG_VALUE' });
}

module.exports = { isPlain, readObject };
