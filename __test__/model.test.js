'use strict';

// Random calls, one after another and several at once. Every answer must agree with a model in memory. Only this suite
// draws names and tokens that are nearly equal, and calls on sessions that have just ended. It finds a call that
// reaches the wrong session, and failures in sequences of calls that nobody thought of.
//
//     MODEL_RUNS=5000 node --test __test__/model.test.js       more runs
//     MODEL_SEED=-123 node --test __test__/model.test.js       the run that failed: fast-check prints its seed

const assert = require('node:assert/strict');
const { before, describe, test } = require('node:test');
const { inspect } = require('node:util');
const fc = require('fast-check');
const { idOf } = require('./support/keys.js');
const { Model } = require('./support/model.js');
const { forEachTarget, freshName } = require('./support/targets.js');
const { PATTERNS, TWISTS, twisted } = require('./support/twists.js');
const { waitUntil } = require('./support/wait-until.js');

const RUNS = Number(process.env.MODEL_RUNS ?? 200);
const SEED = process.env.MODEL_SEED;

/** Owners of one app that a careless conversion takes for each other. */
const OWNERS = ['alice', 'Alice', 42, 42n, '42', '042', '4 2', 4.5, '4.50', '__proto__'];

const maybe = (labels) => fc.option(fc.constantFrom(...labels), { nil: undefined, freq: 2 });

/** Two of these make a record long enough to be folded. */
const LONG = 'x'.repeat(2100);

const data = fc
  .array(
    fc.tuple(
      fc.constantFrom('a', 'b', 'c', '', '1', '10', '2', '__proto__', 'x\ny', '\ud800', '\ufffd'),
      fc.constantFrom(
        null,
        null,
        undefined,
        NaN,
        1,
        2 ** 60,
        'x',
        '\n',
        '\udc00',
        [],
        {},
        [null],
        LONG,
      ),
    ),
    { maxLength: 4 },
  )
  .map((entries) => Object.fromEntries(entries));
/** Short ones end while others are made; none is so short that it needs luck. */
const duration = fc.constantFrom(0.02, 0.06, 600, 3600, Infinity);

const limits = fc.record(
  {
    sliding: fc.boolean(),
    lifetime: fc.constantFrom(0.06, 1800, Infinity),
    maxSessions: fc.constantFrom(1, 2, 5, Infinity),
  },
  { requiredKeys: [] },
);

/** A call as it is drawn; which session it is about is seen when it is made. */
const call = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      method: fc.constant('create'),
      twists: fc.record({ app: maybe(TWISTS), ownerId: maybe(TWISTS) }),
      which: fc.nat(30),
      ownerId: fc.constantFrom(...OWNERS),
      data: fc.option(data, { nil: undefined }),
      duration: fc.option(duration, { nil: undefined }),
      limits: fc.oneof({ weight: 2, arbitrary: fc.constant({}) }, limits),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      method: fc.constantFrom(
        ...['get', 'get', 'update', 'update', 'refresh', 'kill', 'info', 'rotate', 'kill by id'],
      ),
      twists: fc.oneof(
        { weight: 3, arbitrary: fc.constant({}) },
        fc.record({ token: maybe([...TWISTS, ...PATTERNS]) }),
        fc.record({ app: maybe([...TWISTS, ...PATTERNS]) }),
        // Another's token in this app, or this token in another app.
        fc.record({ tokenOf: fc.nat(30) }),
      ),
      which: fc.nat(30),
      data,
      duration,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      method: fc.constantFrom('killAll', 'list', 'list'),
      twists: fc.oneof(
        fc.constant({}),
        fc.record({ ownerId: maybe([...TWISTS, ...PATTERNS]) }),
        fc.record({ app: maybe([...TWISTS, ...PATTERNS]) }),
      ),
      which: fc.nat(30),
      tokenOf: fc.option(fc.nat(30), { nil: undefined }),
      limit: fc.constantFrom(undefined, 1, 3),
    }),
  },
);

