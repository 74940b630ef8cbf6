'use strict';

// Stand-ins for packages that the examples of README.md and docs/ import, so that the examples run although no
// framework is installed. They have only the features that the examples use.

const assert = require('node:assert/strict');
const http = require('node:http');

/** @param {http.Server[]} servers what the examples make listen, on ports of the system's choice */
function frameworks(servers) {
  const listen = (handler) =>
    new Promise((resolve) => {
      const server = http.createServer(handler);
      servers.push(server);
      server.listen(0, '127.0.0.1', () => resolve(server));
    });
  const nothing = () => () => {};
  return {
    express: {
      __esModule: true,
      default: Object.assign(() => express(servers), { json: nothing }),
    },
    'cookie-parser': { __esModule: true, default: nothing },
    fastify: { __esModule: true, default: () => fastify(listen) },
    '@fastify/cookie': { __esModule: true, default: async () => {} },
    'next/headers': { cookies: async () => ({ get: () => undefined }) },
    '@nestjs/common': { Global: nothing, Injectable: nothing, Module: nothing },
  };
}

/**
 * The real packages, for examples of the session store. What they make listens on a port of the system's choice.
 *
 * @param {http.Server[]} servers
 */
function realFrameworks(servers) {
  process.env.SESSION_SECRET ??= 'of an example, and 32 characters';
  const { default: makeFastify } = require('fastify');
  const makeExpress = require('express');
  const express = () => {
    const web = makeExpress();
    const listen = () => {
      const server = http.createServer(web).listen(0, '127.0.0.1');
      servers.push(server);
      return server;
    };
    return Object.assign(web, { listen });
  };
  const fastify = (options) => {
    const web = makeFastify(options);
    const { listen } = web;
    web.listen = async () => {
      servers.push(web.server);
      return listen.call(web, { port: 0, host: '127.0.0.1' });
    };
    return web;
  };
  const names = ['express-session', '@fastify/session', '@fastify/cookie', 'passport'];
  const others = names.map((name) => [name, { __esModule: true, default: require(name) }]);
  return {
    ...Object.fromEntries(others),
    'passport-local': require('passport-local'),
    express: { __esModule: true, default: Object.assign(express, { json: makeExpress.json }) },
    fastify: { __esModule: true, default: fastify },
  };
}

/** As Express 5: a rejection of an async handler goes to the error handler. */
function express(servers) {
  const routes = [];
  const route = (method) => (path, handler) => {
    const pattern = new RegExp(`^${path.replace(/:(\w+)/g, '(?<$1>[^/]+)')}$`);
    routes.push({ method, pattern, handler });
  };
  let onError = (error) => {
    throw error;
  };
  const web = {
    use(...handlers) {
      for (const each of handlers) if (each.length === 4) onError = each;
      return web;
    },
    delete: route('DELETE'),
    get: route('GET'),
    post: route('POST'),
    listen() {
      const server = http.createServer(async (message, raw) => {
        const request = await readRequest(message);
        const response = {
          json: (body) =>
            raw.setHeader('content-type', 'application/json').end(JSON.stringify(body)),
          sendStatus: (code) => raw.writeHead(code).end(),
          cookie(name, value, { maxAge, ...options }) {
            const seconds = maxAge === undefined ? undefined : Math.floor(maxAge / 1000);
            raw.appendHeader(
              'set-cookie',
              cookieText(name, value, { ...options, maxAge: seconds }),
            );
            return response;
          },
          clearCookie: (name, options) => response.cookie(name, '', { ...options, maxAge: 0 }),
        };
        const next = (error) => onError(error, request, response, next);
        try {
          const { handler, pattern } = routes.find(
            (each) => each.method === message.method && each.pattern.test(message.url),
          );
          request.params = { ...pattern.exec(message.url).groups };
          await handler(request, response, next);
        } catch (error) {
          next(error);
        }
      });
      servers.push(server);
      return server.listen(0, '127.0.0.1');
    },
  };
  return web;
}

function fastify(listen) {
  const routes = new Map();
  const hooks = [];
  let onError = (error) => {
    throw error;
  };
  const web = {
    register: async () => {},
    addHook: (_name, hook) => hooks.push(hook),
    setErrorHandler(handler) {
      onError = handler;
    },
    get: (path, handler) => routes.set(`GET ${path}`, handler),
    post: (path, handler) => routes.set(`POST ${path}`, handler),
    async listen() {
      const server = await listen(async (message, raw) => {
        const request = await readRequest(message);
        const reply = {
          code(code) {
            raw.statusCode = code;
            return reply;
          },
          send(payload) {
            raw.end(payload === undefined ? undefined : JSON.stringify(payload));
            return reply;
          },
          setCookie(name, value, options) {
            raw.appendHeader('set-cookie', cookieText(name, value, options));
            return reply;
          },
        };
        try {
          const answer = await routes.get(`${message.method} ${message.url}`)(request, reply);
          if (answer !== reply) reply.send(answer);
        } catch (error) {
          await onError(error, request, reply);
        }
      });
      server.once('close', () => hooks.map((hook) => hook()));
    },
  };
  return web;
}

/** @param {http.IncomingMessage} message */
async function readRequest(message) {
  const chunks = await message.toArray();
  const text = Buffer.concat(chunks).toString();
  const pairs = (message.headers.cookie ?? '').split('; ').filter(Boolean);
  return {
    body: text === '' ? undefined : JSON.parse(text),
    cookies: Object.fromEntries(pairs.map((pair) => pair.split(/=(.*)/))),
    headers: message.headers,
  };
}

/** @param {string} name @param {string} value @param {Record<string, any>} options maxAge in seconds */
function cookieText(name, value, { maxAge, path, httpOnly, secure, sameSite }) {
  const parts = [`${name}=${value}`, `Max-Age=${maxAge}`, `Path=${path}`];
  if (httpOnly) parts.push('HttpOnly');
  if (secure) parts.push('Secure');
  if (sameSite) parts.push(`SameSite=${sameSite}`);
  return parts.join('; ');
}

/** Jest's globals, as far as the examples use them. `done` resolves when the tests have ended. */
function testRunner() {
  const tests = [];
  const hooks = [];
  return {
    globals: {
      afterAll: (hook) => hooks.push(hook),
      test: (_name, body) => tests.push(body),
      expect: (value) => ({ toEqual: (expected) => assert.deepEqual(value, expected) }),
    },
    async done() {
      for (const each of [...tests, ...hooks]) await each();
    },
  };
}

module.exports = { frameworks, realFrameworks, testRunner };
