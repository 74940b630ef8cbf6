'use strict';

// When express-session saves and touches, with SessionStore: resave, rolling, saveUninitialized, unset, touch.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');
const { waitUntil } = require('./support/wait-until.js');
const { Browser } = require('./support/web.js');
const { forEachExpress } = require('./support/web-suites.js');

const MINUTE = 60_000;

const routes = {
  '/nothing': (_request, response) => response.end(),
  '/user': (request, response) => {
    request.session.user = request.query.name;
    response.end();
  },
  '/show': (request, response) => response.json(request.session),
  '/null': (request, response) => {
    request.session = null;
    response.end();
  },
  '/change-and-null': (request, response) => {
    request.session.user = 'changed';
    request.session = null;
    response.end();
  },
};

/** Counts the calls of some methods of a store. */
function counted(store, ...names) {
  const counts = Object.fromEntries(names.map((name) => [name, 0]));
  for (const name of names) {
    const method = store[name];
    store[name] = (...args) => {
      counts[name]++;
      return method.apply(store, args);
    };
  }
  return counts;
}

forEachExpress((place, start) => {
  describe('saveUninitialized', () => {
    test('false keeps no session and sends no cookie until something is in it', async (t) => {
      const store = place.newStore();
      const browser = new Browser(await start(t, { store }, routes));
      assert.deepEqual((await browser.get('/nothing')).setCookies, []);
      assert.equal(await store.length(), 0);
      assert.equal((await browser.get('/user?name=ada')).setCookies.length, 1);
      assert.equal(await store.length(), 1);
    });

    test('true keeps each session', async (t) => {
      const store = place.newStore();
      const browser = new Browser(await start(t, { store, saveUninitialized: true }, routes));
      assert.equal((await browser.get('/nothing')).setCookies.length, 1);
      assert.equal(await store.length(), 1);
      await browser.get('/nothing');
      assert.equal(await store.length(), 1);
    });
  });

  for (const resave of [false, true]) {
    describe(`resave: ${resave}`, () => {
      test('calls set or touch for a session that was not changed, and keeps the data', async (t) => {
        const store = place.newStore();
        const browser = new Browser(await start(t, { store, resave }, routes));
        await browser.get('/user?name=ada');
        const counts = counted(store, 'set', 'touch');
        assert.equal((await browser.json('/show')).user, 'ada');
        assert.deepEqual(counts, resave ? { set: 1, touch: 0 } : { set: 0, touch: 1 });
        assert.equal((await browser.json('/show')).user, 'ada');
      });

      test('lets an unchanged session live on: what the store says of its end moves', async (t) => {
        const store = place.newStore({ touchAfter: 0 });
        const options = { store, resave, cookie: { maxAge: MINUTE } };
        const browser = new Browser(await start(t, options, routes));
        await browser.get('/user?name=ada');
        const [{ cookie: before }] = await store.all();
        await waitUntil(() => Date.now() > Number(before.expires) - MINUTE + 20, 'some time');
        await browser.get('/nothing');
        const [{ cookie, user }] = await store.all();
        assert.ok(cookie.expires > before.expires);
        assert.equal(user, 'ada');
      });
    });
  }

  describe('touchAfter by default', () => {
    /** How far the stored end moves by a request when a part of the time to live has passed. */
    async function moved(t, maxAge, part) {
      const store = place.newStore();
      const options = { store, cookie: { maxAge } };
      const browser = new Browser(await start(t, options, routes));
      await browser.get('/user?name=ada');
      const endOf = async () => Number((await store.all())[0].cookie.expires);
      const before = await endOf();
      await waitUntil(() => Date.now() > before - maxAge * (1 - part) + 20, 'some time');
      await browser.get('/nothing');
      return (await endOf()) - before;
    }

    test('leaves the stored end alone until a tenth of the time to live has passed', async (t) => {
      assert.ok(Math.abs(await moved(t, 60 * MINUTE, 0)) < 10);
    });

    test('moves it then', async (t) => {
      assert.ok((await moved(t, 5000, 0.1)) >= 500);
    });
  });

  describe('rolling', () => {
    for (const rolling of [true, false]) {
      test(`${rolling} sends the cookie ${rolling ? 'with each answer' : 'only with a change'}, and a use moves the end`, async (t) => {
        const store = place.newStore({ touchAfter: 0 });
        const options = { store, ...(rolling && { rolling }), cookie: { maxAge: MINUTE } };
        const browser = new Browser(await start(t, options, routes));
        const first = await browser.get('/user?name=ada');
        assert.match(first.setCookies[0], /^connect\.sid=.*Expires=/);
        const endOf = async () => Number((await store.all())[0].cookie.expires);
        const before = await endOf();
        await waitUntil(() => Date.now() > before - MINUTE + 20, 'some time');
        const { setCookies } = await browser.get('/nothing');
        if (rolling) assert.match(setCookies[0], /^connect\.sid=.*Expires=/);
        else assert.deepEqual(setCookies, []);
        const moved = (await endOf()) - before;
        assert.ok(moved >= 10, `${moved} ms`);
        assert.equal((await browser.json('/show')).user, 'ada');
      });
    }

    test('true with saveUninitialized: false sends no cookie until something is in the session', async (t) => {
      const store = place.newStore();
      const browser = new Browser(await start(t, { store, rolling: true }, routes));
      for (let n = 0; n < 2; n++) {
        assert.deepEqual((await browser.get('/nothing')).setCookies, []);
        assert.equal(await store.length(), 0);
      }
      assert.equal((await browser.get('/user?name=ada')).setCookies.length, 1);
      assert.equal((await browser.get('/nothing')).setCookies.length, 1);
    });
  });

  describe('unset', () => {
    test('destroy ends the session when the request sets it to null', async (t) => {
      const store = place.newStore();
      const browser = new Browser(await start(t, { store, unset: 'destroy' }, routes));
      await browser.get('/user?name=ada');
      await browser.get('/null');
      assert.equal(await store.length(), 0);
    });

    test('keep leaves it as it was', async (t) => {
      const store = place.newStore();
      const browser = new Browser(await start(t, { store }, routes));
      await browser.get('/user?name=ada');
      await browser.get('/change-and-null');
      assert.equal((await browser.json('/show')).user, 'ada');
    });
  });

  describe('an error', () => {
    for (const [method, path] of Object.entries({
      set: '/user?name=bob',
      touch: '/nothing',
      destroy: '/null',
    })) {
      test(`of ${method} goes to the application's error handler`, async (t) => {
        const store = place.newStore();
        const errors = [];
        const options = { store, unset: 'destroy' };
        const browser = new Browser(await start(t, options, routes, { errors }));
        await browser.get('/user?name=ada');
        const boom = new Error('boom');
        store[method] = (...args) => args.at(-1)(boom);
        await browser.get(path);
        await waitUntil(() => errors.length > 0, 'the error');
        assert.deepEqual(errors, [boom]);
        delete store[method];
        assert.equal((await browser.json('/show')).user, 'ada', 'the session is as it was');
      });
    }
  });
});
