'use strict';

// What users are told of an instance's connections without asking: events, and a warning of a server
// that may evict sessions. src/event.rs is where they come from.

const { errorMonitor } = require('node:events');
const { SpotsSessionsError } = require('./errors.js');

// Node's own, taken when this module loads, so that a test's fake timers do not stop the events.
const { setImmediate } = require('node:timers');

/** What is emitted for each kind of event. @type {Record<string, string[]>} */
const NAMES = {
  ready: ['ready'],
  lost: ['reconnecting'],
  failed: ['error', 'reconnecting'],
};

/**
 * Tells of an event, in a turn of the event loop of its own: a listener may throw, and that must not
 * keep answers from their calls.
 *
 * @param {import('node:events').EventEmitter} sessions
 * @param {() => boolean} isClosed
 * @param {[kind: string, ...words: string[]]} event
 */
function announce(sessions, isClosed, [kind, ...words]) {
  if (kind === 'evicts') return warnOfEviction(words[0], words[1]);
  const [code, message, redisCode] = words;
  const about = code === undefined ? [] : [new SpotsSessionsError(code, message, redisCode)];
  for (const name of NAMES[kind]) {
    setImmediate(() => {
      if (isClosed()) return;
      // An emitter throws an error that nobody listens for; who monitors errors is told even so.
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
