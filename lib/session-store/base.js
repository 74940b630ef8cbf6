'use strict';

// The base of a session: what it held when it was loaded or last written. A write sends only the difference to it, so
// that requests at the same time do not undo each other's changes.

const { inspect } = require('node:util');
const { KEY, attributesOf, textsOf } = require('./texts.js');

class Base {
  /** @type {import('./texts.js').Texts | undefined} */
  #texts;
  /** What the session held as it was loaded, as JSON. Few requests need the texts, so they are made from it then. */
  #json = '';
  /** The attributes of the cookie as it was loaded. */
  attributes = '';
  /** Its owner; undefined if it is anonymous. @type {string | undefined} */
  ownerId;
  /** When it ends: ms, or Infinity. */
  expiresAt = Infinity;
  /** Whether it was loaded, and not made by this request. */
  isLoaded = false;
  /** @type {Promise<unknown> | undefined} */
  #lastWrite;

  /** @param {string} token the session that this is about */
  constructor(token) {
    this.token = token;
  }

  /**
   * Notes that it was loaded.
   *
   * @param {any} data
   * @param {string | undefined} ownerId
   * @param {number} expiresAt
   */
  load(data, ownerId, expiresAt) {
    this.#json = JSON.stringify(data);
    Object.assign(this, {
      ownerId,
      expiresAt,
      attributes: attributesOf(data.cookie),
      isLoaded: true,
    });
    return this;
  }

  /** What the session held; undefined if it was never written. */
  get texts() {
    if (this.#texts === undefined && this.isLoaded) this.#texts = textsOf(JSON.parse(this.#json));
    return this.#texts;
  }

  set texts(texts) {
    this.#texts = texts;
  }

  /** Whether it was loaded, and no write has begun since. */
  get isAsLoaded() {
    return this.isLoaded && this.#lastWrite === undefined;
  }

  /**
   * Keeps what was written.
   *
   * @param {import('./texts.js').Texts} texts
   * @param {string | undefined} ownerId
   * @param {number} expiresAt
   */
  keep(texts, ownerId, expiresAt) {
    Object.assign(this, { texts, ownerId, expiresAt });
    return this;
  }

  /**
   * Writes after the writes before it.
   *
   * @template T
   * @param {() => Promise<T>} write
   * @returns {Promise<T>}
   */
  inTurn(write) {
    const written = Promise.resolve(this.#lastWrite).then(write);
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
 * Finds the base of a session. A base that was copied from a session with another id does not count.
 *
 * @param {any} session
 * @param {string} token
 * @returns {Base | undefined}
 */
function baseOf(session, token) {
  const base = session[KEY];
  return base instanceof Base && base.token === token ? base : undefined;
}

/**
 * Hangs a base on a session. An object that cannot be extended stays without one.
 *
 * @param {object} session
 * @param {Base} base
 * @param {{ isCopied?: boolean }} [how] whether a `for…in` shall copy it, as @fastify/session does
 */
function setBase(session, base, { isCopied = false } = {}) {
  const property = { value: base, enumerable: isCopied, configurable: true, writable: true };
  Reflect.defineProperty(session, KEY, property);
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

module.exports = { Base, baseOf, setBase, takeBase };
