'use strict';

// An Express application with express-session. Its store is SessionStore, connect-redis or one without a server.

const { once } = require('node:events');
const cpu = require('../cpu');
const { app: name, duration, sessionOf } = require('../payload');
const { answer } = require('../requests');

/** @type {Record<string, (url: string) => Promise<import('express-session').Store>>} */
const stores = {
  async spots(url) {
    const { SpotsSessions } = require('../..');
    const { SessionStore } = require('../../lib/session-store.js');
    return new SessionStore({ sessions: new SpotsSessions(url), app: name });
  },

  async 'connect-redis'(url) {
    const { RedisStore } = require('connect-redis');
    return new RedisStore({ client: await require('../peers/node-redis').connect(url) });
  },

  /** JSON in a Map. It answers all requests of a turn at once, as a client of Redis does. */
  async map() {
    const { Store } = require('express-session');
    const records = new Map();
    const answers = [];
    const answer = () => {
      for (const callback of answers.splice(0)) callback();
    };
    const later = (callback) => {
      if (answers.push(callback) === 1) setImmediate(answer);
    };
    return new (class extends Store {
      get(id, callback) {
        later(() => callback(null, JSON.parse(records.get(id))));
      }

      set(id, data, callback) {
        records.set(id, JSON.stringify(data));
        later(callback);
      }

      touch(_id, _data, callback) {
        later(callback);
      }
    })();
  },
};

/** The port. */
let port = 0;

answer({
  async serve({ store, url }) {
    const express = require('express');
    const session = require('express-session');
    const web = express();
    const settings = { secret: 'benchmark', resave: false, saveUninitialized: false };
    const cookie = { maxAge: duration * 1000 };
    web.use(session({ ...settings, cookie, store: await stores[store](url) }));
    web.get('/login', (request, response) => {
      Object.assign(request.session, sessionOf(170, 0).data);
      response.end();
    });
    web.get('/read', ({ session: { firstName } }, response) => {
      response.status(firstName === undefined ? 401 : 200).json({ hello: firstName });
    });
    web.get('/change', ({ session: found }, response) => {
      found.visits++;
      response.status(found.firstName === undefined ? 401 : 200).json({ visits: found.visits });
    });
    const server = web.listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = server.address().port;
    return port;
  },

  /** Logs in, and resolves to the cookies. */
  async cookies({ count }) {
    const logins = Array.from({ length: count }, async () => {
      const response = await fetch(`http://127.0.0.1:${port}/login`);
      return response.headers.get('set-cookie').split(';')[0];
    });
    return Promise.all(logins);
  },

  cpu: () => ({ mainThreadMicros: cpu.mainThreadMicros(), processMicros: cpu.processMicros() }),
});