/** What a call asks for, of the sessions that are known by now. */
function requestOf(call, model, app) {
  const { method, twists, which } = call;
  const at = (n) =>
    model.known[n % model.known.length] ?? { app, ownerId: 'nobody', token: 'none' };
  if (method === 'create') {
    return {
      app: twisted(twists.app, app),
      ownerId: twisted(twists.ownerId, which % 2 ? at(which).ownerId : call.ownerId),
      data: call.data,
      duration: call.duration,
      ...call.limits,
    };
  }
  const session = at(which);
  const name = twisted(twists.app, session.app);
  if (method === 'killAll' || method === 'list') {
    const owner = { app: name, ownerId: twisted(twists.ownerId, session.ownerId) };
    const token = call.tokenOf === undefined ? undefined : at(call.tokenOf).token;
    return method === 'list' ? { ...owner, token, limit: call.limit } : { ...owner, except: token };
  }
  const token = twists.tokenOf === undefined ? session.token : at(twists.tokenOf).token;
  const request = { app: name, token: twisted(twists.token, token) };
  if (method === 'kill by id')
    return { app: name, ownerId: session.ownerId, id: idOf(request.token) };
  if (method === 'update') request.data = call.data;
  if (method === 'refresh') request.duration = call.duration;
  return request;
}

const methodOf = ({ method }) => (method === 'kill by id' ? 'kill' : method);

/** Calls that are made without waiting, by one instance: they act in their order. */
class Calls {
  constructor(instance, calls) {
    this.instance = instance;
    this.calls = calls;
  }

  check() {
    return true;
  }

  async run(model, { instances, app }) {
    const sessions = instances[this.instance % instances.length];
    const requests = this.calls.map((call) => requestOf(call, model, app));
    const begun = performance.now();
    const answers = await Promise.all(
      requests.map((request, n) => sessions[methodOf(this.calls[n])](request)),
    );
    const span = { begun, ended: performance.now() };
    for (const [n, call] of this.calls.entries())
      model.observe(methodOf(call), requests[n], answers[n], span);
  }

  toString() {
    return `${this.instance}: ${inspect(this.calls, { depth: 9, breakLength: Infinity })}`;
  }
}

class WaitForTheShort {
  check() {
    return true;
  }

  async run(model) {
    const end = model.soonSettled;
    await waitUntil(() => performance.now() > end, 'short sessions to end');
  }

  toString() {
    return 'wait';
  }
}

const instance = fc.nat(1);
const one = fc.tuple(instance, call).map(([n, call]) => new Calls(n, [call]));
const several = (maxLength) =>
  fc
    .tuple(instance, fc.array(call, { minLength: 2, maxLength }))
    .map(([n, calls]) => new Calls(n, calls));
const wait = fc.constant(new WaitForTheShort());

forEachTarget((target, open) => {
  /** Calls of several instances, each awaited, are as good as calls of one. */
  let instances;
  before(() => {
    const { sessions } = open();
    instances =
      target === 'memory' ? [sessions] : [sessions, open({ tokenEncoding: 'hex' }).sessions];
  });

  async function run(commands) {
    const real = { instances, app: freshName() };
    const model = new Model();
    await fc.asyncModelRun(() => ({ model, real }), commands);
    for (const { app, token } of model.known) {
      const begun = performance.now();
      const answer = await instances[0].get({ app, token });
      model.observe('get', { app, token }, answer, { begun, ended: performance.now() });
    }
  }

  const assertModel = (commands) =>
    fc.assert(fc.asyncProperty(commands, run), {
      numRuns: RUNS,
      ...(SEED !== undefined && { seed: Number(SEED) }),
    });

  describe('any calls answer as the model does', () => {
    test('one after another, while short sessions end', async () => {
      const commands = [one, one, one, one, one, one, wait];
      await assertModel(fc.commands(commands, { maxCommands: 40 }));
    });

    test('several at once', async () => {
      const commands = [one, several(8), several(8), several(60)];
      await assertModel(fc.commands(commands, { maxCommands: 12 }));
    });
  });
});

const DATA = { a: 1, b: 1 };
const TIMES = { createdAt: new Date(0), expiresAt: new Date(86_400_000) };
const INFO = { id: idOf('t'), ownerId: 'o', data: DATA, ...TIMES };
const LISTED = { id: idOf('t'), data: DATA, ...TIMES, current: false };

