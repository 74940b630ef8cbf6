'use strict';

// express-session with SessionStore, over HTTP: the cookie, what is stored of it, and the end that both name. The cases are
// those of express-session's own suite.
//
// Times are compared with times that were read before and after, so a busy machine changes no result.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');
const { waitUntil } = require('./support/wait-until.js');
const { Browser, callsOf, run } = require('./support/web.js');
const { forEachExpress } = require('./support/web-suites.js');

const MINUTE = 60_000;
/** How far the clock of this process and that of the store may be apart, in ms. */
const CLOCKS = 10;
/** How long a test waits so that an end that has moved differs from one that has not, in ms. */
const PAUSE = 100;

const routes = {
  '/nothing': (_request, response) => response.end(),
  '/touch': (request, response) => {
    request.session.touch();
    response.end();
  },
  '/login': (request, response) => {
    request.session.user = request.query.name ?? 'ada';
    response.json(request.session.id);
  },
  '/show': (request, response) => {
    const { user = null, cookie } = request.session;
    response.json({ user, cookie: cookie.data, left: cookie.maxAge });
  },
};

/** Resolves when so much time has passed since `begin` that ends can be told apart. @param {number} begin */
const pause = (begin) => waitUntil(() => Date.now() > begin + PAUSE, 'some time');

/** The attributes of a cookie, without its value. @param {string} [setCookie] */
const attributesOf = (setCookie) => setCookie?.split('; ').slice(1).sort();

