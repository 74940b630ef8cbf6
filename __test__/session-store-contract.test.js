'use strict';

// The methods of SessionStore on every target: the contract of express-session's stores, and the life of a session as in
// the suite of connect-redis.

const assert = require('node:assert/strict');
const { before, describe, test } = require('node:test');
const { setImmediate } = require('node:timers/promises');
const { Cookie, Store } = require('express-session');
const foreign = require('../lib/foreign.js');
const { SessionStore } = require('../lib/session-store.js');
const { tokenOf } = require('../lib/session-store/names.js');
const { forEachTarget, freshName } = require('./support/targets.js');
const { waitUntil } = require('./support/wait-until.js');

/** Ids of sessions that a careless store would take for a pattern or for a part of a key. */
const SIDS = [
  ...['123', '', '*', '?', '[a-z]', 'a}b{c', 'a:s:b', 'line\nbreak', '\0', 'Zoë 🍵'],
  ...['x', 'y'].map((last) => 'x'.repeat(10_000) + last),
];

const MINUTE = 60_000;

/** @param {object} session */
const plain = (session) => JSON.parse(JSON.stringify(session));

/** @param {number} ms from now on */
const later = (ms) => new Date(Date.now() + ms);

/** Calls a method with a callback, and resolves to what the callback gets. */
function call(store, method, ...args) {
  return new Promise((resolve) => {
    let isLater = false;
    const returned = store[method](...args, (...answers) => {
      assert.ok(isLater);
      resolve(answers);
    });
    assert.equal(returned, undefined);
    isLater = true;
  });
}

