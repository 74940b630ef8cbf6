'use strict';

// The exit codes, and the one line that an error becomes.

const { plain } = require('./layout.js');

/** docs/command-line.md lists them. */
const EXIT = { fine: 0, wrong: 1, usage: 2, unreachable: 3, interrupted: 130 };

/** The codes with which a server refuses a login. */
const LOGIN = ['NOAUTH', 'WRONGPASS'];
/** How Redis before 6 says that, which has no codes for it: a wrong password, and a user, which it does not know. */
const OLD_LOGIN = /\bERR (invalid password|wrong number of arguments for 'auth')/;

/** The codes of the errors that our methods and Node have for a wrong argument. */
const ARGUMENT = ['ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_VALUE', 'ERR_OUT_OF_RANGE'];

/** A mistake in the command line. The message says what to write instead. */
class UsageError extends Error {}

/** @param {any} error */
function exitCodeOf(error) {
  if (error instanceof UsageError || ARGUMENT.includes(error.code)) return EXIT.usage;
  const isAway =
    ['ERR_SESSIONS_CONNECTION', 'ERR_SESSIONS_TIMEOUT'].includes(error.code) ||
    error.name === 'MaxRetriesPerRequestError'; // of ioredis
  const isRefused = LOGIN.includes(error.redisCode) || OLD_LOGIN.test(error.message);
  return isAway || isRefused ? EXIT.unreachable : EXIT.wrong;
}

/** Whether the server asks for a password. Sentinels ask for another one. @param {any} error */
function needsPassword(error) {
  return error.redisCode === 'NOAUTH' && !error.message.includes('sentinelPassword');
}

/**
 * Returns what an error says, as one line. The errors of the methods hold nothing secret, and say what to do. A server
 * may have put anything into the others.
 *
 * @param {any} error
 */
function describeError(error) {
  const words = String(error?.message ?? error);
  // The arguments of a command that the server does not know may be keys.
  return plain(words.replace(/,? *with args beginning with.*/su, '')).slice(0, 400);
}

module.exports = { EXIT, UsageError, describeError, exitCodeOf, needsPassword };