forEachExpress((place, start) => {
  /** Starts a server with more routes, and a browser on it. */
  async function open(t, more, { store = place.newStore(), ...options } = {}) {
    const url = await start(t, { store, ...options }, { ...routes, ...more });
    return { browser: new Browser(url), store };
  }

  /** Notes the cookies that a store is given to write. */
  function cookiesWritten(store) {
    const cookies = [];
    for (const name of ['set', 'touch']) {
      const method = store[name];
      store[name] = (sid, session, callback) => {
        cookies.push(session.cookie.toJSON());
        return method.call(store, sid, session, callback);
      };
    }
    return cookies;
  }

  describe('with touchAfter: 0, the stored end', () => {
    for (const [label, path] of Object.entries({
      'a request that only reads': '/nothing',
      'touch() by the handler': '/touch',
      'a change': '/login?name=bob',
    })) {
      test(`moves with ${label}, and is the one that the browser gets`, async (t) => {
        const store = place.newStore({ touchAfter: 0 });
        const options = { store, rolling: true, cookie: { maxAge: MINUTE } };
        const { browser } = await open(t, {}, options);
        const written = cookiesWritten(store);
        let end = 0;
        for (const each of ['/login', path, path]) {
          const asked = Date.now();
          const { setCookies } = await browser.get(each);
          const answered = Date.now();
          const { expires } = written.at(-1);
          assert.ok(expires >= asked + MINUTE, 'the end has moved');
          assert.match(setCookies[0], new RegExp(`Expires=${expires.toUTCString()}`));
          const [{ cookie }] = await store.all();
          const late = cookie.expires - expires;
          assert.ok(late >= -CLOCKS && late <= answered - asked + CLOCKS, `${late} ms`);
          assert.ok(cookie.expires - end > CLOCKS, 'also in the store');
          end = Number(cookie.expires);
          await pause(answered);
        }
        assert.equal(written.length, 3);
      });
    }

    test('is the earlier one after save(), and moves at the end of the request', async (t) => {
      const store = place.newStore({ touchAfter: 0 });
      const endOf = async () => Number((await store.all())[0].cookie.expires);
      const save = async (request, response) => {
        request.session.n = 1;
        const begin = Date.now();
        await run(request.session, 'save');
        response.json([await endOf(), Date.now() - begin]);
      };
      const options = { store, cookie: { maxAge: MINUTE } };
      const { browser } = await open(t, { '/save': save }, options);
      await browser.json('/login');
      const before = await endOf();
      await pause(Date.now());
      const asked = Date.now();
      const [saved, tookMs] = await browser.json('/save');
      const late = saved - before;
      assert.ok(Math.abs(late) <= tookMs + CLOCKS, `${late} ms`);
      assert.ok((await endOf()) >= asked + MINUTE - CLOCKS);
    });
  });

  describe('originalMaxAge', () => {
    test('comes back as it was written, and is not what is left', async (t) => {
      const store = place.newStore();
      const reload = async (request, response) => {
        await run(request.session, 'reload');
        routes['/show'](request, response);
      };
      const options = { store, cookie: { maxAge: MINUTE } };
      const { browser } = await open(t, { '/reload': reload }, options);
      const written = cookiesWritten(store);
      let asked = Date.now();
      const id = await browser.json('/login');
      let tookMs = Date.now() - asked;
      const [{ originalMaxAge }] = written;
      // express-session computes it from two readings of the clock.
      assert.ok(MINUTE - originalMaxAge <= tookMs && originalMaxAge <= MINUTE);
      for (const path of ['/show', '/reload']) {
        const expected = written.at(-1).originalMaxAge;
        await pause(Date.now());
        assert.equal((await store.get(id)).cookie.originalMaxAge, expected);
        asked = Date.now();
        const { cookie, left } = await browser.json(path);
        assert.equal(cookie.originalMaxAge, expected);
        assert.ok(left <= expected - PAUSE + tookMs + CLOCKS, `${left} ms are left`);
        tookMs += Date.now() - asked;
      }
    });
  });

  describe('the attributes', () => {
    test('priority and partitioned come back, and so does a change of them', async (t) => {
      const lower = (request, response) => {
        Object.assign(request.session.cookie, { priority: 'low', partitioned: undefined });
        response.end();
      };
      const cookie = { priority: 'high', partitioned: true, sameSite: 'strict', domain: 'a.test' };
      const { browser, store } = await open(t, { '/lower': lower }, { cookie, rolling: true });
      const attributes = ['Domain=a.test', 'HttpOnly', 'Path=/', 'SameSite=Strict'];
      const high = [...attributes, 'Partitioned', 'Priority=High'].sort();
      for (const path of ['/login', '/nothing', '/nothing']) {
        const { setCookies } = await browser.get(path);
        assert.deepEqual(attributesOf(setCookies[0]), high);
      }
      const [stored] = await store.all();
      assert.deepEqual([stored.cookie.priority, stored.cookie.partitioned], ['high', true]);
      for (const path of ['/lower', '/nothing']) {
        const { setCookies } = await browser.get(path);
        assert.deepEqual(attributesOf(setCookies[0]), [...attributes, 'Priority=Low'].sort());
      }
    });

    test('of a session are its own: those of a later configuration do not change it', async (t) => {
      const store = place.newStore();
      const { browser: old } = await open(t, {}, { store, cookie: { path: '/', sameSite: 'lax' } });
      await old.get('/login');
      const cookie = { sameSite: 'strict', maxAge: MINUTE };
      const { browser } = await open(t, {}, { store, rolling: true, cookie });
      browser.cookies = new Map(old.cookies);
      const { setCookies } = await browser.get('/show');
      assert.deepEqual(attributesOf(setCookies[0]), ['HttpOnly', 'Path=/', 'SameSite=Lax']);
    });
  });

  describe('cookie.expires in the past', () => {
    test('ends the session, loaded or new, and the browser drops its cookie', async (t) => {
      const past = (request, response) => {
        request.session.user = 'eve';
        request.session.cookie.expires = new Date(0);
        response.end();
      };
      const { browser, store } = await open(t, { '/past': past });
      store.on('gone', assert.fail);
      const expectEnd = async () => {
        const { status, setCookies } = await browser.get('/past');
        assert.equal(status, 200);
        assert.match(setCookies[0], /; Expires=Thu, 01 Jan 1970 00:00:0\d GMT/);
        assert.equal(await store.length(), 0);
      };
      await expectEnd();
      browser.cookies.clear();
      const id = await browser.json('/login');
      await expectEnd();
      const { user } = await browser.json('/show');
      assert.deepEqual([user, await store.get(id)], [null, undefined]);
    });
  });

  describe('a secure cookie', () => {
    const https = { 'x-forwarded-proto': 'https' };
    const chain = { 'x-forwarded-proto': 'https, http' };
    const plain = { 'x-forwarded-proto': 'http' };
    for (const [label, { sent, secure = true, headers = {}, ...settings }] of Object.entries({
      'is not sent without TLS': { sent: false },
      'is not sent if no proxy is trusted': { sent: false, headers: https },
      'is sent behind a proxy with TLS': { sent: true, headers: https, trust: 1 },
      'is not sent behind a proxy without TLS': { sent: false, headers: plain, trust: 1 },
      'is sent with `proxy: true`': { sent: true, headers: chain, proxy: true },
      'is not sent with `proxy: false`': { sent: false, headers: https, trust: 1, proxy: false },
      'with `auto` is secure behind TLS': { sent: true, secure: 'auto', headers: https, trust: 1 },
    })) {
      test(`${label}, and the session is kept`, async (t) => {
        const { trust, proxy } = settings;
        const store = place.newStore();
        const before = (web) => trust && web.set('trust proxy', trust);
        const options = { store, proxy, rolling: true, cookie: { secure } };
        const browser = new Browser(await start(t, options, routes, { before }));
        const expected = sent ? [['HttpOnly', 'Path=/', 'Secure']] : [];
        const { setCookies } = await browser.get('/login', { headers });
        assert.deepEqual(setCookies.map(attributesOf), expected);
        const [{ user, cookie }] = await store.all();
        assert.deepEqual([user, cookie.secure], ['ada', true]);
        if (!sent) return;
        const next = await browser.get('/show', { headers });
        assert.deepEqual(next.setCookies.map(attributesOf), expected);
        assert.equal(JSON.parse(next.text).user, 'ada');
      });
    }

    test('with `auto` is not secure without TLS, and stays so', async (t) => {
      const store = place.newStore();
      const options = { store, rolling: true, cookie: { secure: 'auto', sameSite: 'auto' } };
      const before = (web) => web.set('trust proxy', 1);
      const browser = new Browser(await start(t, options, routes, { before }));
      const headers = { 'x-forwarded-proto': 'https' };
      for (const [path, more] of [['/login'], ['/show'], ['/show', { headers }]]) {
        const { setCookies } = await browser.get(path, more);
        assert.deepEqual(attributesOf(setCookies[0]), ['HttpOnly', 'Path=/', 'SameSite=Lax']);
      }
      assert.equal((await store.all())[0].cookie.secure, false);
    });
  });

  describe('cookie.path', () => {
    test('means no session on other paths, and the store is not asked there', async (t) => {
      const store = place.newStore();
      const isThere = (request, response) => response.json(request.session !== undefined);
      const more = { '/admin/login': routes['/login'], '/admin': isThere, '/other': isThere };
      const options = { store, rolling: true, cookie: { path: '/admin' } };
      const browser = new Browser(await start(t, options, more));
      const { setCookies } = await browser.get('/admin/login');
      assert.deepEqual(attributesOf(setCookies[0]), ['HttpOnly', 'Path=/admin']);
      const calls = callsOf(store);
      const { text, setCookies: none } = await browser.get('/other');
      assert.deepEqual([text, none, calls], ['false', [], []]);
      assert.equal(await browser.json('/admin'), true);
      assert.deepEqual(calls, ['get', 'touch']);
    });
  });
});
