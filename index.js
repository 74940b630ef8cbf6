'use strict';

const { EventEmitter } = require('node:events');
const { Boundary, closedError } = require('./lib/boundary.js');
const { createClient } = require('./lib/client.js');
const { SpotsSessionsError } = require('./lib/errors.js');
const { announce } = require('./lib/events.js');
const methods = require('./lib/methods.js');
const { readOptions } = require('./lib/options.js');
const { isTraced, trace } = require('./lib/tracing.js');

/** @type {(sessions: unknown) => { boundary: Boundary, settings: ReturnType<typeof readOptions> }} */
let partsOf;

// What it does is documented where editors look: in index.d.ts.
class SpotsSessions extends EventEmitter {
  #parts;
  #client;
  #ownClient;

  static {
    partsOf = (sessions) => {
      if (!(Object(sessions) === sessions && #parts in sessions)) throw invalidThis();
      return sessions.#parts;
    };
  }

  constructor(options) {
    super();
    try {
      const settings = readOptions(options);
      const isClosed = () => this.#parts.boundary.closed;
      const onEvent = (event) => announce(this, isClosed, event);
      const engineSettings = { ...settings, server: settings.server ?? undefined };
      const { maxPending, showFriendlyErrorStack } = settings;
      const boundary = new Boundary(engineSettings, maxPending, onEvent, showFriendlyErrorStack);
      this.#parts = { boundary, settings };
    } catch (cause) {
      throw failed(cause);
    }
    // Own functions, so that `const { get } = sessions` works; they look the method up at each
    // call, so that an override or a stub on the prototype works too.
    const prototype = Object.getPrototypeOf(this);
    for (const name of [...Object.keys(methods), 'close']) {
      const value = (...args) => prototype[name].apply(this, args);
      Object.defineProperty(this, name, { value, configurable: true, writable: true });
    }
  }

  create(request) {
    return call('create', this, request);
  }

  get(request) {
    return call('get', this, request);
  }

  refresh(request) {
    return call('refresh', this, request);
  }

  update(request) {
    return call('update', this, request);
  }

  kill(request) {
    return call('kill', this, request);
  }

  killAll(request) {
    return call('killAll', this, request);
  }

  get client() {
    if (this.#client === undefined) {
      const { boundary, settings } = this.#parts;
      if (settings.server === null) throw noClient();
      if (boundary.closed) throw closedError();
      this.#client = this.#ownClient = createClient(settings);
    }
    return this.#client;
  }

  set client(client) {
    this.#client = client;
  }

  async close() {
    await partsOf(this).boundary.close();
    this.#ownClient?.disconnect();
  }

  [Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]() {
    return this.close();
  }
}

// util.inspect runs getters if it is asked to, and this one connects, and shows a password. It stops at a
// prototype whose constructor is built in, so the getter lies on one.
const { client } = Object.getOwnPropertyDescriptors(SpotsSessions.prototype);
Reflect.deleteProperty(SpotsSessions.prototype, 'client');
const hidden = Object.create(EventEmitter.prototype, { constructor: { value: Object }, client });
Object.setPrototypeOf(SpotsSessions.prototype, hidden);

/**
 * Carries out a call. No closure is made for it, unless it is traced: a get is 2% faster for that.
 *
 * @param {keyof typeof methods} method
 * @param {unknown} sessions
 * @param {any} request
 * @returns {Promise<any>}
 */
function call(method, sessions, request) {
  return isTraced()
    ? trace(method, request, () => attempt(method, sessions, request))
    : attempt(method, sessions, request);
}

/**
 * Runs a method; what it throws becomes a rejection.
 *
 * @param {keyof typeof methods} method
 * @param {unknown} sessions
 * @param {any} request
 * @returns {Promise<any>}
 */
function attempt(method, sessions, request) {
  try {
    return methods[method](partsOf(sessions), request);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** The error of a constructor that throws; it begins as that of 1.x. @param {any} cause */
function failed(cause) {
  return new Error(`failed to instantiate IORedis client: ${cause.message}`, { cause });
}

function invalidThis() {
  const error = new TypeError('expected `this` to be an instance of SpotsSessions');
  return Object.assign(error, { code: 'ERR_INVALID_THIS' });
}

function noClient() {
  return new TypeError('`client` needs a Redis server, and `memory:` has none');
}

exports.SpotsSessions = SpotsSessions;
exports.SpotsSessionsError = SpotsSessionsError;
