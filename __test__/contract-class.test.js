'use strict';

// The class as JavaScript sees it: exports, constructor, unbound methods, subclasses, mocks.

const assert = require('node:assert/strict');
const { describe, mock, test } = require('node:test');
const { rejection } = require('./support/rejection.js');
const { METHODS, requestsOf } = require('./support/requests.js');
const { forEachTarget, freshName } = require('./support/targets.js');
const exported = require('../index.js');

const { SpotsSessions } = exported;
describe('exports', () => {
  test('require gives the class by its name only', () => {
    assert.equal(typeof exported, 'object');
    assert.equal(typeof exported.SpotsSessions, 'function');
    assert.equal(exported.SpotsSessions.name, 'SpotsSessions');
    assert.equal(exported.default, undefined);
  });

  test('import gives the same class by its name', async () => {
    const imported = await import('../index.js');
    assert.equal(imported.SpotsSessions, SpotsSessions);
    assert.equal(imported.default.default, undefined);
  });
});

describe('constructor', () => {
  const rows = [
    ['nothing', []],
    ['undefined', [undefined]],
    ['an empty object', [{}]],
    ['a connection string', ['redis://localhost:6379']],
    ['a connection string as an option', [{ connectionString: 'redis://localhost:6379' }]],
    ['an undefined connection string', [{ connectionString: undefined }]],
    ['memory:', ['memory:']],
  ];
  for (const [label, args] of rows) {
    test(`${label} makes an instance, whether or not a server is there`, async () => {
      const sessions = new SpotsSessions(...args);
      assert.ok(sessions instanceof SpotsSessions);
      await sessions.close();
    });
  }

  test('a server that is not there does not stop the constructor', async () => {
    const sessions = new SpotsSessions('redis://127.0.0.1:1');
    await sessions.close();
  });

  test('a bad option throws `failed to instantiate`, with the reason and the cause', () => {
    const rows = [
      { defaultDuration: 0 },
      { commandTimeout: 'soon' },
      { maxPending: -1 },
      { connectionString: 'http://localhost' },
      { tls: { ca: 'no certificate' } },
      '',
      'memory',
    ];
    for (const options of rows) {
      assert.throws(
        () => new SpotsSessions(options),
        (error) => {
          assert.ok(error.cause instanceof Error);
          const { message } = error.cause;
          assert.equal(error.message, `failed to instantiate IORedis client: ${message}`);
          return true;
        },
      );
    }
  });

  test('without new it is a TypeError, as with every class', () => {
    assert.throws(() => SpotsSessions('memory:'), TypeError);
  });
});

