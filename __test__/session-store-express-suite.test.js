'use strict';

// express-session with SessionStore, over HTTP: what it saves, how often, and what the browser waits for. The cases are
// those of express-session's own suite.

const assert = require('node:assert/strict');
const { after, before, describe, test } = require('node:test');
const { SpotsSessions } = require('../index.js');
const { SessionStore } = require('../lib/session-store.js');
const { waitUntil } = require('./support/wait-until.js');
const {
  Browser,
  EXPRESS,
  callsOf,
  run,
  signedCookie,
  startExpress,
  writesOf,
} = require('./support/web.js');
const { forEachExpress } = require('./support/web-suites.js');

const routes = {
  '/nothing': (_request, response) => response.end(),
  '/login': (request, response) => {
    request.session.user = { name: 'ada', cookie: 'tea', list: [{ cookie: 'tea' }] };
    response.json(request.session.id);
  },
  '/show': (request, response) => response.json(request.session),
};

forEachExpress((place, start) => {
  /** Starts a server with more routes, and a browser on it. `calls` notes what the store is asked. */
  async function open(t, more, { store = place.newStore(), ...options } = {}) {
    const url = await start(t, { store, ...options }, { ...routes, ...more });
    return { browser: new Browser(url), store, calls: callsOf(store) };
  }

  describe('a request.sessionID that is no text', () => {
    for (const [label, id] of Object.entries({ 'a number': 7, 'an object': {}, null: null })) {
      test(`saves nothing and sends no cookie: ${label}`, async (t) => {
        const { browser, store, calls } = await open(t, {
          '/bogus': (request, response) => {
            request.sessionID = id;
            request.session.user = 'eve';
            response.end();
          },
        });
        assert.deepEqual((await browser.get('/bogus')).setCookies, []);
        assert.equal(await store.length(), 0);
        await browser.json('/login');
        calls.length = 0;
        await browser.get('/bogus');
        assert.deepEqual(calls, ['get']);
        assert.equal((await browser.json('/show')).user.name, 'ada');
      });
    }
  });

  describe('save', () => {
    for (const options of [
      { resave: true, saveUninitialized: true },
      { resave: true, saveUninitialized: false },
      { resave: false, saveUninitialized: true },
      { resave: false, saveUninitialized: false },
    ]) {
      test(`that the handler calls is the only one of its request: ${JSON.stringify(options)}`, async (t) => {
        const save = async (request, response) => {
          request.session.n = (request.session.n ?? 0) + 1;
          await run(request.session, 'save');
          response.json(request.session.id);
        };
        const reloadAndSave = async (request, response) => {
          await run(request.session, 'reload');
          await save(request, response);
        };
        const more = { '/save': save, '/reload-and-save': reloadAndSave };
        const { browser, store, calls } = await open(t, more, options);
        const id = await browser.json('/save');
        assert.deepEqual(calls, ['set']);
        for (const [path, loads] of Object.entries({ '/save': 1, '/reload-and-save': 2 })) {
          calls.length = 0;
          assert.equal(await browser.json(path), id);
          assert.deepEqual(calls, [...Array(loads).fill('get'), 'set', 'touch']);
        }
        assert.equal((await store.get(id)).n, 3);
      });
    }
  });

  describe('a nested key with the name `cookie`', () => {
    test('is data: a change of it alone is saved', async (t) => {
      const { browser, calls } = await open(t, {
        '/change': (request, response) => {
          request.session.user.cookie = 'coffee';
          response.end();
        },
        '/change-in-list': (request, response) => {
          request.session.user.list[0].cookie = 'milk';
          response.end();
        },
      });
      await browser.json('/login');
      calls.length = 0;
      await browser.get('/change');
      await browser.get('/change-in-list');
      assert.deepEqual(calls, ['get', 'set', 'get', 'set']);
      const { user } = await browser.json('/show');
      assert.deepEqual(user, { name: 'ada', cookie: 'coffee', list: [{ cookie: 'milk' }] });
    });
  });

  describe('the answer', () => {
    /** How a handler answers, and what the browser gets. */
    const answers = {
      'without a body': [(response) => response.end(), ''],
      'with a body': [(response) => response.end('tea, milk'), 'tea, milk'],
      'in several writes': [
        (response) => {
          response.write('tea');
          response.write(', ');
          response.end('milk');
        },
        'tea, milk',
      ],
      'with a Content-Length': [
        (response) => response.set('content-length', '9').end('tea, milk'),
        'tea, milk',
      ],
      'with a Content-Length, in several writes': [
        (response) => {
          response.set('content-length', '9').write('tea');
          response.end(', milk');
        },
        'tea, milk',
      ],
      'with a Content-Length of 0': [(response) => response.set('content-length', '0').end(), ''],
    };
    /** What a request does with the session, and what is sent for it. */
    const acts = {
      create: [['put'], (request) => Object.assign(request.session, { user: 'ada' })],
      change: [['update', 'refresh'], (request) => Object.assign(request.session, { n: 1 })],
      read: [['refresh'], () => {}],
      unset: [
        ['kill'],
        (request) => {
          request.session = null;
        },
      ],
    };

    for (const [label, [respond, expected]] of Object.entries(answers)) {
      test(`${label} is complete only after the store has answered`, async (t) => {
        const more = Object.fromEntries(
          Object.entries(acts).map(([name, [, act]]) => [
            `/${name}`,
            (request, response) => {
              act(request);
              respond(response);
            },
          ]),
        );
        const store = place.newStore({ touchAfter: 0 });
        const { browser } = await open(t, more, { store, unset: 'destroy' });
        let answerOfStore;
        const writes = writesOf(t, place.sessions, () => answerOfStore.promise);
        for (const [name, [operations]] of Object.entries(acts)) {
          answerOfStore = withResolvers();
          writes.length = 0;
          let isAnswered = false;
          const answer = browser.get(`/${name}`).finally(() => {
            isAnswered = true;
          });
          await waitUntil(() => writes.length > 0, `${name} to be sent`);
          await new Browser(browser.url).get('/nothing'); // a round trip, in which the answer could come
          assert.equal(isAnswered, false, name);
          answerOfStore.resolve();
          const { status, text } = await answer;
          assert.deepEqual([status, text, writes], [200, expected, operations], name);
        }
      });
    }
  });

  describe('a session with nothing in it', () => {
    test('is neither written nor touched, in a browser without a cookie and in one whose session is gone', async (t) => {
      const { browser, store, calls } = await open(t, {});
      await browser.get('/nothing');
      assert.deepEqual(calls, []);
      await browser.json('/login');
      await store.clear();
      calls.length = 0;
      assert.deepEqual((await browser.get('/nothing')).setCookies, []);
      assert.deepEqual(calls, ['get']);
      assert.equal(await store.length(), 0);
    });
  });

  for (const unset of ['keep', 'destroy']) {
    describe(`unset: ${unset}`, () => {
      test('sends no cookie and keeps nothing if the first request takes its session away', async (t) => {
        for (const saveUninitialized of [false, true]) {
          const more = {
            '/null': (request, response) => {
              request.session.user = 'eve';
              request.session = null;
              response.end();
            },
            '/delete': (request, response) => {
              request.session.user = 'eve';
              delete request.session;
              response.end();
            },
          };
          const { browser, store, calls } = await open(t, more, { unset, saveUninitialized });
          for (const path of Object.keys(more)) {
            assert.deepEqual((await browser.get(path)).setCookies, []);
          }
          assert.deepEqual(calls, unset === 'destroy' ? ['destroy', 'destroy'] : []);
          assert.equal(await store.length(), 0);
        }
      });
    });
  }

  describe('a cookie that is not ours', () => {
    test('asks the store nothing: another signature, none, or another text', async (t) => {
      const { browser, calls } = await open(t, {});
      const id = await browser.json('/login');
      const signed = signedCookie(id);
      calls.length = 0;
      for (const cookie of [`${signed}x`, signed.slice(0, -5), `s%3A${id}`, id, 's%3A', '{}']) {
        browser.cookies.set('connect.sid', cookie);
        assert.equal((await browser.json('/show')).user, undefined);
      }
      assert.deepEqual(calls, []);
      browser.cookies.set('connect.sid', signed);
      assert.equal((await browser.json('/show')).user.name, 'ada');
    });
  });
});

describe('reload', () => {
  let sessions;
  before(() => {
    sessions = new SpotsSessions('memory:');
  });
  after(() => sessions?.close());

  for (const [name, express] of Object.entries(EXPRESS)) {
    test(`that fails ten thousand times, one in the other, is ten thousand errors: ${name}`, async (t) => {
      const TIMES = 10_000;
      const store = new SessionStore({ sessions, app: name });
      const reload = (request, response) => {
        const messages = new Set();
        let errors = 0;
        const again = (error) => {
          if (error) errors++;
          messages.add(error?.message);
          if (errors < TIMES) request.session.reload(again);
          else response.json([errors, ...messages]);
        };
        store.destroy(request.sessionID, () => request.session.reload(again));
      };
      const url = await startExpress(t, { store }, { ...routes, '/reload': reload }, { express });
      const browser = new Browser(url);
      await browser.json('/login');
      assert.deepEqual(await browser.json('/reload'), [TIMES, 'failed to load session']);
    });
  }
});

/** As `Promise.withResolvers`, which Node 20 does not have. */
function withResolvers() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}
