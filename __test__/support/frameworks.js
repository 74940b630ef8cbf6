'use strict';

// What the examples of README.md and docs/ import besides the package. Express, Fastify and their companions are real. The
// few packages that are not installed have stand-ins, with only the features that the examples use.

const assert = require('node:assert/strict');
const http = require('node:http');
const makeFastify = require('fastify');

/** The real packages that the examples take as they are. */
const COMPANIONS = ['express-session', '@fastify/session', '@fastify/cookie', 'passport'];

/**
 * @typedef {object} Left what examples leave behind
 * @property {any[]} webs the applications of Express
 * @property {http.Server[]} servers what listens, on ports of the system's choice
 */

/**
 * The packages by name.
 *
 * @param {Left} left
 * @param {any} makeExpress the version of Express
 */
function frameworks(left, makeExpress) {
  process.env.SESSION_SECRET ??= 'of an example, and 32 characters';
  const asDefault = (value) => ({ __esModule: true, default: value });
  const nothing = () => () => {};
  return {
    ...Object.fromEntries(COMPANIONS.map((name) => [name, asDefault(require(name))])),
    'passport-local': require('passport-local'),
    express: asDefault(Object.assign(() => express(left, makeExpress), makeExpress)),
    fastify: asDefault((options) => fastify(left, options)),
    'cookie-parser': asDefault(() => parseCookies),
    'next/headers': { cookies: async () => ({ get: () => undefined }) },
    '@nestjs/common': { Global: nothing, Injectable: nothing, Module: nothing },
  };
}

/** @param {Left} left @param {any} makeExpress */
function express(left, makeExpress) {
  const web = makeExpress();
  left.webs.push(web);
  web.listen = () => {
    const server = http.createServer(web).listen(0, '127.0.0.1');
    left.servers.push(server);
    return server;
  };
  return web;
}

/** @param {Left} left @param {object} [options] */
function fastify(left, options) {
  const web = makeFastify(options);
  const { listen } = web;
  web.listen = () => {
    left.servers.push(web.server);
    web.server.once('close', () => web.close());
    return listen.call(web, { port: 0, host: '127.0.0.1' });
  };
  return web;
}

/** As cookie-parser. */
function parseCookies(request, _response, next) {
  const pairs = (request.headers.cookie ?? '').split('; ').filter(Boolean);
  const cookies = pairs.map((pair) => pair.split(/=(.*)/));
  request.cookies = Object.fromEntries(
    cookies.map(([name, value]) => [name, decodeURIComponent(value)]),
  );
  next();
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

module.exports = { frameworks, testRunner };
