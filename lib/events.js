'use strict';

// Emits the events of an instance's connections, and the warning about a server that may evict sessions. Both come from
// src/event.rs.

const { errorMonitor } = require('node:events');
const { SpotsSessionsError } = require('./errors.js');

// Node's own, taken when this module loads, so that a test's fake timers do not stop the events.
const { setImmediate } = require('node:timers');

/** The names under which each kind of event is emitted. @type {Record<string, string[]>} */
const NAMES = {
  ready: ['ready'],
  lost: ['reconnecting'],
  failed: ['error', 'reconnecting'],
  'not-extended': ['error'],
  unanswered: ['error', 'reconnecting'],
};

/**
 * Emits an event, in a turn of the event loop of its own. A listener may throw an error, and that must not stop answers
 * on their way to their calls.
 *
 * @param {import('node:events').EventEmitter} sessions
 * @param {() => boolean} isClosed
 * @param {import('./questions.js').Questions} questions
 * @param {[kind: string, ...words: string[]]} event
 */
function announce(sessions, isClosed, questions, [kind, ...words]) {
  if (kind === 'evicts') return warnOfEviction(words[0], words[1]);
  const options = kind === 'unanswered' ? questions.takeCause(words.shift() ?? '') : undefined;
  const [code, message, redisCode] = words;
  const about =
    code === undefined ? [] : [new SpotsSessionsError(code, message, redisCode, options)];
  for (const name of NAMES[kind]) {
    setImmediate(() => {
      if (isClosed()) return;
      // Without a listener, `emit('error')` would throw. Listeners for errorMonitor get the error in any case.
      const isHeard = name !== 'error' || sessions.listenerCount(name) > 0;
      sessions.emit(isHeard ? name : errorMonitor, ...about);
    });
  }
}

/** @param {string} server @param {string} policy its maxmemory-policy */
function warnOfEviction(server, policy) {
  process.emitWarning(
    `redis at ${server} may evict sessions when its memory is full (maxmemory-policy ${policy}): ` +
      'users would have to log in again, and killAll may miss sessions (set it to noeviction)',
    { type: 'SpotsSessionsWarning', code: 'SPOTS_SESSIONS_EVICTION' },
  );
}

module.exports = { announce };
