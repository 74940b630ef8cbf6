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

/** Calls a method of a session of either framework, and resolves when it has called back. */
const run = (session, name) =>
  new Promise((resolve, reject) => {
    session[name]((error) => (error ? reject(error) : resolve(undefined)));
  });

/** What requests do with their session, in either framework. */
const acts = {
  visit: ({ session }) => {
    session.visits = (session.visits ?? 0) + 1;
  },
  read: () => {},
  save: ({ session }) => {
    session.visits = (session.visits ?? 0) + 1;
    return run(session, 'save');
  },
  regenerate: ({ session }) => run(session, 'regenerate'),
  destroy: ({ session }) => run(session, 'destroy'),
};

/**
 * A route for each, by its name. The answer is the number of visits. In `/late/` the act comes after `onLoaded`.
 *
 * @param {() => unknown} onLoaded
 */
function routesOf(onLoaded = () => {}) {
  const each = Object.entries(acts).flatMap(([name, act]) =>
    ['', '/late'].map((path) => [
      `${path}/${name}`,
      async (request, response) => {
        if (path === '/late') await onLoaded();
        await act(request);
        response.send({ visits: request.session?.visits });
      },
    ]),
  );
  return Object.fromEntries(each);
}

const OUTAGE = 'ERR_SESSIONS_CONNECTION';

/** Starts a server on each framework. */
const frameworks = {
  'Express 4': (t, options, routes, errors) => onExpress(t, options, routes, 'Express 4', errors),
  'Express 5': (t, options, routes, errors) => onExpress(t, options, routes, 'Express 5', errors),
  Fastify: (t, options, routes, errors) =>
    startFastify(t, { saveUninitialized: false, ...options }, routes, { errors }),
};

function onExpress(t, options, routes, name, errors) {
  // Express logs an error that comes after the answer, except in tests.
  const before = (web) => web.set('env', 'test');
  return startExpress(t, options, routes, { express: EXPRESS[name], before, errors });
}

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

  const codeOfPing = () =>
    sessions.ping().then(
      () => undefined,
      ({ code }) => code,
    );
  const works = async () => (await codeOfPing()) === undefined;

  /** A browser with a session, and the errors that requests end with. */
  async function open(t, start, onLoaded) {
    const store = new SessionStore({ sessions, app: freshName(), touchAfter: 0 });
    store.on('disconnect', assert.fail);
    const errors = [];
    const browser = new Browser(await start(t, { store }, routesOf(onLoaded), errors));
    await browser.json('/visit');
    return { browser, errors, cookies: new Map(browser.cookies) };
  }

  /** What goes wrong, how it is mended, and what the error is. */
  const outages = {
    'no connection': [
      async () => {
        await proxy.refuse();
        await waitUntil(async () => (await codeOfPing()) === OUTAGE, 'the instance to notice');
      },
      () => proxy.accept(),
      OUTAGE,
    ],
    'a server that hangs': [
      () => server.kill('SIGSTOP'),
      () => server.kill('SIGCONT'),
      'ERR_SESSIONS_TIMEOUT',
    ],
    'a server that refuses': [
      () => {
        proxy.onReply = () => Buffer.from('-ERR injected\r\n');
      },
      () => proxy.reset(),
      'ERR_SESSIONS_REDIS',
    ],
  };
  for (const [name, start] of Object.entries(frameworks)) {
    for (const [label, [begin, mend, code]] of Object.entries(outages)) {
      test(`is a 503 for each request with a session, and each has its session again: ${name}, ${label}`, async (t) => {
        const { browser, errors, cookies } = await open(t, start);
        await begin();
        try {
          for (let n = 0; n < 2; n++) {
            const { status, text, setCookies } = await browser.get('/visit');
            assert.equal(status, 503);
            assert.deepEqual(setCookies, [], 'the browser keeps its cookie');
            if (code === OUTAGE) assert.match(text, /cannot reach redis/);
          }
          assert.deepEqual(browser.cookies, cookies);
          const stranger = new Browser(browser.url);
          assert.equal((await stranger.get('/save')).status, 503);
          assert.equal(errors[0].code, code);
          for (const error of errors) assert.equal(error.status, 503);
        } finally {
          await mend();
          await waitUntil(works, 'the server');
        }
        assert.deepEqual(await browser.json('/visit'), { visits: 2 });
      });
    }

    describe(`that begins after the session was loaded: ${name}`, () => {
      /**
       * What the browser gets. express-session has sent the head of its answer by the time that it saves or touches at the
       * end, so the error can only reach the application's error handler. @fastify/session answers the error of a
       * `regenerate` with a cookie that has expired, because it has a new session that it does not save.
       */
      const isFastify = name === 'Fastify';
      const rows = {
        visit: { status: isFastify ? 503 : 200 },
        read: { status: isFastify ? 503 : 200 },
        save: { status: 503 },
        regenerate: { status: 503, dropsCookie: isFastify },
        destroy: { status: 503 },
      };
      for (const [act, { status: expected, dropsCookie = false }] of Object.entries(rows)) {
        test(`${act} ends with an error, without a new cookie, and the session is as it was`, async (t) => {
          const { browser, errors, cookies } = await open(t, start, () => proxy.refuse());
          try {
            const { status, setCookies } = await browser.get(`/late/${act}`);
            assert.equal(status, expected);
            if (dropsCookie)
              assert.match(setCookies.join(), /^sessionId=; .*Expires=Thu, 01 Jan 1970/);
            else assert.deepEqual(setCookies, []);
            await waitUntil(() => errors.length > 0, 'the error');
            for (const error of errors) {
              assert.match(error.code, /^ERR_SESSIONS_(CONNECTION|TIMEOUT)$/);
              assert.equal(error.status, 503);
            }
          } finally {
            await proxy.accept();
            await waitUntil(works, 'the server');
          }
          browser.cookies = cookies;
          assert.deepEqual(await browser.json('/visit'), { visits: 2 });
        });
      }
    });
  }

  test('that takes no writes is a 503 for a save, and the session is as it was', async (t) => {
    const redis = server.client();
    const store = new SessionStore({ sessions, app: freshName() });
    const browser = new Browser(await startExpress(t, { store }, routesOf()));
    await browser.json('/visit');
    await redis.config('SET', 'maxmemory', '1');
    try {
      const { status, text } = await browser.get('/save');
      assert.equal(status, 503);
      assert.match(text, /OOM/);
    } finally {
      await redis.config('SET', 'maxmemory', '0');
    }
    assert.deepEqual(await browser.json('/visit'), { visits: 2 });
  });
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
          '/': ({ session }, response) => {
            session.visits = 1;
            response.send({});
          },
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
