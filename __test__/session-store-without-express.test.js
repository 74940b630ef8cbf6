'use strict';

// SessionStore where express-session cannot be found from this package: for @fastify/session, and for a middleware that
// is installed elsewhere.

const assert = require('node:assert/strict');
const { EventEmitter } = require('node:events');
const Module = require('node:module');
const { after, before, describe, test } = require('node:test');
const expressSession = require('express-session');
const { SpotsSessions } = require('../index.js');
const { waitUntil } = require('./support/wait-until.js');
const { Browser, EXPRESS, startExpress, startFastify } = require('./support/web.js');

const base = require.resolve('../lib/session-store/framework-store.js');
const store = require.resolve('../lib/session-store.js');

/** Loads SessionStore anew, while `express-session` gives this error. @param {Error & { code?: string }} error */
function loadWithout(error) {
  const load = Module._load;
  const kept = [base, store].map((file) => [file, require.cache[file]]);
  for (const [file] of kept) delete require.cache[file];
  Module._load = (name, ...rest) => {
    if (name === 'express-session') throw error;
    return load(name, ...rest);
  };
  try {
    return require(store).SessionStore;
  } finally {
    Module._load = load;
    for (const [file, module] of kept) {
      if (module) require.cache[file] = module;
      else delete require.cache[file];
    }
  }
}

