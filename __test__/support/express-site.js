'use strict';

// A site with express-session, and the browsers that visit it.

const { once } = require('node:events');
const express = require('express');
const session = require('express-session');

const HOUR_MS = 3_600_000;

/**
 * Starts a site on a store of sessions. `/login/:user` begins a session of a user, `/visit` one of a visitor, and
 * `/me` says who it is.
 *
 * @param {import('express-session').Store} store
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 */
async function startSite(store) {
  const web = express();
  const cookie = { maxAge: HOUR_MS };
  web.use(session({ store, secret: 'a secret', resave: false, saveUninitialized: false, cookie }));
  web.get('/login/:user', (request, response, next) => {
    request.session.regenerate((error) => {
      if (error) return next(error);
      Object.assign(request.session, { passport: { user: request.params.user }, nothing: null });
      response.json({ sid: request.sessionID });
    });
  });
  web.get('/visit', (request, response) => {
    request.session.cart = ['tea', { 'with a 🦀': [1, null] }];
    response.json({ sid: request.sessionID });
  });
  web.get('/me', (request, response) => {
    const { cookie: _, ...data } = request.session;
    response.json({ sid: request.sessionID, data });
  });
  const server = web.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** A browser: it keeps the cookie that a site has set. */
class Browser {
  cookie = '';

  /** @param {{ url: string }} site @param {string} path @returns {Promise<any>} */
  async ask(site, path) {
    const response = await fetch(`${site.url}${path}`, { headers: { cookie: this.cookie } });
    const set = response.headers.get('set-cookie');
    if (set) this.cookie = set.split(';')[0];
    return response.json();
  }
}

module.exports = { Browser, HOUR_MS, startSite };