forEachTarget((_target, open) => {
  let sessions;
  before(() => {
    ({ sessions } = open());
  });
  const newStore = (more) => new SessionStore({ sessions, app: freshName(), ...more });

  describe('a store', () => {
    test('is an express-session store', () => {
      assert.ok(newStore() instanceof Store);
    });

    test('gets what was set, with any id, also by another store of the app', async () => {
      const app = freshName();
      const store = newStore({ app });
      for (const sid of SIDS) {
        const session = { cookie: { originalMaxAge: null }, sid };
        await store.set(sid, session);
        assert.deepEqual(await store.get(sid), session);
        assert.deepEqual(await newStore({ app }).get(sid), session);
        assert.equal(await newStore().get(sid), undefined, 'another app');
      }
      assert.equal(await store.length(), SIDS.length);
    });

    test('gives back what JSON does, and null stays null', async () => {
      const store = newStore();
      const text = `{"a":null,"b":false,"c":0,"d":"","e":[null,[]],"f":{"g":{"h":null}},
        "__proto__":{"i":1},"constructor":2,"🍵":"\\ud800","cookie":{"path":"/"}}`;
      const session = Object.assign(JSON.parse(text), { date: new Date(0) });
      await store.set('s', session);
      assert.deepEqual(await store.get('s'), plain(session));
      const loaded = await store.get('s');
      Object.assign(loaded, { a: 1, b: null, f: { g: null }, c: undefined, d: () => {} });
      await store.set('s', loaded);
      const { c: _c, d: _d, ...rest } = JSON.parse(text);
      const expected = { ...rest, date: new Date(0).toISOString(), a: 1, b: null, f: { g: null } };
      const found = await store.get('s');
      assert.deepEqual(found, Object.assign(JSON.parse('{"__proto__":{"i":1}}'), expected));
    });

    test('gives each caller an object of its own', async () => {
      const store = newStore();
      await store.set('s', { cookie: {}, list: [] });
      const [one, other] = [await store.get('s'), await store.get('s')];
      one.list.push(1);
      assert.deepEqual(other.list, []);
    });

    test('has nothing for an id that was never set, and a destroy and a touch of it are no errors', async () => {
      const store = newStore();
      assert.equal(await store.get('s'), undefined);
      assert.equal(await store.destroy('s'), undefined);
      assert.equal(await store.touch('s', { cookie: {} }), undefined);
      assert.equal(await store.get('s'), undefined, 'a touch makes no session');
    });

    test('calls each callback once, in a later turn, and returns nothing then', async () => {
      const store = newStore();
      const session = { cookie: { path: '/' } };
      assert.deepEqual(await call(store, 'get', 's'), [null, undefined]);
      assert.deepEqual(await call(store, 'set', 's', session), [null, undefined]);
      const [error, loaded] = await call(store, 'get', 's');
      assert.deepEqual([error, plain(loaded)], [null, session]);
      assert.deepEqual(await call(store, 'touch', 's', session), [null, undefined]);
      assert.deepEqual(await call(store, 'length'), [null, 1]);
      const [, [id]] = await call(store, 'ids');
      assert.deepEqual(await call(store, 'all'), [null, [{ ...session, id }]]);
      assert.deepEqual(await call(store, 'destroy', 's'), [null, undefined]);
      assert.deepEqual(await call(store, 'clear'), [null, undefined]);
    });

    test('loads a session with the methods of express-session', async () => {
      const store = newStore();
      await store.set('s', { cookie: { originalMaxAge: MINUTE, expires: later(MINUTE) }, a: 1 });
      const [error, session] = await call(store, 'load', 's');
      assert.equal(error, null);
      assert.deepEqual([session.id, session.a, typeof session.save], ['s', 1, 'function']);
      assert.ok(session.cookie instanceof Cookie && session.cookie.expires instanceof Date);
      assert.deepEqual(Object.keys(session).sort(), ['a', 'cookie']);
      assert.deepEqual(await call(store, 'load', 'nothing'), []);
    });
  });

  describe('the life of a session', () => {
    const app = freshName();
    /** How long a session lives from now on, in ms. @param {string} sid */
    const lifeOf = async (sid) => {
      const { expiresAt } = await foreign.load(sessions, { app, token: tokenOf(sid) });
      return expiresAt - Date.now();
    };
    const between = (value, low, high) => assert.ok(low < value && value <= high, `${value} ms`);
    const cookieIn = (ms) => ({ originalMaxAge: null, expires: later(ms) });

    test('is that of its cookie: a date, a text of one, or maxAge', async () => {
      const store = newStore({ app });
      const expires = later(MINUTE);
      for (const cookie of [{ expires }, { expires: expires.toJSON() }, { maxAge: MINUTE }]) {
        const sid = freshName();
        await store.set(sid, { cookie });
        between(await lifeOf(sid), MINUTE / 2, MINUTE + 1000);
      }
    });

    test('is `duration` if the cookie ends with the browser, and that of the sessions by default', async () => {
      const DAY = 24 * 60 * MINUTE;
      for (const [duration, ms] of [
        [undefined, DAY],
        [120, 2 * MINUTE],
      ]) {
        const store = newStore({ app, duration });
        for (const expires of [null, false, undefined, 'no date']) {
          const sid = freshName();
          await store.set(sid, { cookie: { originalMaxAge: null, expires } });
          between(await lifeOf(sid), ms - MINUTE, ms + 1000);
          const { cookie } = await store.get(sid);
          assert.deepEqual(cookie, plain({ originalMaxAge: null, expires }), 'it is not set');
        }
      }
    });

    test('has no end with `duration: Infinity`', async () => {
      const store = newStore({ app, duration: Infinity, touchAfter: 0 });
      await store.set('endless', { cookie: {} });
      await store.touch('endless', await store.get('endless'));
      const { expiresAt } = await foreign.load(sessions, { app, token: tokenOf('endless') });
      assert.equal(expiresAt, undefined);
    });

    test('ends to the millisecond, and is never found after that', async () => {
      const store = newStore();
      await store.set('short', { cookie: cookieIn(5) });
      await waitUntil(async () => (await store.get('short')) === undefined, 'the end');
      assert.deepEqual(await store.all(), []);
    });

    test('is moved by touch, which keeps the data and writes the cookie', async () => {
      const store = newStore({ app });
      await store.set('456', { cookie: cookieIn(MINUTE), a: 1 });
      await store.touch('456', { cookie: { ...cookieIn(2 * MINUTE), path: '/x' }, a: 2 });
      between(await lifeOf('456'), 1.5 * MINUTE, 2 * MINUTE + 1000);
      const { a, cookie } = await store.get('456');
      assert.deepEqual([a, cookie.path], [1, '/x']);
      const { expiresAt } = await foreign.load(sessions, { app, token: tokenOf('456') });
      assert.deepEqual(cookie.expires, expiresAt, 'what is read says when it really ends');
    });

    for (const method of ['set', 'touch']) {
      test(`ends with the browser, or no longer, when ${method} gets such a cookie`, async () => {
        const store = newStore({ app });
        const sid = freshName();
        const cookies = [cookieIn(MINUTE), { originalMaxAge: null, expires: null }];
        await store.set(sid, { cookie: cookies[0] });
        for (const cookie of cookies.toReversed()) {
          const session = await store.get(sid);
          session.cookie = cookie;
          await store[method](sid, session);
          const { expires } = (await store.get(sid)).cookie;
          assert.equal(expires instanceof Date, cookie.expires instanceof Date);
        }
      });

      test(`ends when ${method} gets a cookie that has expired`, async () => {
        const store = newStore({ app });
        for (const cookie of [cookieIn(-MINUTE), { maxAge: 0 }, { maxAge: -1 }]) {
          await store.set('789', { cookie: cookieIn(MINUTE) });
          await store[method]('789', { cookie });
          assert.equal(await store.get('789'), undefined);
        }
      });
    }
  });

  test('a session that is destroyed while it is saved for the first time is gone', async () => {
    const store = newStore({ ownerId: ({ user }) => user });
    for (let n = 0; n < 40; n++) {
      const session = () => ({ cookie: { originalMaxAge: null, expires: later(MINUTE) }, user: 1 });
      const saves = [store.set('s', session()), store.set('s', session())];
      if (n % 2) await setImmediate();
      await Promise.all([...saves, store.destroy('s')]);
      assert.equal(await store.get('s'), undefined);
    }
  });

  test('a thousand sessions are counted, listed by public ids and cleared', async () => {
    const app = freshName();
    const store = newStore({ app });
    const other = newStore({ app: `${app}*` });
    await other.set('s', { cookie: {} });
    const cookie = new Cookie();
    cookie.expires = later(10 * MINUTE);
    const sids = Array.from({ length: 1000 }, (_, n) => `s${n}`);
    await Promise.all(sids.map((sid) => store.set(sid, { cookie, sid })));
    assert.equal(await store.length(), 1000);
    const ids = await store.ids();
    assert.equal(new Set(ids).size, 1000);
    const all = await store.all();
    assert.deepEqual(all.map(({ id }) => id).sort(), ids.toSorted());
    assert.deepEqual(all.map(({ sid }) => sid).sort(), sids.toSorted());
    assert.ok(all.every((session) => session.cookie.expires instanceof Date));
    assert.equal(await store.get(ids[0]), undefined, 'a public id opens nothing');
    await store.clear();
    assert.deepEqual([await store.length(), await store.all()], [0, []]);
    assert.equal(await other.length(), 1, 'another app is not touched');
  });
});
