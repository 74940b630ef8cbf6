'use strict';

// An outage with SessionStore: the request fails with 503, no browser gets a new session for it, and afterwards each has
// its own again.

const assert = require('node:assert/strict');
const { after, before, describe, test } = require('node:test');
const { SpotsSessions } = require('../index.js');
const { SessionStore } = require('../lib/session-store.js');
const { startProxy } = require('./support/proxy.js');
const { startRedis } = require('./support/redis-server.js');
const { freshName } = require('./support/targets.js');
const { waitUntil } = require('./support/wait-until.js');
const { Browser, EXPRESS, startExpress, startFastify } = require('./support/web.js');

/** How an answer to a route is sent, in either framework. */
const visit = (request, response) => {
  request.session.visits = (request.session.visits ?? 0) + 1;
  response.send({ visits: request.session.visits });
};
const save = async (request, response) => {
  request.session.visits = 1;
  await new Promise((resolve, reject) =>
    request.session.save((error) => (error ? reject(error) : resolve())),
  );
  response.send({});
};
const routes = { '/': visit, '/save': save };

const frameworks = {
  'Express 4': (t, options) => startExpress(t, options, routes, { express: EXPRESS['Express 4'] }),
  'Express 5': (t, options) => startExpress(t, options, routes),
  Fastify: (t, options) => startFastify(t, { saveUninitialized: false, ...options }, routes),
};

describe('a server that goes down and comes back', () => {
  let server, proxy, sessions;
  before(async () => {
    server = await startRedis();
    proxy = await startProxy(server.port);
    sessions = new SpotsSessions({ connectionString: proxy.url, commandTimeout: 300 });
  });
  after(async () => {
    await sessions?.close();
    await proxy?.stop();
    await server?.stop();
  });

  for (const [name, start] of Object.entries(frameworks)) {
    test(`is a 503 for each request with a session, and each has its session again: ${name}`, async (t) => {
      const store = new SessionStore({ sessions, app: freshName() });
      store.on('disconnect', assert.fail);
      const browser = new Browser(await start(t, { store }));
      await browser.json('/');
      const cookies = new Map(browser.cookies);
      await proxy.refuse();
      try {
        for (let n = 0; n < 2; n++) {
          const { status, text, setCookies } = await browser.get('/');
          assert.equal(status, 503);
          assert.deepEqual(setCookies, [], 'the browser keeps its cookie');
          assert.match(text, /cannot reach redis/);
        }
        assert.deepEqual(browser.cookies, cookies);
        const stranger = new Browser(browser.url);
        assert.equal((await stranger.get('/save')).status, 503);
      } finally {
        await proxy.accept();
      }
      await waitUntil(async () => (await browser.get('/')).status === 200, 'the server');
      const { visits } = await browser.json('/');
      assert.ok(visits >= 3, `${visits} visits`);
    });
  }
});

describe('a save that failed', () => {
  test('is made up for by the next one of the same object, which sends all that has changed', async (t) => {
    const server = await startRedis();
    const proxy = await startProxy(server.port);
    const sessions = new SpotsSessions({ connectionString: proxy.url, commandTimeout: 300 });
    t.after(async () => {
      await sessions.close();
      await proxy.stop();
      await server.stop();
    });
    const store = new SessionStore({ sessions, app: 'shop' });
    const fresh = { cookie: {}, a: 1 };
    await store.set('s', { cookie: {}, a: 1, b: 1, c: 1 });
    const loaded = await store.get('s');
    await proxy.refuse();
    await assert.rejects(store.set('new', fresh), { status: 503 });
    const first = store.set('s', Object.assign(loaded, { a: 2 }));
    delete loaded.b;
    const second = store.set('s', loaded);
    await assert.rejects(first, { status: 503 });
    await proxy.accept();
    await second.catch((error) => assert.equal(error.status, 503));
    await waitUntil(
      () =>
        sessions.ping().then(
          () => true,
          () => false,
        ),
      'the server',
    );
    await store.set('s', Object.assign(loaded, { d: 1 }));
    assert.deepEqual(await store.get('s'), { cookie: {}, a: 2, c: 1, d: 1 });
    await store.set('new', fresh);
    assert.deepEqual(await store.get('new'), fresh);
  });
});

describe('an instance that is closed', () => {
  test('is an outage, too, for each method', async () => {
    const sessions = new SpotsSessions('memory:');
    const store = new SessionStore({ sessions, app: 'shop' });
    await store.set('s', { cookie: {} });
    const loaded = await store.get('s');
    await sessions.close();
    const outage = { name: 'SpotsSessionsError', code: 'ERR_SESSIONS_CLOSED', status: 503 };
    await assert.rejects(store.get('s'), outage);
    await assert.rejects(store.set('s', { cookie: {} }), outage);
    await assert.rejects(store.set('s', Object.assign(loaded, { a: 1 })), outage);
    await assert.rejects(store.touch('s', { cookie: {} }), outage);
    await assert.rejects(store.destroy('s'), outage);
    await assert.rejects(store.all(), outage);
    const [error] = await new Promise((resolve) => store.get('s', (...about) => resolve(about)));
    assert.equal(error.status, 503);
  });

  test('a destroy that nobody waits for does not end the process', async (t) => {
    const sessions = new SpotsSessions('memory:');
    const store = new SessionStore({ sessions, app: 'shop' });
    const unhandled = [];
    const note = (reason) => unhandled.push(reason);
    process.on('unhandledRejection', note);
    t.after(() => process.off('unhandledRejection', note));
    const browser = new Browser(
      await startExpress(
        t,
        { store },
        {
          '/': visit,
          '/destroy': async (request, response) => {
            await sessions.close();
            request.session.destroy();
            response.send({});
          },
        },
      ),
    );
    await browser.json('/');
    assert.equal((await browser.get('/destroy')).status, 200);
    await new Promise(setImmediate);
    assert.deepEqual(unhandled, []);
  });
});

describe('an error that is no outage', () => {
  test('has no status: data that is too large, and a record that is none', async (t) => {
    const server = await startRedis();
    const redis = server.client();
    const sessions = new SpotsSessions({ connectionString: server.url, maxDataSize: 1024 });
    t.after(async () => {
      await sessions.close();
      await server.stop();
    });
    const store = new SessionStore({ sessions, app: 'shop' });
    const large = { cookie: {}, text: 'secret'.repeat(1000) };
    const error = await store.set('s', large).catch((error) => error);
    assert.deepEqual([error.code, error.status], ['ERR_OUT_OF_RANGE', undefined]);
    assert.doesNotMatch(`${error.stack}`, /secret/);
    await store.set('s', { cookie: {} });
    const [key] = await redis.keys('*:s:*');
    await redis.set(key, 'secret');
    const corrupt = await store.get('s').catch((error) => error);
    assert.deepEqual([corrupt.code, corrupt.status], ['ERR_SESSIONS_CORRUPT', undefined]);
    assert.doesNotMatch(`${corrupt.stack}`, /secret/);
  });
});
