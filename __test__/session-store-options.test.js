'use strict';

// The options of SessionStore, wrong arguments of its methods, and what it sends when.

const assert = require('node:assert/strict');
const { after, before, describe, test } = require('node:test');
const { inspect } = require('node:util');
const { SpotsSessions } = require('../index.js');
const { SessionStore } = require('../lib/session-store.js');
const { onRedis, freshName } = require('./support/targets.js');

const MINUTE = 60_000;

describe('options', () => {
  const sessions = new SpotsSessions('memory:');
  after(() => sessions.close());
  const good = { sessions, app: 'shop' };

  /** Wrong options, and what the message must name. */
  const wrong = [
    [undefined, 'options'],
    ['shop', 'options'],
    [null, 'sessions'],
    [{}, 'sessions'],
    [{ app: 'shop' }, 'sessions'],
    [{ ...good, sessions: {} }, 'sessions'],
    [{ ...good, sessions: 'redis://secret@localhost' }, 'sessions'],
    [{ ...good, sessions: new Map() }, 'sessions'],
    [{ sessions }, 'app'],
    [{ ...good, app: '' }, 'app'],
    [{ ...good, app: {} }, 'app'],
    [{ ...good, app: '\ud800' }, 'app'],
    [{ ...good, app: 'x'.repeat(5000) }, 'app'],
    [{ ...good, ownerId: 'userId' }, 'ownerId'],
    [{ ...good, duration: '60' }, 'duration'],
    [{ ...good, duration: 0 }, 'duration'],
    [{ ...good, duration: -1 }, 'duration'],
    [{ ...good, duration: Number.NaN }, 'duration'],
    [{ ...good, touchAfter: '60' }, 'touchAfter'],
    [{ ...good, touchAfter: -1 }, 'touchAfter'],
    [{ ...good, touchAfter: Number.NaN }, 'touchAfter'],
    [{ ...good, ttl: 60 }, 'ttl'],
    [{ ...good, prefix: 'sess:' }, 'prefix'],
  ];
  for (const [options, name] of wrong) {
    test(`the constructor throws an error that names ${name}: ${inspect(options, { depth: 0 })}`, () => {
      assert.throws(
        () => new SessionStore(options),
        (error) => {
          assert.ok(error instanceof TypeError || error instanceof RangeError);
          assert.match(error.code, /^ERR_(INVALID_ARG_(TYPE|VALUE)|OUT_OF_RANGE)$/);
          assert.ok(error.message.includes(`\`${name}\``), error.message);
          assert.doesNotMatch(error.message, /secret/);
          return true;
        },
      );
    });
  }

  test('may be undefined or null, which means the default', () => {
    for (const value of [undefined, null]) {
      new SessionStore({ ...good, ownerId: value, duration: value, touchAfter: value });
    }
    new SessionStore({ ...good, duration: Infinity, touchAfter: 0 });
    class Own extends SpotsSessions {}
    const own = new Own('memory:');
    new SessionStore({ sessions: own, app: 7n });
    return own.close();
  });
});

