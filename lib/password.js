'use strict';

// Passwords that a function of the program gives, because they expire.

const { typeError, valueError } = require('./errors.js');

/**
 * A function that gives a password. It rejects if the program's function throws, rejects or gives no password.
 *
 * @typedef {() => Promise<string>} AskPassword
 */

/**
 * Makes a function of the program check what it gives. An empty password would mean that there is no login.
 *
 * @param {string} name the option
 * @param {() => unknown} given
 * @returns {AskPassword}
 */
function askPassword(name, given) {
  return async () => {
    const password = await given();
    const result = `what \`${name}\` gives`;
    if (typeof password !== 'string') throw typeError(result, 'a string', password);
    if (password === '') throw valueError(result, 'a string that is not empty', password);
    return password;
  };
}

/**
 * Returns a password as the settings hold it. An empty one counts as left out.
 *
 * @param {string} name the option
 * @param {string | (() => unknown) | undefined} given
 * @returns {string | AskPassword | undefined}
 */
function readPassword(name, given) {
  return typeof given === 'function' ? askPassword(name, given) : given || undefined;
}

module.exports = { readPassword };
