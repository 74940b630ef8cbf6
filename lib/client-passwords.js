'use strict';

// Makes the ioredis client ask for its password at each attempt to connect. ioredis takes a password only as a text, when
// it is created. But it makes a text of the password when it logs in, and its option `Connector` opens the connection
// before that. So the connector asks, and puts an object in the place of the password that becomes what was given.

const net = require('node:net');
const nodeTls = require('node:tls');
const { SpotsSessionsError } = require('./errors.js');

// Node's own, taken when this module loads, so that a test's fake timers do not stop the connection.
const { clearTimeout, setTimeout } = require('node:timers');

/**
 * @typedef {object} Asked a password that a function gives
 * @property {string} name the option, for errors
 * @property {import('./password.js').AskPassword} ask
 *
 * @typedef {{ new (options: any): any }} Connector
 */

/** The password of one client, as the function gave it last. */
class CurrentPassword {
  #asked;
  #last = '';
  /** Whether it was given for the login that comes next. */
  #isFresh = false;
  #isAsking = false;

  /** @param {Asked} asked */
  constructor(asked) {
    this.#asked = asked;
  }

  /** Asks for the password of the next login. */
  async renew() {
    this.#last = await this.#asked.ask();
    this.#isFresh = true;
  }

  /** Makes the text that ioredis sends. */
  toString() {
    if (!this.#isFresh) this.#renewForLater();
    this.#isFresh = false;
    return this.#last;
  }

  /** ioredis' Cluster gives the password of a node to its subscriber too, which has no connector of ours. If that password
   * has expired, the server refuses it, and the subscriber connects again. */
  async #renewForLater() {
    if (this.#isAsking) return;
    this.#isAsking = true;
    await this.renew().catch(() => {}); // the nodes report it
    this.#isAsking = false;
  }
}

/**
 * Makes a connector ask for the password before it connects.
 *
 * @param {Connector} Base
 * @param {Asked | undefined} asked left out if the password is fixed
 * @returns {Connector}
 */
function asking(Base, asked) {
  if (asked === undefined) return Base;
  return class extends Base {
    #password = new CurrentPassword(asked);
    #milliseconds;
    #cancel = () => {};

    /** @param {any} options of the client that connects by this */
    constructor(options) {
      super(options);
      this.#milliseconds = options.connectTimeout;
      options.password = this.#password;
    }

    /** @param {Function} emit */
    async connect(emit) {
      this.connecting = true;
      this.stream = undefined;
      try {
        await this.#renew();
      } catch (error) {
        if (this.connecting) return this.#failed(error);
      }
      if (!this.connecting) throw new Error('Connection is closed.');
      return super.connect(emit);
    }

    disconnect() {
      super.disconnect();
      this.#cancel();
    }

    #renew() {
      const { name } = asked;
      return new Promise((resolve, reject) => {
        const late = () => reject(failure(`gave no answer within ${this.#milliseconds} ms`, name));
        const timer = setTimeout(late, this.#milliseconds);
        const end = (settle) => {
          clearTimeout(timer);
          settle();
        };
        this.#cancel = () => end(resolve);
        this.#password.renew().then(
          () => end(resolve),
          (cause) => end(() => reject(failure('failed (see the cause)', name, { cause }))),
        );
      });
    }

    /** Returns a closed stream, after which ioredis tries again. It gives up if `connect` rejects. @param {unknown} error */
    #failed(error) {
      this.firstError = error;
      return new net.Socket().destroy();
    }
  };
}

/** @param {string} words @param {string} name @param {ErrorOptions} [options] */
function failure(words, name, options) {
  const message = `cannot connect to redis: the function \`${name}\` ${words}`;
  return new SpotsSessionsError('ERR_SESSIONS_CONNECTION', message, undefined, options);
}

/** Connects to one server, as ioredis does without a connector. @param {Connector} AbstractConnector */
const standalone = (AbstractConnector) =>
  class extends AbstractConnector {
    /** @param {any} options */
    constructor(options) {
      super(options.disconnectTimeout);
      this.options = options;
    }

    async connect() {
      this.connecting = true;
      const { host, port, path, family, tls } = this.options;
      const address = path ? { path } : { host, port, family };
      this.stream = tls ? nodeTls.connect({ ...address, ...tls }) : net.connect(address);
      this.stream.once('error', (error) => {
        this.firstError = error;
      });
      return this.stream;
    }
  };

/**
 * Returns the connector of a client. Returns undefined if all passwords are fixed.
 *
 * @param {any} ioredis
 * @param {Asked | undefined} ofServer
 * @param {Asked | undefined} ofSentinels
 * @param {boolean} hasSentinels
 * @returns {Connector | undefined}
 */
function connectorOf(
  { AbstractConnector, SentinelConnector },
  ofServer,
  ofSentinels,
  hasSentinels,
) {
  if (ofServer === undefined && ofSentinels === undefined) return undefined;
  const Standalone = standalone(AbstractConnector);
  if (!hasSentinels) return asking(Standalone, ofServer);
  const OfSentinel = asking(Standalone, ofSentinels);
  class Sentinel extends SentinelConnector {
    /** @param {unknown} endpoint @param {object} [options] */
    connectToSentinel(endpoint, options) {
      return super.connectToSentinel(endpoint, { ...options, Connector: OfSentinel });
    }
  }
  return asking(Sentinel, ofServer);
}

module.exports = { connectorOf };
