'use strict';

const { EventEmitter } = require('node:events');
const { Boundary, closedError } = require('./lib/boundary.js');
const { createClient } = require('./lib/client.js');
const { SpotsSessionsError } = require('./lib/errors.js');
const { announce } = require('./lib/events.js');
const methods = require('./lib/methods.js');
const { readOptions } = require('./lib/options.js');
const { isTraced, trace } = require('./lib/tracing.js');

/** @type {(sessions: unknown) => Boundary} */
let boundaryOf;

// What it does is documented where editors look: in index.d.ts.
class SpotsSessions extends EventEmitter {
  #boundary;
  #settings;
  #client;
  #ownClient;

  static {
    boundaryOf = (sessions) => {
      if (!(Object(sessions) === sessions && #boundary in sessions)) throw invalidThis();
      return sessions.#boundary;
    };
  }

  constructor(options) {
    super();
    try {
      this.#settings = readOptions(options);
      const server = this.#settings.server ?? undefined;
      const isClosed = () => this.#boundary.closed;
      const onEvent = (event) => announce(this, isClosed, event);
      const engineSettings = { ...this.#settings, server };
      this.#boundary = new Boundary(engineSettings, this.#settings.maxPending, onEvent);
    } catch (cause) {
      throw new Error('failed to instantiate IORedis client', { cause });
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
    return call('create', request, () =>
      methods.create(boundaryOf(this), request, this.#settings.defaultDuration),
    );
  }

  get(request) {
    return call('get', request, () => methods.get(boundaryOf(this), request));
  }

  refresh(request) {
    return call('refresh', request, () => methods.refresh(boundaryOf(this), request));
  }

  update(request) {
    return call('update', request, () => methods.update(boundaryOf(this), request));
  }

  kill(request) {
    return call('kill', request, () => methods.kill(boundaryOf(this), request));
  }

  killAll(request) {
    return call('killAll', request, () => methods.killAll(boundaryOf(this), request));
  }

  get client() {
    if (this.#client === undefined) {
      if (this.#settings.server === null) throw noClient();
      if (this.#boundary.closed) throw closedError();
      this.#client = this.#ownClient = createClient(this.#settings);
    }
    return this.#client;
  }

  set client(client) {
    this.#client = client;
  }

  async close() {
    const boundary = boundaryOf(this);
    await boundary.close();
    this.#ownClient?.disconnect();
  }

  [Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]() {
    return this.close();
  }
}

/**
 * Carries out a call.
 *
 * @template T
 * @param {string} method
 * @param {any} request
 * @param {() => Promise<T>} run
 * @returns {Promise<T>}
 */
function call(method, request, run) {
  return isTraced() ? trace(method, request, () => attempt(run)) : attempt(run);
}

/**
 * Runs a method; what it throws becomes a rejection.
 *
 * @template T
 * @param {() => Promise<T>} run
 * @returns {Promise<T>}
 */
function attempt(run) {
  try {
    return run();
  } catch (error) {
    return Promise.reject(error);
  }
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
