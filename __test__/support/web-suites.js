'use strict';

// Runs a suite of web tests on each version of Express, in memory and on a server.

const { after, before, describe } = require('node:test');
const { SpotsSessions } = require('../../index.js');
const { SessionStore } = require('../../lib/session-store.js');
const { startRedis } = require('./redis-server.js');
const { freshName } = require('./targets.js');
const { EXPRESS, startExpress } = require('./web.js');

/**
 * @typedef {object} Place where a web suite runs
 * @property {SpotsSessions} sessions
 * @property {(more?: object) => any} newStore a store of an app of its own
 */

/**
 * Runs `suite` on `memory:` and on a server of its own.
 *
 * @param {(place: Place) => void} suite gets what is there once the tests run
 */
function inMemoryAndOnServer(suite) {
  for (const target of ['memory', 'redis']) {
    describe(target, () => {
      const place = /** @type {any} */ ({});
      let server;
      before(async () => {
        if (target === 'redis') server = await startRedis();
        place.sessions = new SpotsSessions(server?.url ?? 'memory:');
        place.newStore = (more) =>
          new SessionStore({ sessions: place.sessions, app: freshName(), ...more });
      });
      after(async () => {
        await place.sessions?.close();
        await server?.stop();
      });
      suite(place);
    });
  }
}

/**
 * Runs `suite` on each version of Express, in memory and on a server.
 *
 * @param {(place: Place, start: typeof startExpress) => void} suite `start` starts a web server on this version
 */
function forEachExpress(suite) {
  for (const [name, express] of Object.entries(EXPRESS)) {
    describe(name, () => {
      inMemoryAndOnServer((place) =>
        suite(place, (t, options, routes, more) =>
          startExpress(t, options, routes, { express, ...more }),
        ),
      );
    });
  }
}

module.exports = { forEachExpress, inMemoryAndOnServer };
