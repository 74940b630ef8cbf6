'use strict';

/**
 * A request that each method accepts; those that need a session ask for one that is not there.
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
    kill: { app, token },
    killAll: { app, ownerId: 'nobody' },
    ping: undefined,
  };
}

/** The methods that are calls: all but `close`. */
const METHODS = Object.keys(requestsOf('any'));

/** Those that are about one session, by its token. */
const METHODS_OF_TOKEN = METHODS.filter((method) => 'token' in (requestsOf('any')[method] ?? {}));

/** Those that change nothing: a server that takes no writes answers them. */
const READS = ['get', 'ping'];

module.exports = { READS, METHODS, METHODS_OF_TOKEN, requestsOf };
