'use strict';

// The operations. Each has a row in `operations`: `send` checks the request and sends the fields in the order in which the
// operation's file in src/operation/ reads them. Each is also a method of the class, so that editors find it. An error
// that `send` throws becomes a rejection.

const { EventEmitter } = require('node:events');
const {
  bothTokenAndId,
  checkData,
  checkDuration,
  checkId,
  checkLimit,
  limitsField,
  checkName,
  checkToken,
  mistakenDuration,
  refuseUnknown,
  unreadable,
} = require('./arguments.js');
const { encode } = require('./boundary.js');
const { LETTERS } = require('./letters.js');
const {
  ID_LENGTH,
  completeKillAll,
  completeRefresh,
  completeRotate,
  killFields,
  list,
} = require('./pointers.js');
const { isTraced, trace } = require('./tracing.js');

/** @typedef {{ id: string, data: object, createdAt: Date, expiresAt: Date | undefined }} Described a session */
/** @typedef {{ boundary: import('./boundary.js').Boundary, settings: ReturnType<typeof import('./options.js').readOptions> }} Parts of an instance */

const operations = {
  create: {
    /**
     * @param {Parts} parts
     * @param {{ app: string, ownerId: string, data?: object, duration?: number, sliding?: boolean, lifetime?: number,
     *   maxSessions?: number }} request
     * @returns {Promise<string>}
     */
    send({ boundary, settings }, request) {
      let app, ownerId, data, duration, sliding, lifetime, maxSessions;
      let ttl, maxAge, expiresIn, expires;
      try {
        ({ app, ownerId, data = {}, duration = settings.defaultDuration } = request);
        ({ sliding, lifetime, maxSessions } = request);
        ({ ttl, maxAge, expiresIn, expires } = /** @type {any} */ (request));
      } catch (cause) {
        throw unreadable(request, cause);
      }
      if (
        ttl !== undefined ||
        maxAge !== undefined ||
        expiresIn !== undefined ||
        expires !== undefined
      ) {
        throw mistakenDuration({ ttl, maxAge, expiresIn, expires });
      }
      const appAndOwner = appAndOwnerOf(app, ownerId);
      const ms = checkDuration(duration);
      const limits = limitsField(
        sliding === undefined ? settings.sliding : sliding,
        lifetime === undefined ? settings.lifetime : lifetime,
        maxSessions === undefined ? settings.maxSessions : maxSessions,
      );
      const fields = `${appAndOwner}\n${ms}\n${limits}`;
      return boundary.send(LETTERS.create, fields, checkData(data, settings.maxDataSize));
    },
  },

  get: {
    /**
     * @param {Parts} parts
     * @param {{ app: string, token?: string | null }} request
     * @returns {Promise<{ ownerId: string, data: object } | undefined>}
     */
    send({ boundary }, request) {
      const address = readAddress(request);
      return address === undefined
        ? boundary.answer(undefined)
        : boundary.send(LETTERS.get, address);
    },
  },

  refresh: {
    /**
     * @param {Parts} parts
     * @param {{ app: string, token?: string | null, duration: number }} request
     * @returns {Promise<boolean>}
     */
    send({ boundary }, request) {
      let app, token, duration;
      try {
        ({ app, token, duration } = request);
      } catch (cause) {
        throw unreadable(request, cause);
      }
      const address = addressOf(app, token);
      const ms = checkDuration(duration);
      return address === undefined
        ? boundary.answer(false)
        : boundary
            .send(LETTERS.refresh, `${address}\n${ms}`)
            .then((done) =>
              typeof done === 'object' ? completeRefresh(boundary, address, ms, done) : done,
            );
    },
  },

  update: {
    /**
     * @param {Parts} parts
     * @param {{ app: string, token?: string | null, data: object }} request
     * @returns {Promise<boolean>}
     */
    send({ boundary, settings }, request) {
      let app, token, data;
      try {
        ({ app, token, data } = request);
      } catch (cause) {
        throw unreadable(request, cause);
      }
      const address = addressOf(app, token);
      const patch = checkData(data, settings.maxDataSize);
      return address === undefined
        ? boundary.answer(false)
        : boundary.send(LETTERS.update, address, patch);
    },
  },

  info: {
    /**
     * @param {Parts} parts
     * @param {{ app: string, token?: string | null }} request
     * @returns {Promise<Described & { ownerId: string } | undefined>}
     */
    send({ boundary }, request) {
      const address = readAddress(request);
      refuseUnknown('info', request, ['app', 'token']);
      return address === undefined
        ? boundary.answer(undefined)
        : boundary.send(LETTERS.info, address).then((session) => session && publicly(session));
    },
  },

  list: {
    /**
     * @param {Parts} parts
     * @param {{ app: string, ownerId: string, token?: string | null, limit?: number }} request
     * @returns {Promise<(Described & { current: boolean })[]>}
     */
    send({ boundary }, request) {
      let app, ownerId, token, limit;
      try {
        ({ app, ownerId, token, limit = 100 } = request);
      } catch (cause) {
        throw unreadable(request, cause);
      }
      const appAndOwner = appAndOwnerOf(app, ownerId);
      const [current, most] = [optional(token, 'token'), checkLimit(limit)];
      refuseUnknown('list', request, ['app', 'ownerId', 'token', 'limit']);
      return list(boundary, appAndOwner, current, most).then((all) => all.map(publicly));
    },
  },

  rotate: {
    /**
     * @param {Parts} parts
     * @param {{ app: string, token?: string | null }} request
     * @returns {Promise<string | undefined>}
     */
    send({ boundary }, request) {
      const address = readAddress(request);
      refuseUnknown('rotate', request, ['app', 'token']);
      return address === undefined
        ? boundary.answer(undefined)
        : boundary
            .send(LETTERS.rotate, address)
            .then((done) =>
              typeof done === 'object' ? completeRotate(boundary, address, done) : done,
            );
    },
  },

  kill: {
    /**
     * @param {Parts} parts
     * @param {{ app: string, token?: string | null } | { app: string, ownerId: string, id: string }} request
     * @returns {Promise<boolean>}
     */
    send({ boundary }, request) {
      if (hasId(request)) {
        const { appAndOwner, id } = readAppOwnerAndId(request);
        if (id === undefined) return boundary.answer(false);
        return id.length === ID_LENGTH
          ? boundary.send(LETTERS.killPointed, killFields(appAndOwner, id)).then(Boolean)
          : boundary.send(LETTERS.killById, `${appAndOwner}\n${id}`);
      }
      const address = readAddress(request);
      return address === undefined ? boundary.answer(false) : boundary.send(LETTERS.kill, address);
    },
  },

  killAll: {
    /**
     * @param {Parts} parts
     * @param {{ app: string, ownerId: string, except?: string | null }} request
     * @returns {Promise<boolean>}
     */
    send({ boundary }, request) {
      let app, ownerId, except;
      try {
        ({ app, ownerId, except } = request);
      } catch (cause) {
        throw unreadable(request, cause);
      }
      const appAndOwner = appAndOwnerOf(app, ownerId);
      const fields = `${appAndOwner}\n${optional(except, 'except')}`;
      refuseUnknown('killAll', request, ['app', 'ownerId', 'except']);
      return boundary
        .send(LETTERS.killAll, fields)
        .then((done) =>
          typeof done === 'object' ? completeKillAll(boundary, appAndOwner, done) : done,
        );
    },
  },

  ping: {
    /**
     * @param {Parts} parts
     * @returns {Promise<void>}
     */
    send({ boundary }) {
      return boundary.send(LETTERS.ping, '');
    },
  },
};

