'use strict';

// A server that looks up one session per request, as users have it. Run inside a worker.

const http = require('node:http');
const { once } = require('node:events');

const servers = {
  /** @param {import('./peers/peer').Sessions} sessions */
  async 'node:http'(sessions) {
    const server = http.createServer(async (request, response) => {
      const session = await sessions.get(request.headers['x-session']);
      if (session === undefined) response.statusCode = 401;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ hello: session?.data.firstName }));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return server.address().port;
  },
};

module.exports = { servers };
