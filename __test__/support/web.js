'use strict';

// Web servers on real frameworks with a session store, and a small browser that keeps cookies.

const { createHmac } = require('node:crypto');
const { once } = require('node:events');
const http = require('node:http');
const { promisify } = require('node:util');
const expressSession = require('express-session');
const { LETTERS } = require('../../lib/letters.js');
const { partsOf } = require('../../lib/operations.js');

const SECRET = 'a secret of thirty-two characters';

/** The versions of Express, by name. @type {Record<string, () => any>} */
const EXPRESS = {
  'Express 4': require('express-4'),
  'Express 5': require('express'),
};

/**
 * Starts an Express application with express-session. It answers errors with their status and their message.
 *
 * @param {{ after(hook: () => unknown): void }} t the server ends with this test
 * @param {object} options of express-session
 * @param {Record<string, any>} routes by path: a handler, or an array of middlewares and a handler
 * @param {{ express?: () => any, before?: (web: any) => void, errors?: Error[] }} [more] `before` sets up the application
 *   after the session; `errors` gets what the application's error handler gets
 * @returns {Promise<string>} its URL
 */
async function startExpress(
  t,
  options,
  routes,
  { express = EXPRESS['Express 5'], before, errors } = {},
) {
  const web = express();
  const defaults = { secret: SECRET, resave: false, saveUninitialized: false };
  web.use(expressSession({ ...defaults, ...options }));
  before?.(web);
  for (const [path, route] of Object.entries(routes)) {
    const middlewares = [route].flat();
    const handler = middlewares.pop();
    web.all(path, ...middlewares, async (request, response, next) => {
      try {
        await handler(request, response, next);
      } catch (error) {
        next(error);
      }
    });
  }
  web.use((error, _request, response, _next) => {
    errors?.push(error);
    if (!response.headersSent) response.status(error.status ?? 500).send(error.message);
  });
  return listen(t, web);
}

/**
 * Starts a Fastify application with @fastify/session.
 *
 * @param {{ after(hook: () => unknown): void }} t the server ends with this test
 * @param {object} options of @fastify/session
 * @param {Record<string, (request: any, reply: any) => unknown>} routes by path
 * @param {{ errors?: Error[] }} [more] `errors` gets the errors that requests end with
 * @returns {Promise<string>} its URL
 */
async function startFastify(t, options, routes, { errors } = {}) {
  const web = require('fastify')();
  await web.register(require('@fastify/cookie'));
  const { cookie, ...others } = options;
  const defaults = { secret: SECRET, cookie: { secure: false, ...cookie } };
  await web.register(require('@fastify/session'), { ...defaults, ...others });
  web.addHook('onError', async (_request, _reply, error) => {
    errors?.push(error);
  });
  for (const [path, handler] of Object.entries(routes)) {
    web.get(path, async (request, reply) => {
      await handler(request, reply);
      return reply;
    });
  }
  t.after(() => web.close());
  return web.listen({ port: 0, host: '127.0.0.1' });
}

/** @param {{ after(hook: () => unknown): void }} t @param {http.RequestListener} handler */
async function listen(t, handler) {
  const server = http.createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

/** The value of the cookie of express-session for an id. @param {string} sid */
function signedCookie(sid) {
  const signature = createHmac('sha256', SECRET).update(sid).digest('base64').replaceAll('=', '');
  return encodeURIComponent(`s:${sid}.${signature}`);
}

/**
 * Calls a method of express-session's `request.session`, and resolves when it has called back.
 *
 * @param {any} session
 * @param {string} name
 */
function run(session, name) {
  return promisify((callback) => session[name](callback))();
}

/**
 * Notes the methods of a store that a framework calls, by their names.
 *
 * @param {any} store
 * @returns {string[]}
 */
function callsOf(store) {
  const calls = [];
  for (const name of ['get', 'set', 'touch', 'destroy']) {
    const method = store[name];
    store[name] = (...args) => {
      calls.push(name);
      return method.apply(store, args);
    };
  }
  return calls;
}

/**
 * Notes what an instance sends to change sessions, by the names of the operations.
 *
 * @param {any} t until this test ends
 * @param {import('../../index.js').SpotsSessions} sessions
 * @param {() => unknown} [onWrite] is called before each; what it returns is waited for
 * @returns {string[]}
 */
function writesOf(t, sessions, onWrite = () => {}) {
  const { boundary } = partsOf(sessions);
  const { send } = boundary;
  const writes = [];
  t.mock.method(boundary, 'send', async function (letter, ...fields) {
    if (letter !== LETTERS.load) {
      writes.push(Object.keys(LETTERS).find((name) => LETTERS[name] === letter));
      await onWrite();
    }
    return send.call(this, letter, ...fields);
  });
  return writes;
}

class Browser {
  /** The cookies by name. @type {Map<string, string>} */
  cookies = new Map();

  /** @param {string} url of the server */
  constructor(url) {
    this.url = url;
  }

  /**
   * Asks for a page, with the cookies that are there when it begins.
   *
   * @param {string} path
   * @param {RequestInit} [options]
   */
  async get(path, options) {
    const cookie = Array.from(this.cookies, ([name, value]) => `${name}=${value}`).join('; ');
    const headers = { connection: 'close', ...(cookie && { cookie }), ...options?.headers };
    const response = await fetch(this.url + path, { redirect: 'manual', ...options, headers });
    const setCookies = response.headers.getSetCookie();
    for (const line of setCookies) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '') this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return { status: response.status, text: await response.text(), setCookies };
  }

  /** The JSON of a page. @param {string} path */
  async json(path) {
    const { status, text } = await this.get(path);
    if (status !== 200) throw new Error(`${path}: ${status} ${text}`);
    return JSON.parse(text);
  }
}

module.exports = {
  Browser,
  EXPRESS,
  callsOf,
  run,
  signedCookie,
  startExpress,
  startFastify,
  writesOf,
};
