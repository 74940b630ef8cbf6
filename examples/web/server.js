'use strict';

// A web application with a page of the user's devices. `npm run demo:web` runs it in memory, and
// `npm run demo:web -- redis://localhost:6379` on a server. Set REDIS_URL instead if it has a password: `ps` shows
// arguments. PORT is 3000 by default. ORIGIN is what users see if there is a proxy: https://example.com

const http = require('node:http');
const { SpotsSessions } = require('../..'); // yours: '@spots-tech/sessions'
const { createApplication } = require('./application.js');

const sessions = new SpotsSessions({
  connectionString: process.argv[2] ?? process.env.REDIS_URL ?? 'memory:',
  tokenEncoding: 'base64url', // needs no escaping in a cookie
  tokenSize: 32, // bytes: a token has 43 characters
  commandTimeout: 2000, // ms, then the user sees that there is an outage
});
sessions.on('error', ({ message }) => console.error(`sessions: ${message}`));

const server = http.createServer().listen(Number(process.env.PORT ?? 3000), 'localhost', () => {
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const { origin } = new URL(process.env.ORIGIN ?? `http://localhost:${port}`);
  server.on('request', createApplication({ sessions, origin }));
  console.log(`listens on http://localhost:${port}, until Ctrl-C`);
});

/** Takes no more requests, lets the others end, and then closes the connection to Redis. */
function end() {
  server.close(() => sessions.close());
  setTimeout(() => server.closeAllConnections(), 10_000).unref(); // nobody waits longer
}
process.on('SIGINT', end).on('SIGTERM', end);
