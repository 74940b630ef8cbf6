'use strict';

// Reads the options of `migrate`.

const { connectRedis } = require('../migrate/connect-redis.js');
const { version1 } = require('../migrate/version-1.js');
const { UsageError } = require('./errors.js');
const { required } = require('./options.js');

/** What our keys begin with, and those of connect-redis, if the options do not say it. */
const [OURS, THEIRS] = ['spots:', 'sess:'];

/**
 * @typedef {object} Plan
 * @property {string} from
 * @property {string} app
 * @property {import('../migrate/old-session.js').OldSystem} system
 * @property {'move' | 'copy' | 'dry-run'} mode
 * @property {number} [endlessMs]
 */

/**
 * @param {Record<string, any>} values
 * @param {import('./index.js').Command} command
 * @returns {Plan}
 */
function readPlan(values, command) {
  const [from, app] = required(values, command, 'from', 'app');
  if (app === '') throw new UsageError('--app needs a name');
  return {
    from,
    app,
    system: readSystem(from, app, values),
    mode: readMode(values),
    endlessMs: readEndless(values.endless),
  };
}

/** @param {string} from @param {string} app @param {Record<string, any>} values */
function readSystem(from, app, { 'from-prefix': prefix, owner, prefix: ours = OURS }) {
  if (from === '1.x') {
    for (const [name, value] of Object.entries({ 'from-prefix': prefix, owner })) {
      if (value !== undefined) throw new UsageError(`--${name} is only for --from connect-redis`);
    }
    return version1({ app });
  }
  if (from !== 'connect-redis') throw new UsageError('--from needs 1.x or connect-redis');
  const theirs = prefix ?? THEIRS;
  if (theirs === ours) {
    throw new UsageError('--prefix (our keys) and --from-prefix (theirs) must differ');
  }
  if (owner === '') throw new UsageError('--owner needs a path, such as passport.user');
  return connectRedis({ prefix: theirs, owner });
}

/** @param {Record<string, any>} values @returns {Plan['mode']} */
function readMode({ copy, 'dry-run': isDry, prefix = OURS }) {
  if (copy && isDry) throw new UsageError('--copy or --dry-run, not both');
  if (isDry) return 'dry-run';
  if (!copy) return 'move';
  if (prefix === OURS) {
    throw new UsageError('--copy is a rehearsal: give it a prefix of its own, --prefix rehearsal:');
  }
  return 'copy';
}

/** @param {string | undefined} seconds */
function readEndless(seconds) {
  if (seconds === undefined) return undefined;
  const ms = Number(seconds) * 1000;
  if (!(ms >= 1 && ms <= Number.MAX_SAFE_INTEGER)) {
    throw new UsageError('--endless needs a positive number of seconds');
  }
  return ms;
}

module.exports = { readPlan };