describe('without express-session', () => {
  let sessions, SessionStore;
  before(() => {
    const missing = Object.assign(new Error('Cannot find module'), { code: 'MODULE_NOT_FOUND' });
    SessionStore = loadWithout(missing);
    sessions = new SpotsSessions('memory:');
  });
  after(() => sessions?.close());

  test('the store is an EventEmitter with the same methods', async () => {
    const plain = new SessionStore({ sessions, app: 'plain' });
    assert.ok(plain instanceof EventEmitter && !(plain instanceof expressSession.Store));
    await plain.set('s', { cookie: {}, a: 1 });
    assert.deepEqual(await plain.get('s'), { cookie: {}, a: 1 });
  });

  for (const [name, express] of Object.entries(EXPRESS)) {
    test(`a middleware from elsewhere works with it, with its own classes: ${name}`, async (t) => {
      const plain = new SessionStore({ sessions, app: name });
      const run = (session, method) =>
        new Promise((resolve, reject) =>
          session[method]((error) => (error ? reject(error) : resolve(undefined))),
        );
      const routes = {
        '/': (request, response) => {
          const { session } = request;
          session.visits = (session.visits ?? 0) + 1;
          const { cookie } = session;
          const isOne = session instanceof expressSession.Session && session.req === request;
          const isCookie = cookie instanceof expressSession.Cookie;
          const { originalMaxAge, path, httpOnly } = cookie;
          response.json([
            session.id,
            session.visits,
            isOne && isCookie,
            { originalMaxAge, path, httpOnly },
          ]);
        },
        '/reload': async (request, response) => {
          request.session.visits = 'forgotten';
          await run(request.session, 'reload');
          response.json(request.session.visits);
        },
        '/regenerate': async (request, response) => {
          await run(request.session, 'regenerate');
          response.json(request.session.id);
        },
        '/until-closed': (request, response) => {
          request.session.cookie.expires = null;
          response.json({});
        },
      };
      const cookie = { maxAge: 60_000, path: '/' };
      const browser = new Browser(
        await startExpress(t, { store: plain, cookie }, routes, { express }),
      );
      const [id, , isFirst] = await browser.json('/');
      const shape = { originalMaxAge: 60_000, path: '/', httpOnly: true };
      const [sameId, visits, isSecond, attributes] = await browser.json('/');
      assert.deepEqual([sameId, visits, isFirst, isSecond], [id, 2, true, true]);
      assert.ok(Math.abs(attributes.originalMaxAge - shape.originalMaxAge) < 1000);
      assert.deepEqual({ ...attributes, originalMaxAge: 60_000 }, shape);
      assert.equal(await browser.json('/reload'), 2);
      const session = await new Promise((resolve) => plain.load(id, (_, found) => resolve(found)));
      assert.deepEqual([session.id, session.visits], [id, 2]);
      assert.ok(session instanceof expressSession.Session);
      await browser.json('/until-closed');
      assert.equal((await plain.get(id)).cookie.expires, null);
      assert.equal((await browser.json('/'))[1], 3);
      assert.notEqual(await browser.json('/regenerate'), id);
      assert.equal(await plain.get(id), undefined);
    });
  }

  for (const [name, express] of Object.entries(EXPRESS)) {
    test(`originalMaxAge comes back as it was written, and is not what is left: ${name}`, async (t) => {
      const PAUSE = 100;
      const plain = new SessionStore({ sessions, app: `maxAge on ${name}` });
      const written = [];
      const { set } = plain;
      plain.set = (sid, session, callback) => {
        written.push(session.cookie.originalMaxAge);
        set.call(plain, sid, session, callback);
      };
      const routes = {
        '/login': (request, response) => {
          request.session.user = 'ada';
          response.json({});
        },
        '/': (request, response) => {
          const { originalMaxAge, maxAge } = request.session.cookie;
          response.json([originalMaxAge, maxAge]);
        },
      };
      const options = { store: plain, cookie: { maxAge: 60_000 } };
      const browser = new Browser(await startExpress(t, options, routes, { express }));
      const asked = Date.now();
      await browser.json('/login');
      const answered = Date.now();
      await waitUntil(() => Date.now() > answered + PAUSE, 'some time');
      const [original, left] = await browser.json('/');
      assert.deepEqual([original], written);
      const CLOCKS = 10; // how far that of this process and that of the store may be apart
      assert.ok(left <= original - PAUSE + answered - asked + CLOCKS, `${left} ms are left`);
    });
  }

  test('@fastify/session works with it: a login, its owner, a reload, an expiry and a logout', async (t) => {
    const app = 'Fastify';
    const plain = new SessionStore({ sessions, app, ownerId: ({ userId }) => userId });
    const routes = {
      '/': (request, reply) => {
        request.session.visits = (request.session.visits ?? 0) + 1;
        const { visits, userId = null, sessionId: id } = request.session;
        reply.send({ id, visits, userId });
      },
      '/login': async (request, reply) => {
        await request.session.regenerate(['visits']);
        request.session.userId = '42';
        reply.send({ id: request.session.sessionId });
      },
      '/reload': async (request, reply) => {
        request.session.userId = 'forgotten';
        await request.session.reload();
        reply.send(request.session);
      },
      '/short': (request, reply) => {
        request.session.cookie.maxAge = 5;
        reply.send({});
      },
      '/logout': async (request, reply) => {
        await request.session.destroy();
        reply.send({});
      },
    };
    const browser = new Browser(await startFastify(t, { store: plain }, routes));
    const { id: guest } = await browser.json('/');
    assert.deepEqual(await browser.json('/'), { id: guest, visits: 2, userId: null });
    const { id } = await browser.json('/login');
    assert.equal(await plain.get(guest), undefined);
    assert.deepEqual(await browser.json('/'), { id, visits: 3, userId: '42' });
    assert.equal((await browser.json('/reload')).userId, '42');
    assert.equal((await sessions.list({ app, ownerId: '42' })).length, 1);
    await browser.get('/logout');
    assert.equal(await plain.length(), 0);
    await browser.json('/login');
    assert.equal(await sessions.killAll({ app, ownerId: '42' }), true);
    assert.equal((await browser.json('/')).userId, null);
    await browser.get('/short');
    await waitUntil(async () => (await plain.length()) === 0, 'the end of the session');
    assert.equal((await browser.json('/')).visits, 1);
  });

  test('loading nothing, and regenerating when the destroy fails, tell so', async () => {
    const plain = new SessionStore({ sessions, app: 'plain' });
    assert.deepEqual(await new Promise((resolve) => plain.load('no', (...all) => resolve(all))), [
      null,
    ]);
    const boom = new Error('boom');
    plain.destroy = (_sid, callback) => callback(boom);
    const session = {};
    const request = { sessionID: 's', session };
    plain.generate = assert.fail;
    const errors = [];
    plain.regenerate(request, (error) => errors.push(error));
    assert.deepEqual(errors, [boom]);
    assert.equal(request.session, session, 'there is no new session');
  });
});

test('an express-session that is there and broken is not passed over', () => {
  assert.throws(() => loadWithout(new SyntaxError('broken')), /broken/);
});
