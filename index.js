'use strict';

const { Boundary, closedError } = require('./lib/boundary.js');
const { createClient } = require('./lib/client.js');
const { SpotsSessionsError } = require('./lib/errors.js');
const { announce } = require('./lib/events.js');
const { Operations, operations, partsOf, setParts } = require('./lib/operations.js');
const { readOptions } = require('./lib/options.js');
const { Questions, takeFunctions } = require('./lib/questions.js');

// index.d.ts documents the class.
class SpotsSessions extends Operations {
  #client;
  #ownClient;

  constructor(options) {
    super();
    try {
      const settings = readOptions(options);
      const isClosed = () => partsOf(this).boundary.closed;
      const { functions, engineSettings } = takeFunctions(settings);
      const questions = new Questions(functions);
      const onEvent = (event) => announce(this, isClosed, questions, event);
      const { maxPending, showFriendlyErrorStack } = settings;
      const boundary = new Boundary(engineSettings, maxPending, onEvent, {
        questions,
        showsCaller: showFriendlyErrorStack,
      });
      setParts(this, { boundary, settings });
    } catch (cause) {
      throw failed(cause);
    }
    // These are own functions, so that `const { get } = sessions` works. They look up the method at each call, so that
    // an override or a stub on the prototype works too.
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

// util.inspect can be told to run getters. The getter `client` would open a connection, and its result shows a
// password. util.inspect stops at a prototype with a built-in constructor, so the getter is on such a prototype.
const { client } = Object.getOwnPropertyDescriptors(SpotsSessions.prototype);
Reflect.deleteProperty(SpotsSessions.prototype, 'client');
const hidden = Object.create(Operations.prototype, { constructor: { value: Object }, client });
Object.setPrototypeOf(SpotsSessions.prototype, hidden);

/** Makes the error that the constructor throws. Its message begins as in 1.x. @param {any} cause */
function failed(cause) {
  return new Error(`failed to instantiate IORedis client: ${cause.message}`, { cause });
}

function noClient() {
  return new TypeError('`client` needs a Redis server, and `memory:` has none');
}

exports.SpotsSessions = SpotsSessions;
exports.SpotsSessionsError = SpotsSessionsError;
