'use strict';

// Opens an instance for a command. Asks for a password if one is missing and a person can answer.

const { UsageError, needsPassword } = require('./errors.js');
const { instanceOptions } = require('./options.js');

/**
 * Runs `use` with an instance, and closes the instance. If the server asks for a password and none was given, `use` has
 * failed with that error; it is run again once the person has answered.
 *
 * @template T
 * @param {import('./index.js').Context} context
 * @param {(sessions: import('../../index.js').SpotsSessions, options: object) => Promise<T>} use `options` are those of
 *   the instance
 * @returns {Promise<T>}
 */
async function withSessions({ url, values, terminal }, use) {
  const options = instanceOptions(url, values);
  const { user, hasPassword } = readLogin(options);
  const ask = async () => {
    const password = await terminal.askPassword(`Password${user ? ` of ${user}` : ''}`);
    if (password === '') throw new UsageError('expected a password');
    return { ...options, password: () => password };
  };
  if (user !== undefined && !hasPassword) {
    if (terminal.canAsk) return open(await ask(), use);
    throw new UsageError(
      'the URL has a user without a password: set REDIS_URL to one that has both',
    );
  }
  try {
    return await open(options, use);
  } catch (error) {
    if (hasPassword || !needsPassword(error) || !terminal.canAsk) throw error;
  }
  return open(await ask(), use);
}

/**
 * @template T
 * @param {object} options
 * @param {(sessions: import('../../index.js').SpotsSessions, options: object) => Promise<T>} use
 */
async function open(options, use) {
  const { SpotsSessions } = require('../../index.js');
  const sessions = new SpotsSessions(options);
  try {
    return await use(sessions, options);
  } finally {
    await sessions.close();
  }
}

/**
 * Finds out who the URL says we are.
 *
 * @param {{ connectionString: string }} options
 * @returns {{ user?: string, hasPassword: boolean }}
 */
function readLogin(options) {
  const { readOptions } = require('../options.js');
  const read = (/** @type {object} */ more) => {
    try {
      const { server } = readOptions({ ...options, ...more });
      if (server === null) throw new UsageError('expected the URL of a server: memory: has none');
      return server;
    } catch (error) {
      throw error instanceof UsageError ? error : new UsageError(error.message);
    }
  };
  try {
    // A user without a password does not count, so there has to be one.
    return { user: read({ password: () => '' }).username, hasPassword: false };
  } catch {
    return { user: read({}).username, hasPassword: true };
  }
}

module.exports = { withSessions };
