'use strict';

// The base of a session: what it held when it was loaded or last written. A write sends only the difference to it, so
// that requests at the same time do not undo each other's changes.

const { inspect } = require('node:util');
const { KEY, snapshotOf } = require('./snapshot.js');

/** @typedef {{ app: string, token: string }} Place where a session is kept */

class Base {
  /** What the session held; undefined if it was never written. @type {import('./snapshot.js').Snapshot | undefined} */
  snapshot;
  /** Its owner; undefined if it is anonymous. @type {string | undefined} */
  ownerId;
  /** When it ends: ms, or Infinity. */
  expiresAt = Infinity;
  /** Whether it was loaded, and not made by this request. */
  isLoaded = false;
  /** @type {Promise<unknown> | undefined} */
  #lastWrite;

  /**
   * @param {string} sid the session that this is about
   * @param {Place} place
   */
  constructor(sid, place) {
    this.sid = sid;
    this.place = place;
  }

  /**
   * Notes that it was loaded.
   *
   * @param {any} data
   * @param {string | undefined} ownerId
   * @param {number} expiresAt
   */
  load(data, ownerId, expiresAt) {
    this.isLoaded = true;
    return this.keep(snapshotOf(data), ownerId, expiresAt);
  }

  /** Whether it was loaded, and no write has begun since. */
  get isAsLoaded() {
    return this.isLoaded && this.#lastWrite === undefined;
  }

  /**
   * Keeps what was written.
   *
   * @param {import('./snapshot.js').Snapshot} snapshot
   * @param {string | undefined} ownerId
   * @param {number} expiresAt
   */
  keep(snapshot, ownerId, expiresAt) {
    this.snapshot = snapshot;
    this.ownerId = ownerId;
    this.expiresAt = expiresAt;
    return this;
  }

  /**
   * Writes after the writes before it. The first one begins at once, so that a `destroy` in the same turn finds it.
   *
   * @template T
   * @param {() => Promise<T>} write
   * @returns {Promise<T>}
   */
  inTurn(write) {
    const written = this.#lastWrite?.then(write) ?? write();
    this.#lastWrite = written.catch(() => {});
    return written;
  }

  /** Frameworks hash a session as JSON, and some programs store it so. The base is no part of it. */
  toJSON() {
    return undefined;
  }

  [inspect.custom]() {
    return '[Base]';
  }
}

/**
 * Finds the base of a session. A base that was copied from a session with another id does not count, and neither does
 * that of another app.
 *
 * @param {any} session
 * @param {string} sid
 * @param {string} app
 * @returns {Base | undefined}
 */
function baseOf(session, sid, app) {
  const base = session[KEY];
  return base instanceof Base && base.sid === sid && base.place.app === app ? base : undefined;
}

/**
 * Hangs a base on a session. An object that cannot be extended stays without one.
 *
 * @param {object} session
 * @param {Base} base
 */
function setBase(session, base) {
  Reflect.defineProperty(session, KEY, { value: base, configurable: true, writable: true });
}

/**
 * Hangs a base on what was loaded, so that a `for…in` copies it, as @fastify/session does.
 *
 * @param {any} data
 * @param {Base} base
 */
function setCopiedBase(data, base) {
  data[KEY] = base;
}

/**
 * Takes the base from a session that was loaded. Its object then looks like any other.
 *
 * @param {any} session
 * @returns {Base | undefined}
 */
function takeBase(session) {
  const base = session[KEY];
  if (!(base instanceof Base)) return undefined;
  delete session[KEY];
  return base;
}

module.exports = { Base, baseOf, setBase, setCopiedBase, takeBase };
