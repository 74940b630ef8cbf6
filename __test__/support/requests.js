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
  };
}

module.exports = { requestsOf };
