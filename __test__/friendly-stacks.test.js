'use strict';

// `showFriendlyErrorStack`, an option of ioredis: the stack of an error shows the caller of the
// method.

const assert = require('node:assert/strict');
const { subscribe, unsubscribe } = require('node:diagnostics_channel');
const path = require('node:path');
const { after, before, describe, test } = require('node:test');
const { startRedis } = require('./support/redis-server.js');
const { rejection } = require('./support/rejection.js');
const { requestsOf } = require('./support/requests.js');
const { SpotsSessions } = require('../index.js');

const ROOT = path.join(__dirname, '..');
/** The files of our own frames. */
const OWN = [path.join(ROOT, 'index.js'), path.join(ROOT, 'lib', path.sep)];
const DOWN = { connectionString: 'redis://127.0.0.1:1', commandTimeout: 100 };
const REQUESTS = Object.entries(requestsOf('app', 'a token of nobody'));

/** The frames of an error's stack. Its first line must be the name and the message, as usual. */
function framesOf({ name, message, stack }) {
  const head = `${name}: ${message}`;
  assert.ok(stack.startsWith(head), stack);
  return stack.slice(head.length).split('\n').slice(1);
}

/** Checks that the first frame is a function of this file, and that no frame is of this package. */
function assertShows(caller, error) {
  const frames = framesOf(error);
  assert.match(
    frames[0] ?? '',
    new RegExp(`\\b${caller}\\b.*friendly-stacks\\.test\\.js:\\d+:\\d+`),
  );
  assert.ok(!frames.some((frame) => OWN.some((place) => frame.includes(place))), error.stack);
}

/** Calls every method as programs do. Returns the errors, each with the name of the calling function. */
async function rejections(sessions) {
  const calls = REQUESTS.flatMap(([method, request]) => {
    const { [method]: unbound } = sessions;
    const direct = () => unbound(request);
    const later = async () => {
      await null;
      return sessions[method](request);
    };
    return [direct, later];
  });
  return Promise.all(calls.map(async (call) => [call.name, await rejection(call)]));
}

describe('showFriendlyErrorStack', () => {
  let server;
  before(async () => {
    server = await startRedis({ config: { requirepass: 'secret' } });
  });
  after(() => server.stop());

  const rows = {
    'as an option': { ...DOWN, showFriendlyErrorStack: true },
    'as a text': { ...DOWN, showFriendlyErrorStack: 'true' },
    'in a URL': {
      ...DOWN,
      connectionString: `${DOWN.connectionString}?showFriendlyErrorStack=true`,
    },
    'in an object of ioredis': {
      connectionString: { host: '127.0.0.1', port: 1, showFriendlyErrorStack: true },
      commandTimeout: 100,
    },
    'on a cluster': { cluster: ['127.0.0.1:1'], commandTimeout: 100, showFriendlyErrorStack: true },
  };
  for (const [label, options] of Object.entries(rows)) {
    test(`shows the caller of a method that met an outage: ${label}`, async () => {
      const sessions = new SpotsSessions(options);
      const all = await rejections(sessions);
      for (const [caller, error] of all) {
        assert.equal(error.code, 'ERR_SESSIONS_CONNECTION');
        assertShows(caller, error);
      }
      await sessions.close();
    });
  }

  test('shows the caller of a method that the server refused', async () => {
    const connectionString = `redis://127.0.0.1:${server.port}`;
    const sessions = new SpotsSessions({ connectionString, showFriendlyErrorStack: true });
    for (const [caller, error] of await rejections(sessions)) {
      assert.equal(error.code, 'ERR_SESSIONS_REDIS');
      assertShows(caller, error);
    }
    await sessions.close();
  });

  test('shows the caller of a method that a subclass has overridden, and while calls are traced', async () => {
    class Own extends SpotsSessions {
      get(request) {
        return super.get(request);
      }
    }
    const sessions = new Own({ ...DOWN, showFriendlyErrorStack: true });
    const theCaller = () => sessions.get({ app: 'app', token: 'a token of nobody' });
    const listener = () => {};
    const first = await rejection(theCaller);
    subscribe('tracing:spots-sessions:call:error', listener);
    const second = await rejection(theCaller);
    unsubscribe('tracing:spots-sessions:call:error', listener);
    for (const error of [first, second]) {
      const frames = framesOf(error);
      assert.match(frames[0], /at .*\bget\b.*friendly-stacks\.test\.js/);
      assert.ok(
        frames.some((frame) => /\btheCaller\b/.test(frame)),
        error.stack,
      );
    }
    await sessions.close();
  });

  test('does not change how a call rejects if a program replaces Error.prepareStackTrace', async (t) => {
    const sessions = new SpotsSessions({ ...DOWN, showFriendlyErrorStack: true });
    const before = Error.prepareStackTrace;
    t.after(() => {
      Error.prepareStackTrace = before;
    });
    Error.prepareStackTrace = (_error, sites) => sites;
    const error = await rejection(() => sessions.get({ app: 'app', token: 'a token of nobody' }));
    Error.prepareStackTrace = before;
    assert.equal(error.code, 'ERR_SESSIONS_CONNECTION');
    await sessions.close();
  });

  test('keeps to Error.stackTraceLimit, and does not change it', async (t) => {
    const sessions = new SpotsSessions({ ...DOWN, showFriendlyErrorStack: true });
    const { stackTraceLimit } = Error;
    t.after(() => Object.assign(Error, { stackTraceLimit }));
    const theCaller = () => sessions.get({ app: 'app', token: 'a token of nobody' });
    for (const limit of [10, 1, 0]) {
      Error.stackTraceLimit = limit;
      const error = await rejection(theCaller);
      assert.equal(Error.stackTraceLimit, limit);
      const frames = framesOf(error);
      assert.ok(frames.length <= limit, error.stack);
      if (limit > 0) assertShows('theCaller', error);
    }
    await sessions.close();
  });

  test('is off by default, and memory: accepts it', async () => {
    for (const off of [undefined, false, 'false']) {
      const sessions = new SpotsSessions({ ...DOWN, showFriendlyErrorStack: off });
      for (const [caller, error] of await rejections(sessions)) {
        assert.ok(!error.stack.includes(caller), error.stack);
      }
      await sessions.close();
    }
    const memory = new SpotsSessions({ connectionString: 'memory:', showFriendlyErrorStack: true });
    assert.equal(await memory.get({ app: 'app', token: 'a token of nobody' }), undefined);
    await memory.close();
  });
});
