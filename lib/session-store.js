'use strict';

// The store of express-session and @fastify/session. session-store.d.ts documents it.

const { checkName } = require('./arguments.js');
const { SpotsSessionsError } = require('./errors.js');
const { load } = require('./foreign.js');
const { Base, baseOf, setBase, setCopiedBase, takeBase } = require('./session-store/base.js');
const { endOf, setEnd } = require('./session-store/expiry.js');
const { FrameworkStore } = require('./session-store/framework-store.js');
const { Listing } = require('./session-store/listing.js');
const { idOf, tokenOf } = require('./session-store/names.js');
const { readOptions } = require('./session-store/options.js');
const { isSameData, snapshotOf } = require('./session-store/snapshot.js');
const { Writer } = require('./session-store/writer.js');

// Node's own, taken when this module loads, so that a test's fake timers do not stop the answers.
const { nextTick } = process;
const { setImmediate } = require('node:timers');

/** The errors that mean that the server cannot be reached, or takes no calls. */
const OUTAGES = ['CONNECTION', 'TIMEOUT', 'REDIS', 'OVERLOADED', 'CLOSED'].map(
  (name) => `ERR_SESSIONS_${name}`,
);

/** Sessions of requests that were destroyed. One that was never written has no other trace. */
const destroyed = new WeakSet();

class SessionStore extends FrameworkStore {
  #settings;
  #listing;
  #writer;
  #generate;
  #hasWarned = false;

  constructor(options) {
    super();
    this.#settings = readOptions(options);
    this.#listing = new Listing(this.#settings);
    this.#writer = new Writer(this.#settings, (before) => this.#warnOfLogin(before));
  }

