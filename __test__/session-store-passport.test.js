'use strict';

// Passport with a local strategy on express-session and SessionStore: logging in, out, and out everywhere.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { promisify } = require('node:util');
const { Passport } = require('passport');
const { Strategy } = require('passport-local');
const { freshName } = require('./support/targets.js');
const { Browser } = require('./support/web.js');
const { forEachExpress } = require('./support/web-suites.js');

/** A Passport whose users have their name as their password. */
function newPassport() {
  const passport = new Passport();
  const verify = (username, password, done) =>
    done(null, username === password && { id: `id of ${username}`, username });
  passport.use(new Strategy(verify));
  passport.serializeUser((user, done) => done(null, user.id));
  passport.deserializeUser((id, done) => done(null, { id }));
  return passport;
}

forEachExpress((place, start) => {
  /** Starts a server with Passport. */
  async function open(t) {
    const app = freshName();
    const store = place.newStore({ app, ownerId: (session) => session.passport?.user });
    store.on('warning', assert.fail);
    const passport = newPassport();
    const routes = {
      '/': (request, response) => response.json(request.user?.id ?? null),
      '/guest': (request, response) => {
        request.session.cart = ['tea'];
        response.json({});
      },
      '/login': [
        passport.authenticate('local', { keepSessionInfo: true }),
        (request, response) => {
          request.session.device = request.query.device;
          response.json({ id: request.session.id, cart: request.session.cart });
        },
      ],
      '/logout': async (request, response) => {
        await promisify((callback) => request.logout(callback))();
        response.json({});
      },
    };
    const before = (web) => web.use(passport.session());
    const url = await start(t, { store }, routes, { before });
    return { app, store, url };
  }
  const login = (browser, name, device = '') =>
    browser.get(`/login?username=${name}&password=${name}&device=${device}`);
  const devicesOf = async (app, name) => {
    const listed = await place.sessions.list({ app, ownerId: `id of ${name}` });
    return listed.map(({ data }) => data.device).sort();
  };

  test('a user logs in, is known, and logs out; a stolen cookie opens nothing then', async (t) => {
    const { app, store, url } = await open(t);
    const browser = new Browser(url);
    assert.equal((await browser.get('/login?username=ada&password=wrong')).status, 401);
    assert.equal((await login(browser, 'ada', 'phone')).status, 200);
    assert.equal(await browser.json('/'), 'id of ada');
    assert.deepEqual(await devicesOf(app, 'ada'), ['phone']);
    const thief = new Browser(url);
    thief.cookies = new Map(browser.cookies);
    await browser.json('/logout');
    assert.deepEqual([await browser.json('/'), await thief.json('/')], [null, null]);
    assert.deepEqual(await devicesOf(app, 'ada'), []);
    const owned = (await store.all()).filter(({ passport }) => passport?.user !== undefined);
    assert.deepEqual(owned, []);
  });

  test('a login gives a new id, keeps what it shall, and makes the guest’s id worthless', async (t) => {
    const { store, url } = await open(t);
    const browser = new Browser(url);
    await browser.json('/guest');
    const thief = new Browser(url);
    thief.cookies = new Map(browser.cookies);
    const { cart } = JSON.parse((await login(browser, 'ada')).text);
    assert.deepEqual(cart, ['tea']);
    assert.equal(await browser.json('/'), 'id of ada');
    assert.equal(await thief.json('/'), null);
    assert.equal(await store.length(), 1);
  });

  test('killAll logs a user out everywhere, and nobody else; kill ends one device', async (t) => {
    const { app, url } = await open(t);
    const browsers = {};
    for (const device of ['phone', 'laptop', 'tablet']) {
      browsers[device] = new Browser(url);
      await login(browsers[device], 'ada', device);
    }
    const other = new Browser(url);
    await login(other, 'bob', 'tv');
    assert.deepEqual(await devicesOf(app, 'ada'), ['laptop', 'phone', 'tablet']);

    const ownerId = 'id of ada';
    const { sessions } = place;
    const listed = await sessions.list({ app, ownerId });
    const { id } = listed.find(({ data }) => data.device === 'tablet');
    assert.equal(await sessions.kill({ app, ownerId, id }), true);
    assert.equal(await browsers.tablet.json('/'), null);
    assert.equal(await browsers.phone.json('/'), ownerId);

    assert.equal(await sessions.killAll({ app, ownerId }), true);
    assert.equal(await browsers.phone.json('/'), null);
    assert.equal(await browsers.laptop.json('/'), null);
    assert.equal(await other.json('/'), 'id of bob');
    await browsers.phone.json('/logout');
    assert.equal(await browsers.phone.json('/'), null, 'a logout after it is no error');
  });
});
