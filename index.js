'use strict';

const { Boundary, closedError } = require('./lib/boundary.js');
const { createClient } = require('./lib/client.js');
const { SpotsSessionsError } = require('./lib/errors.js');
const { announce } = require('./lib/events.js');
const { Operations, operations, partsOf, setParts } = require('./lib/operations.js');
const { readOptions } = require('./lib/options.js');

// What it does is documented where editors look: in index.d.ts.
class SpotsSessions extends Operations {
  #client;
  #ownClient;

  constructor(options) {
    super();
    try {
      const settings = readOptions(options);
      const isClosed = () => partsOf(this).boundary.closed;
      const onEvent = (event) => announce(this, isClosed, event);
      const engineSettings = { ...settings, server: settings.server ?? undefined };
      const { maxPending, showFriendlyErrorStack } = settings;
      const boundary = new Boundary(engineSettings, maxPending, onEvent, showFriendlyErrorStack);
      setParts(this, { boundary, settings });
    } catch (cause) {
      throw failed(cause);
    }
    // Own functions, so that `const { get } = sessions` works; they look the method up at each
    // call, so that an override or a stub on the prototype works too.
    const prototype = Object.getPrototypeOf(this);
    for (const name of [...Object.keys(operations), 'close']) {
      const value = (...args) => prototype[name].apply(this, args);
      Object.defineProperty(this, name, { value, configurable: true, writable: true });
    }
  }

  get client() {
    if (this.#client === undefined) {
      const { boundary, settings } = partsOf(this);
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
const hidden = Object.create(Operations.prototype, { constructor: { value: Object }, client });
Object.setPrototypeOf(SpotsSessions.prototype, hidden);

/** The error of a constructor that throws; it begins as that of 1.x. @param {any} cause */
function failed(cause) {
  return new Error(`failed to instantiate IORedis client: ${cause.message}`, { cause });
}

function noClient() {
  return new TypeError('`client` needs a Redis server, and `memory:` has none');
}

exports.SpotsSessions = SpotsSessions;
exports.SpotsSessionsError = SpotsSessionsError;