  get(sid, callback) {
    const loaded = this.#get(sid, typeof callback === 'function');
    return answer(loaded, callback, () => this.#unloaded(sid));
  }

  set(sid, session, callback) {
    return answer(this.#set(sid, session), callback);
  }

  touch(sid, session, callback) {
    return answer(this.#touch(sid, session), callback);
  }

  destroy(sid, callback) {
    return answer(this.#destroy(sid), callback);
  }

  all(callback) {
    return answer(this.#listing.all(), callback);
  }

  ids(callback) {
    return answer(this.#listing.ids(), callback);
  }

  length(callback) {
    return answer(this.#listing.length(), callback);
  }

  clear(callback) {
    return answer(this.#listing.clear(), callback);
  }

  createSession(request, session) {
    const base = takeBase(session);
    const created = super.createSession(request, session);
    if (base) setBase(created, base);
    noteDestruction(created);
    return created;
  }

  regenerate(request, callback) {
    if (request.session) destroyed.add(request.session);
    this.destroy(request.sessionID, (error) => {
      // After an error the request keeps the old object, which never writes again. With a new one, express-session would
      // send the browser the cookie of a session that is not stored.
      if (!error) this.generate(request);
      callback(error);
    });
  }

  /** Makes the new session of a request. express-session assigns it. */
  get generate() {
    return this.#generate;
  }

  set generate(generate) {
    this.#generate = (request) => {
      generate(request);
      noteDestruction(request.session);
    };
  }

  /** @param {string} sid @param {boolean} isCopied whether a framework copies the session */
  async #get(sid, isCopied) {
    const place = this.#placeOf(sid);
    const found = await load(this.#settings.sessions, place);
    if (found === undefined) return undefined;
    const { ownerId, data, expiresAt } = found;
    setEnd(data.cookie, expiresAt);
    const base = new Base(sid, place).load(data, ownerId, Number(expiresAt ?? Infinity));
    if (isCopied) setCopiedBase(data, base);
    else setBase(data, base);
    return data;
  }

  /**
   * What a callback gets beside the error of a load. If `request.session.reload()` fails, @fastify/session makes a session of
   * it, and saves that. With this base the save changes the stored session, and does not replace it.
   *
   * @param {string} sid
   */
  #unloaded(sid) {
    const data = {};
    try {
      setCopiedBase(data, this.#unknownBase(sid));
      return data;
    } catch {
      return undefined; // it is no id
    }
  }

  /** The base of a session of which nothing is known. @param {string} sid */
  #unknownBase(sid) {
    return new Base(sid, this.#placeOf(sid)).keep(new Map(), undefined, -Infinity);
  }

  /** @param {string} sid @param {any} session */
  async #set(sid, session) {
    const snapshot = snapshotOf(session);
    const state = { snapshot, ownerId: this.#ownerOf(session), end: endOf(session.cookie) };
    const base = this.#baseOf(sid, session) ?? this.#newBase(sid, session);
    const isThere = await base.inTurn(
      async () => !destroyed.has(session) && this.#writer.write(base, state),
    );
    if (!isThere) this.#tell('gone', idOf(base.place.token));
  }

  /** @param {string} sid @param {any} session */
  async #touch(sid, session) {
    if (destroyed.has(session)) return;
    const end = endOf(session.cookie);
    const known = this.#baseOf(sid, session);
    // Most requests end here. Nothing has changed, and the session need not live longer yet.
    if (known?.isAsLoaded && this.#writer.isCurrent(known, session, this.#ownerOf(session), end)) {
      return;
    }
    const cookie = snapshotOf({ cookie: session.cookie });
    const base = known?.snapshot ? known : this.#unknownBase(sid);
    const ownerId = base === known ? this.#ownerOf(session) : undefined;
    // Only data that is stored says whose a session is. After a `save` that failed, the session of the request has other data.
    const whole = ownerId === base.ownerId ? undefined : snapshotOf(session);
    await base.inTurn(() => {
      const snapshot = new Map([...base.snapshot, ...cookie]);
      const isStored = whole !== undefined && isSameData(base.snapshot, whole);
      const state = { snapshot, ownerId: isStored ? ownerId : base.ownerId, end };
      return this.#writer.write(base, state);
    });
  }

  /** @param {string} sid */
  async #destroy(sid) {
    await this.#writer.destroy(this.#placeOf(sid));
  }

  /** @param {string} sid @param {any} session */
  #newBase(sid, session) {
    const base = new Base(sid, this.#placeOf(sid));
    setBase(session, base);
    return base;
  }

  /** @param {string} sid @param {any} session */
  #baseOf(sid, session) {
    return baseOf(session, sid, this.#settings.app);
  }

  /** @param {string} sid */
  #placeOf(sid) {
    return { app: this.#settings.app, token: tokenOf(sid) };
  }

  /** @param {any} session @returns {string | undefined} undefined: nobody */
  #ownerOf(session) {
    const owner = this.#settings.findOwner(session);
    if (owner === undefined || owner === null || owner === '') return undefined;
    return checkName('ownerId', owner);
  }

  /** @param {any} session as it was stored, which the program's function need not expect */
  #isOwned(session) {
    try {
      return this.#ownerOf(session) !== undefined;
    } catch {
      return false;
    }
  }

  /** @param {any} before the session before it got an owner */
  #warnOfLogin(before) {
    // A session that was moved without an owner may have named the user all along.
    if (this.#hasWarned || this.#isOwned(before)) return;
    this.#hasWarned = true;
    const message =
      'a session has got an owner and kept its id: whoever knew the id before is logged in now ' +
      '(call `regenerate` at each login)';
    const warning = Object.assign(new Error(message), { code: 'SPOTS_SESSIONS_FIXATION' });
    warning.name = 'SpotsSessionsWarning';
    this.#tell('warning', warning);
  }

  /** Emits an event in a turn of its own, because a listener may throw. */
  #tell(name, about) {
    setImmediate(() => this.emit(name, about));
  }
}

/** Notes when express-session's `session.destroy` is called. @param {any} session */
function noteDestruction(session) {
  Object.defineProperty(session, 'destroy', {
    value: noteAndDestroy,
    configurable: true,
    writable: true,
  });
}

function noteAndDestroy(...args) {
  destroyed.add(this);
  return Object.getPrototypeOf(this).destroy.apply(this, args);
}

/**
 * Answers by the callback, or by a promise if there is none.
 *
 * @template T
 * @param {Promise<T>} promise
 * @param {((error: unknown, value?: any) => void) | undefined} callback
 * @param {() => any} [valueOfError] what the callback gets beside an error
 * @returns {Promise<T> | undefined}
 */
function answer(promise, callback, valueOfError) {
  if (typeof callback === 'function') {
    // An error that the callback throws must not become a rejection.
    promise.then(
      (value) => nextTick(callback, null, value),
      (error) => nextTick(callback, withStatus(error), valueOfError?.()),
    );
    return undefined;
  }
  const answered = promise.catch((error) => {
    throw withStatus(error);
  });
  // Nobody waits for the promise of `req.session.destroy()`. If it rejected unheard, it would end the process.
  answered.catch(() => {});
  return answered;
}

/** Makes frameworks answer 503 to an outage. @param {unknown} error */
function withStatus(error) {
  const isOutage = error instanceof SpotsSessionsError && OUTAGES.includes(error.code);
  return isOutage ? Object.assign(error, { status: 503 }) : error;
}

module.exports = { SessionStore };
