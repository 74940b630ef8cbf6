'use strict';

// Reads what users pass as an object of options, which may be a proxy or have getters that throw.

const { typeError } = require('./errors.js');

/**
 * Reads the named properties of an object, each once, and refuses others, as they are likely typos.
 *
 * @param {string} name
 * @param {unknown} object null is an empty one
 * @param {string[]} names
 * @param {string} what it should be
 * @param {string[]} [more] names that a message does not list
 * @returns {Record<string, any>} undefined stands for what is left out
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
  // A promise that was not awaited, say, or a Map: it would mean all defaults, and so localhost.
  if (isOther) throw typeError(name, what, object);
  if (unknown !== undefined) {
    const path = name === 'options' ? unknown : `${name}.${unknown}`;
    throw unknownOption(path.slice(0, 100), names);
  }
  return values;
}

/** @param {object} object @param {Record<string, unknown>} values that were read */
function saysNothing(object, values) {
  const isEmpty = Object.keys(object).length === 0;
  return isEmpty && Object.values(values).every((value) => value === undefined);
}

/** Whether it is `{}` of any realm, or without a prototype. @param {object} object */
function isPlain(object) {
  const prototype = Object.getPrototypeOf(object);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** To ioredis, null is a value of one option: to wait for ever. @param {string} key @param {any} value */
function read(key, value) {
  return value === null && key !== 'maxRetriesPerRequest' ? undefined : value;
}

/** @param {string} name @param {string[]} names that there are */
function unknownOption(name, names) {
  const error = new TypeError(`unknown option \`${name}\`: the options are ${names.join(', ')}`);
  return Object.assign(error, { code: 'ERR_INVALID_ARG_VALUE' });
}

module.exports = { readObject };
