'use strict';

// The routes. Every change is a form that is posted and ends in a redirect, so the pages need no JavaScript.

const express = require('express');
const { SpotsSessionsError } = require('../..'); // yours: '@spots-tech/sessions'
const { describeDevice } = require('./device.js');
const { fill, pageOf } = require('./pages.js');

const app = 'web-example';
const duration = 30 * 60; // seconds after the last use, because the session slides
const lifetime = 12 * 3600; // seconds after the login, whatever happens

/** The demo's users. Yours are in a database, with a slow hash of each password and few attempts a minute. */
const passwords = new Map(Object.entries({ ada: 'lovelace', grace: 'hopper' }));

/** Nothing but our own style, no frames, no scripts. The package `helmet` sets more such headers. */
const headers = {
  'Content-Security-Policy':
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'same-origin', // `no-referrer` would hide the origin of our own forms
  'Cache-Control': 'no-store', // these pages are each user's own
};

/** @param {{ sessions: import('../..').SpotsSessions, origin: string }} parts `origin`: what users' addresses begin with */
function createApplication({ sessions, origin }) {
  // Safari takes no Secure cookie from http://localhost. From anywhere else, the cookie never travels in clear.
  const secure = !/^http:\/\/localhost(:\d+)?$/.test(origin);
  const name = secure ? '__Host-sid' : 'sid'; // __Host-: no other host can set it, not even a sub-domain
  /** @type {import('express').CookieOptions} */
  const cookie = { httpOnly: true, secure, sameSite: 'lax', path: '/' };
  const tokenOf = (/** @type {import('express').Request} */ request) => {
    const cookies = request.headers.cookie?.split('; ');
    return cookies?.find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1);
  };

  const web = express().disable('x-powered-by').set('env', 'production'); // shows no stack traces
  web.get('/healthz', (_request, response) => response.sendStatus(200)); // the process is up
  web.get('/readyz', async (_request, response) => {
    await sessions.ping(); // Redis answers, or the error handler says 503
    response.sendStatus(200);
  });
  web.use(express.static(`${__dirname}/public`));
  web.use((request, response, next) => {
    response.set(headers);
    // A form on another site must not act for the user (CSRF). SameSite keeps the cookie from other sites, but not from
    // other ports and sub-domains of this one, and a login needs no cookie. Browsers say which origin posts a form.
    if (request.method !== 'POST' || request.headers.origin === origin) next();
    else response.status(403).send(pageOf('elsewhere', { origin }));
  });
  web.use(express.urlencoded({ limit: '4kb' }));

  web.get('/login', ({ query: { told } }, response) => response.send(pageOf('login', { told })));
  web.post('/login', async (request, response) => {
    const { name: ownerId, password } = request.body ?? {};
    if (!passwords.has(ownerId) || passwords.get(ownerId) !== password) {
      const page = pageOf('login', { told: 'wrong', kind: 'alarm', name: ownerId });
      return response.status(401).send(page);
    }
    // Always a new token: one that somebody else has put into this browser opens nothing (session fixation).
    await sessions.kill({ app, token: tokenOf(request) });
    const data = { device: describeDevice(request.headers['user-agent']) };
    const token = await sessions.create({ app, ownerId, data, duration, sliding: true, lifetime });
    // The cookie lives as long as the session can. Redis decides when the session ends.
    response.cookie(name, token, { ...cookie, maxAge: lifetime * 1000 }).redirect(303, '/');
  });

  // The routes below need a session. This `get` also lets it slide.
  web.use(async (request, response, next) => {
    const token = tokenOf(request);
    const session = await sessions.get({ app, token });
    response.locals = { token, ownerId: session?.ownerId };
    if (session) next();
    else response.redirect(303, token ? '/login?told=again' : '/login');
  });

  web.get('/', async ({ query }, response) => {
    const { token, ownerId } = response.locals;
    const devices = await sessions.list({ app, ownerId, token });
    const rows = devices.map(({ data, current, ...rest }) =>
      fill(current ? 'this-device' : 'device', { device: data.device, ...rest }),
    );
    response.send(pageOf('devices', { told: query.told, ownerId, rows: rows.join('') }));
  });
  web.post('/end', async ({ body }, response) => {
    const { ownerId } = response.locals; // with it, the id of another user's session ends nothing
    const ended = await sessions.kill({ app, ownerId, id: String(body?.id) });
    response.redirect(303, ended ? '/?told=ended' : '/?told=gone');
  });
  web.post('/end-others', async (_request, response) => {
    const { token, ownerId } = response.locals;
    await sessions.killAll({ app, ownerId, except: token });
    response.redirect(303, '/?told=others');
  });
  web.post('/logout', async (_request, response) => {
    await sessions.kill({ app, token: response.locals.token });
    response.clearCookie(name, cookie).redirect(303, '/login?told=out');
  });
  web.post('/logout-everywhere', async (_request, response) => {
    await sessions.killAll({ app, ownerId: response.locals.ownerId });
    response.clearCookie(name, cookie).redirect(303, '/login?told=everywhere');
  });
  web.use((_request, response) => response.status(404).send(pageOf('missing')));

  /** @type {import('express').ErrorRequestHandler} An outage is no logout: the cookie stays. */
  const onError = (error, _request, response, next) => {
    if (error instanceof SpotsSessionsError) response.status(503).send(pageOf('outage'));
    else next(error);
  };
  return web.use(onError);
}

module.exports = { createApplication };