forEachTarget((_target, open, server) => {
  describe('methods', () => {
    test('work when they are called unbound', async () => {
      const { sessions } = open();
      const { create, get, refresh, update, kill, killAll } = sessions;
      const app = freshName();
      const token = await create({ app, ownerId: 'alice', data: { a: 1 } });
      assert.equal(await update({ app, token, data: { b: 2 } }), true);
      assert.equal(await refresh({ app, token, duration: 60 }), true);
      assert.deepEqual(await get({ app, token }), { ownerId: 'alice', data: { a: 1, b: 2 } });
      assert.equal(await kill({ app, token }), true);
      assert.equal(await killAll({ app, ownerId: 'alice' }), false);
      assert.deepEqual(await Promise.all([{ app, token }].map(get)), [undefined]);
    });

    test('that are unbound use their own instance, also if there are two', async () => {
      const [first, second] = [open().sessions, open().sessions];
      const { get: getOfFirst } = first;
      const { get: getOfSecond } = second;
      await first.close();
      const request = { app: freshName(), token: 'the token of nobody' };
      assert.equal((await rejection(() => getOfFirst(request))).code, 'ERR_SESSIONS_CLOSED');
      assert.equal(await getOfSecond(request), undefined);
    });

    test('close works unbound', async () => {
      const { sessions } = open();
      const { close } = sessions;
      await close();
      const error = await rejection(() => sessions.get({ app: 'a', token: 't' }));
      assert.equal(error.code, 'ERR_SESSIONS_CLOSED');
    });

    test('that a subclass overrides get all their arguments, even when called unbound', async () => {
      class Logging extends SpotsSessions {
        async get(request, ...more) {
          return [await super.get(request), ...more];
        }
      }
      const sessions = new Logging('memory:');
      const { get } = sessions;
      const request = { app: freshName(), token: 'the token of nobody' };
      assert.deepEqual(await sessions.get(request, 1, 2), [undefined, 1, 2]);
      assert.deepEqual(await get(request, 1, 2), [undefined, 1, 2]);
      await sessions.close();
    });

    test('that a subclass overrides can call super, even when called unbound', async () => {
      const { sessions: plain } = open();
      const connectionString = server()?.url ?? 'memory:';
      class Audited extends SpotsSessions {
        log = [];
        constructor(string, label) {
          super(string);
          this.label = label;
        }
        async get(request) {
          const session = await super.get(request);
          this.log.push(`${this.label} ${session?.ownerId}`);
          return session && { ...session, audited: true };
        }
        async login(app, ownerId) {
          return this.create({ app, ownerId, data: {} });
        }
      }
      const audited = new Audited(connectionString, 'audit');
      const app = freshName();
      const token = await audited.login(app, 'alice');
      assert.deepEqual(await audited.get({ app, token }), {
        ownerId: 'alice',
        data: {},
        audited: true,
      });
      const { get } = audited;
      assert.deepEqual(await get({ app, token }), { ownerId: 'alice', data: {}, audited: true });
      assert.deepEqual(audited.log, ['audit alice', 'audit alice']);
      assert.ok(audited instanceof SpotsSessions && audited instanceof Audited);
      assert.equal(
        await plain.get({ app: freshName(), token }),
        undefined,
        'the class itself is as before',
      );
      await audited.close();
    });

    for (const method of METHODS) {
      test(`${method} can be replaced on an instance, and put back`, async () => {
        const { sessions } = open();
        const request = requestsOf(freshName())[method];
        sessions[method] = async (given) => ['fake', given];
        assert.deepEqual(await sessions[method](request), ['fake', request]);
        const { [method]: unbound } = sessions;
        assert.deepEqual(await unbound(request), ['fake', request]);
        const { sessions: other } = open();
        assert.notEqual(
          (await other[method](request))?.[0],
          'fake',
          'another instance is as before',
        );
        delete sessions[method];
        assert.notEqual((await sessions[method](request))?.[0], 'fake');
      });

      test(`${method} can be spied on, on an instance and on the prototype`, async () => {
        const { sessions } = open();
        const request = requestsOf(freshName())[method];
        const spy = mock.method(sessions, method);
        await sessions[method](request);
        assert.equal(spy.mock.callCount(), 1, 'the spy saw the call and let it through');
        spy.mock.restore();
        await sessions[method](request);
        assert.equal(spy.mock.callCount(), 1);

        const fake = mock.method(SpotsSessions.prototype, method, async () => 'fake');
        const { sessions: later } = open();
        assert.equal(await sessions[method](request), 'fake', 'an instance made before');
        assert.equal(await later[method](request), 'fake', 'an instance made after');
        fake.mock.restore();
        assert.notEqual(await sessions[method](request), 'fake');
        assert.notEqual(await later[method](request), 'fake');
      });
    }

    test('every method returns a real promise at once', async () => {
      const { sessions } = open();
      for (const [method, request] of Object.entries(requestsOf(freshName()))) {
        const promise = sessions[method](request);
        assert.ok(promise instanceof Promise, method);
        await promise;
      }
    });
  });

  test('fake timers of a test do not stop the sessions', async () => {
    const { sessions } = open();
    mock.timers.enable({ apis: ['setImmediate', 'setTimeout', 'setInterval', 'Date'] });
    try {
      const app = freshName();
      const token = await sessions.create({ app, ownerId: 'alice', data: {}, duration: 600 });
      assert.deepEqual(await sessions.get({ app, token }), { ownerId: 'alice', data: {} });
    } finally {
      mock.timers.reset();
    }
  });
});