describe('wrong arguments', () => {
  const sessions = new SpotsSessions('memory:');
  after(() => sessions.close());
  const circular = { cookie: {}, secretName: {} };
  circular.secretName.self = circular;
  const wrong = {
    'get of no text': ['get', undefined],
    'get of a number': ['get', 7],
    'get of half a character': ['get', '\ud800'],
    'set of no session': ['set', 's', undefined],
    'set of null': ['set', 's', null],
    'set of a text': ['set', 's', 'secretName'],
    'set of a bigint': ['set', 's', { cookie: {}, n: 1n }],
    'set of a circle': ['set', 's', circular],
    'touch of no session': ['touch', 's', undefined],
    'touch of no text': ['touch', null, { cookie: {} }],
    'destroy of no text': ['destroy', {}],
  };
  for (const [name, [method, ...args]] of Object.entries(wrong)) {
    test(`${name} is a TypeError, by the callback or as a rejection, and is never thrown`, async () => {
      const store = new SessionStore({ sessions, app: freshName() });
      const isPlain = (error) => {
        assert.ok(error instanceof TypeError, inspect(error));
        assert.doesNotMatch(inspect(error), /secretName/);
        return true;
      };
      await assert.rejects(store[method](...args), isPlain);
      const answers = [];
      await new Promise((resolve) => {
        store[method](...args, (...about) => {
          answers.push(about);
          resolve(undefined);
        });
      });
      await new Promise(setImmediate);
      assert.equal(answers.length, 1);
      assert.ok(isPlain(answers[0][0]));
    });
  }

  test('an error that a callback throws is the program’s, and the callback is not called again', async () => {
    const store = new SessionStore({ sessions, app: freshName() });
    const boom = new Error('boom');
    let calls = 0;
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    const caught = new Promise((resolve) => process.once('uncaughtException', resolve));
    store.get('s', () => {
      calls++;
      throw boom;
    });
    assert.equal(await caught, boom);
    await new Promise(setImmediate);
    for (const listener of listeners) process.on('uncaughtException', listener);
    assert.equal(calls, 1);
  });

  test('the base of a session shows nothing of it', async () => {
    const store = new SessionStore({ sessions, app: freshName() });
    await store.set('s', { cookie: {}, word: 'secretName' });
    const session = await new Promise((resolve) => store.get('s', (_, found) => resolve(found)));
    delete session.word;
    assert.doesNotMatch(inspect(session, { depth: 9 }), /secretName/);
    assert.deepEqual(JSON.parse(JSON.stringify(session)), { cookie: {} });
  });
});

describe('touchAfter', () => {
  onRedis((open, server) => {
    let sessions;
    before(async () => {
      ({ sessions } = open());
      await sessions.ping();
    });

    /** Which commands of a kind the server got while something ran. @param {() => Promise<unknown>} act */
    async function changesOf(act) {
      const writes = ['append', 'set', 'pexpireat', 'del', 'setrange'];
      const count = (stats) => writes.reduce((sum, name) => sum + (stats[name] ?? 0), 0);
      const before = count(await server().commandStats());
      await act();
      return count(await server().commandStats()) - before;
    }
    const later = (ms) => new Date(Date.now() + ms);
    const newStore = (more) => new SessionStore({ sessions, app: freshName(), ...more });
    /** A session that was loaded, and would now end so much later. */
    async function loaded(store, ms, moved) {
      await store.set('s', { cookie: { path: '/', expires: later(ms) } });
      const session = await store.get('s');
      session.cookie.expires = new Date(session.cookie.expires.getTime() + moved);
      return session;
    }

    for (const method of ['touch', 'set']) {
      test(`an early ${method} of an unchanged session sends nothing`, async () => {
        const store = newStore();
        const session = await loaded(store, 10 * MINUTE, MINUTE / 2);
        assert.equal(await changesOf(() => store[method]('s', session)), 0);
      });

      test(`a ${method} after a tenth of the time to live is sent`, async () => {
        const store = newStore();
        const session = await loaded(store, 10 * MINUTE, 2 * MINUTE);
        assert.equal(await changesOf(() => store[method]('s', session)), 1);
        assert.equal(await changesOf(() => store[method]('s', session)), 0, 'once');
        assert.deepEqual((await store.get('s')).cookie.path, '/');
      });

      test(`an early ${method} is sent if the end is earlier than it was`, async () => {
        const store = newStore();
        const session = await loaded(store, 10 * MINUTE, -1);
        assert.equal(await changesOf(() => store[method]('s', session)), 1);
      });

      test(`an early ${method} is sent if an attribute of the cookie has changed`, async () => {
        const store = newStore();
        const session = await loaded(store, 10 * MINUTE, 1);
        session.cookie.path = '/elsewhere';
        assert.equal(await changesOf(() => store[method]('s', session)), 2);
        assert.equal((await store.get('s')).cookie.path, '/elsewhere');
      });

      test(`each ${method} is sent with touchAfter: 0, and after its seconds with another number`, async () => {
        for (const [touchAfter, expected] of [
          [0, 1],
          [59, 1],
          [61, 0],
        ]) {
          const store = newStore({ touchAfter });
          const session = await loaded(store, 10 * MINUTE, MINUTE);
          assert.equal(await changesOf(() => store[method]('s', session)), expected);
        }
      });
    }
  });
});