test('the model rejects answers that the contract does not allow', () => {
  const now = { begun: 0, ended: 1 };
  const session = { app: 'a', ownerId: 'o' };
  const rows = [
    ['a session that is not found', 'get', { token: 't' }, undefined],
    ['the data of another', 'get', { token: 't' }, { ownerId: 'o', data: { a: 2, b: 1 } }],
    ['data in another order', 'get', { token: 't' }, { ownerId: 'o', data: { b: 1, a: 1 } }],
    ['a session of another app', 'get', { app: 'A', token: 't' }, { ownerId: 'o', data: {} }],
    ['a session by part of its token', 'kill', { token: '' }, true],
    ['a killAll of nobody that is true', 'killAll', { ownerId: 'O' }, true],
    ['a killAll that did nothing', 'killAll', {}, false],
    ['a token that is given again', 'create', {}, 't'],
    ['a session under another id', 'info', { token: 't' }, { ...INFO, id: idOf('u') }],
    ['a session that ends too late', 'info', { token: 't' }, { ...INFO, expiresAt: undefined }],
    ['a rotation to the same token', 'rotate', { token: 't' }, 't'],
    ['a rotation that finds nothing', 'rotate', { token: 't' }, undefined],
    ['a kill by the id of another', 'kill', { ownerId: 'O', id: idOf('t') }, true],
    ['a kill by id that finds nothing', 'kill', { id: idOf('t') }, false],
    ['a killAll that ends the excepted session', 'killAll', { except: 't' }, true],
    ['a list without the session', 'list', {}, []],
    ['a list with the session twice', 'list', {}, [LISTED, LISTED]],
    ['a list of another', 'list', { ownerId: 'O' }, [LISTED]],
    ['a list with the wrong current session', 'list', { token: 't' }, [LISTED]],
  ];
  for (const [label, method, request, answer] of rows) {
    const model = new Model();
    model.observe('create', { ...session, data: DATA }, 't', now);
    assert.throws(
      () => model.observe(method, { ...session, ...request }, answer, now),
      { name: 'AssertionError' },
      label,
    );
  }
  const model = new Model();
  model.observe('create', { ...session, duration: 1 }, 't', now);
  const found = { ownerId: 'o', data: {} };
  const ask = (answer, at) =>
    model.observe('get', { app: 'a', token: 't' }, answer, { begun: at, ended: at + 1 });
  ask(found, 900);
  ask(found, 1001); // so close to its end it may be there
  assert.throws(() => ask(found, 1100), { name: 'AssertionError' });
  ask(undefined, 999); // or not, and then never again
  assert.throws(() => ask(found, 999), { name: 'AssertionError' });
});

test('the model rejects more sessions than maxSessions, one that ends out of turn, and one that outlives its lifetime', () => {
  const session = { app: 'a', ownerId: 'o', maxSessions: 2, lifetime: 5000 };
  /** A model of an owner who had three sessions, of which `t1` ended first. */
  const three = () => {
    const model = new Model();
    for (const [n, duration] of [2000, 1000, 3000].entries()) {
      const span = { begun: n, ended: n + 1 };
      model.observe('create', { ...session, duration }, `t${n}`, span);
    }
    return model;
  };
  const ask = (model, token, answer, at = 10) =>
    model.observe('get', { app: 'a', token }, answer, { begun: at, ended: at + 1 });
  const found = { ownerId: 'o', data: {} };
  for (const [token, answer] of [
    ['t0', found],
    ['t1', undefined],
    ['t2', found],
  ]) {
    ask(three(), token, answer);
    const wrong = answer ? undefined : found;
    assert.throws(() => ask(three(), token, wrong), { name: 'AssertionError' }, token);
  }
  const model = three();
  const refresh = { app: 'a', token: 't0', duration: Infinity };
  model.observe('refresh', refresh, true, { begun: 20, ended: 21 });
  ask(model, 't0', found, 4_900_000);
  assert.throws(() => ask(model, 't0', found, 5_000_100), { name: 'AssertionError' });
});
