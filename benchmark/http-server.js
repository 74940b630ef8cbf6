'use strict';

// Typical HTTP servers that look up one session per request. They run in the peer's process (worker.js).

const http = require('node:http');
const { once } = require('node:events');

/** By framework. Each starts to listen and resolves to its port. */
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

  /** @param {import('./peers/peer').Sessions} sessions */
  async fastify(sessions) {
    const server = require('fastify')();
    server.get('/', async (request, reply) => {
      const session = await sessions.get(request.headers['x-session']);
      if (session === undefined) reply.code(401);
      return { hello: session?.data.firstName };
    });
    await server.listen({ host: '127.0.0.1', port: 0 });
    return server.server.address().port;
  },
};

module.exports = { servers };
