'use strict';

/**
 * A valid request for each method. Methods that need a session get a token that opens none.
 *
 * @param {string} app
 * @param {string} [token]
 */
function requestsOf(app, token = 'nobody has this token') {
  return {
    create: { app, ownerId: 'alice', data: {}, duration: 60 },
    get: { app, token },
    refresh: { app, token, duration: 60 },
    update: { app, token, data: {} },
    info: { app, token },
    list: { app, ownerId: 'nobody' },
    rotate: { app, token },
    kill: { app, token },
    killAll: { app, ownerId: 'nobody' },
    ping: undefined,
  };
}

/** The methods that are calls: all except `close`. */
const METHODS = Object.keys(requestsOf('any'));

/** The methods that take a token. */
const METHODS_OF_TOKEN = METHODS.filter((method) => 'token' in (requestsOf('any')[method] ?? {}));

/** The methods that change nothing, so that a server that refuses writes answers them. */
const READS = ['get', 'info', 'list', 'ping'];

module.exports = { READS, METHODS, METHODS_OF_TOKEN, requestsOf };