/** @type {(sessions: unknown) => Parts} */
let partsOf;
/** @type {(sessions: Operations, parts: Parts) => void} */
let setParts;

/** The methods of an instance. index.d.ts documents them. */
class Operations extends EventEmitter {
  #parts;

  static {
    partsOf = (sessions) => {
      if (!(Object(sessions) === sessions && #parts in sessions)) throw invalidThis();
      return sessions.#parts;
    };
    setParts = (sessions, parts) => {
      sessions.#parts = parts;
    };
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

  info(request) {
    return call('info', this, request);
  }

  list(request) {
    return call('list', this, request);
  }

  rotate(request) {
    return call('rotate', this, request);
  }

  ping() {
    return call('ping', this, undefined);
  }
}

/**
 * Makes a call. It creates a closure only if calls are traced. A get is 2% faster without one.
 *
 * @param {keyof typeof operations} method
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
 * Runs an operation, and turns an error that it throws into a rejection.
 *
 * @param {keyof typeof operations} method
 * @param {unknown} sessions
 * @param {any} request
 * @returns {Promise<any>}
 */
function attempt(method, sessions, request) {
  try {
    return operations[method].send(partsOf(sessions), request);
  } catch (error) {
    return Promise.reject(error);
  }
}

/**
 * Returns the fields for an app and an owner. The owner is JSON, as in a record.
 *
 * @param {unknown} app
 * @param {unknown} ownerId
 */
function appAndOwnerOf(app, ownerId) {
  const name = encode(checkName('app', app));
  return `${name}\n${JSON.stringify(checkName('ownerId', ownerId))}`;
}

/**
 * Reads the request of a method that takes only `app` and `token`.
 *
 * @param {{ app: unknown, token: unknown }} request
 */
function readAddress(request) {
  let app, token;
  try {
    ({ app, token } = request);
  } catch (cause) {
    throw unreadable(request, cause);
  }
  return addressOf(app, token);
}

/**
 * Returns the fields for an app and a token, or undefined if no session can have this token.
 *
 * @param {unknown} app
 * @param {unknown} token
 */
function addressOf(app, token) {
  const name = encode(checkName('app', app));
  const text = checkToken(token);
  return text === undefined ? undefined : `${name}\n${encode(text)}`;
}

/** Whether a request of `kill` names a session by its id. @param {unknown} request */
function hasId(request) {
  try {
    return 'id' in Object(request);
  } catch (cause) {
    throw unreadable(request, cause);
  }
}

/**
 * Reads the request of `kill` by id. The id is undefined if no session can have it.
 *
 * @param {any} request
 */
function readAppOwnerAndId(request) {
  let app, ownerId, id, token;
  try {
    ({ app, ownerId, id, token } = request);
  } catch (cause) {
    throw unreadable(request, cause);
  }
  if (token !== undefined) throw bothTokenAndId(token);
  const appAndOwner = appAndOwnerOf(app, ownerId);
  const known = checkId(id);
  refuseUnknown('kill', request, ['app', 'ownerId', 'id', 'token']);
  return { appAndOwner, id: known };
}

/**
 * Returns the field for a token that may be left out: empty if there is none.
 *
 * @param {unknown} token
 * @param {string} name
 */
function optional(token, name) {
  const text = checkToken(token, name);
  return text === undefined ? '' : encode(text);
}

/**
 * Makes what a program sees of a session, in place: its times are dates, and its nonce is not shown.
 *
 * @param {any} session as src/operation/description.rs writes it
 */
function publicly(session) {
  session.createdAt = new Date(session.createdAt);
  session.expiresAt = session.expiresAt === null ? undefined : new Date(session.expiresAt);
  if (session.nonce !== undefined) delete session.nonce;
  return session;
}

function invalidThis() {
  const error = new TypeError('expected `this` to be an instance of SpotsSessions');
  return Object.assign(error, { code: 'ERR_INVALID_THIS' });
}

module.exports = { Operations, operations, partsOf, setParts };
