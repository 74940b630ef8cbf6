'use strict';

// The tracing channel of calls: what monitoring sees of each call, and what it must not see.

const assert = require('node:assert/strict');
const { AsyncLocalStorage } = require('node:async_hooks');
const { tracingChannel } = require('node:diagnostics_channel');
const { test } = require('node:test');
const { inspect } = require('node:util');
const { SpotsSessionsError } = require('../index.js');
const { faultyServer } = require('./support/faults.js');
const { rejection } = require('./support/rejection.js');
const { METHODS } = require('./support/requests.js');
const { forEachTarget, freshName } = require('./support/targets.js');

const channel = tracingChannel('spots-sessions:call');
const STEPS = ['start', 'end', 'asyncStart', 'asyncEnd'];

/** Subscribes for a test: what was published, as names and messages, in order. */
function subscribed(t) {
  const published = [];
  const handlers = Object.fromEntries(
    [...STEPS, 'error'].map((step) => [step, (message) => published.push({ step, message })]),
  );
  channel.subscribe(handlers);
  t.after(() => channel.unsubscribe(handlers));
  return published;
}

const stepsOf = (published) => published.map(({ step }) => step);

forEachTarget((_target, open) => {
  test('each method is published from its start to its end, without a secret', async (t) => {
    const { sessions } = open();
    const published = subscribed(t);
    const owner = { app: freshName(), ownerId: 's3cret-owner' };
    const token = await sessions.create({ ...owner, data: { key: 's3cret-data' } });
    const call = { app: owner.app, token };
    assert.equal((await sessions.get(call)).data.key, 's3cret-data');
    assert.equal(await sessions.refresh({ ...call, duration: 60 }), true);
    assert.equal(await sessions.update({ ...call, data: { key: 's3cret-too' } }), true);
    assert.equal((await sessions.info(call)).ownerId, owner.ownerId);
    assert.equal((await sessions.list(owner)).length, 1);
    const fresh = await sessions.rotate(call);
    assert.equal(await sessions.kill({ ...call, token: fresh }), true);
    assert.equal(await sessions.killAll(owner), false);
    await sessions.ping();

    const methods = METHODS;
    assert.deepEqual(
      stepsOf(published),
      methods.flatMap(() => STEPS),
    );
    for (const [n, method] of methods.entries()) {
      const [{ message }, ...later] = published.slice(4 * n, 4 * n + 4);
      assert.ok(later.every((step) => step.message === message));
      assert.deepEqual(Object.keys(message), ['method', 'app', 'duration']);
      const app = method === 'ping' ? undefined : owner.app;
      assert.deepEqual([message.method, message.app], [method, app]);
      assert.ok(message.duration >= 0 && Number.isFinite(message.duration));
    }
    const shown = inspect(published, { depth: 9, showHidden: true });
    assert.ok(!shown.includes('s3cret') && !shown.includes(token) && !shown.includes(fresh));
  });

  test('calls that are made at once have separate messages', async (t) => {
    const { sessions } = open();
    const published = subscribed(t);
    const app = freshName();
    await Promise.all(Array.from({ length: 100 }, (_, n) => sessions.killAll({ app, ownerId: n })));
    assert.equal(new Set(published.map(({ message }) => message)).size, 100);
    assert.equal(published.length, 400);
  });

  test('a call that is rejected is published with its error, and rejects with it', async (t) => {
    const { sessions } = open();
    await sessions.close();
    const published = subscribed(t);
    const closed = await rejection(() => sessions.get({ app: 5, token: 'a'.repeat(40) }));
    assert.deepEqual(stepsOf(published), ['start', 'end', 'error', 'asyncStart', 'asyncEnd']);
    const { method, app, error } = published[4].message;
    assert.deepEqual([method, app], ['get', '5']);
    assert.equal(error, closed);
    assert.equal(error.code, 'ERR_SESSIONS_CLOSED');
  });

  test('a wrong argument is published as the error of its call, whatever it is', async (t) => {
    const { sessions } = open();
    const published = subscribed(t);
    const hostile = {
      get app() {
        throw new Error('from a getter');
      },
    };
    for (const request of [undefined, null, {}, { app: '' }, { app: {} }, hostile]) {
      published.length = 0;
      const error = await rejection(() => sessions.get(request));
      assert.ok(error instanceof TypeError);
      assert.deepEqual(stepsOf(published), ['start', 'end', 'error', 'asyncStart', 'asyncEnd']);
      const { message } = published[4];
      assert.deepEqual([message.app, message.error], [undefined, error]);
    }
  });

  test('a store that is bound to start is still there at asyncEnd', async (t) => {
    const { sessions } = open();
    const storage = new AsyncLocalStorage();
    const seen = [];
    const onEnd = ({ method }) => seen.push([method, storage.getStore()?.method]);
    channel.start.bindStore(storage, (message) => message);
    channel.asyncEnd.subscribe(onEnd);
    t.after(() => {
      channel.start.unbindStore(storage);
      channel.asyncEnd.unsubscribe(onEnd);
    });
    await sessions.killAll({ app: freshName(), ownerId: 1 });
    assert.equal(storage.getStore(), undefined);
    assert.deepEqual(seen, [['killAll', 'killAll']]);
  });
});

test('the published duration is the time until the answer', async (t) => {
  const { proxy, open, app } = await faultyServer(t, { proxy: true });
  const sessions = open();
  await sessions.killAll({ app, ownerId: 'nobody' });
  const published = subscribed(t);
  proxy.delay = 200;
  await sessions.killAll({ app, ownerId: 'nobody' });
  const { duration } = published.at(-1).message;
  assert.ok(duration > 190, `${duration} ms`);
});

test('a call without an answer is published as failed', async (t) => {
  const { server, open, app } = await faultyServer(t);
  await server.down();
  const published = subscribed(t);
  await rejection(() => open({ commandTimeout: 200 }).killAll({ app, ownerId: 'nobody' }));
  const { error, duration } = published.find(({ step }) => step === 'error').message;
  assert.ok(error instanceof SpotsSessionsError);
  assert.equal(error.code, 'ERR_SESSIONS_CONNECTION');
  assert.ok(duration > 190, `${duration} ms`);
});
