'use strict';

// Tests the checker that linearizability.test.js uses, on histories that are made up. There are no sessions and no
// races. Only this suite finds a checker that accepts a bad history or refuses a good one.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');
const fc = require('fast-check');
const { linearize } = require('./support/linearizable.js');
const { ownerSpec, projections } = require('./support/session-spec.js');

const BEGUN = { s: { base: 1 }, t: { base: 2 } };

/** `call..end method session answer`, as short as it can be told. */
const op = (call, end, method, session, answer, more) => ({
  ...{ call, end, method, session, answer },
  ...(method === 'update' && { data: { [more]: 1, last: more } }),
  ...(method === 'create' && { data: { base: 3 } }),
});
const get = (call, end, ...updates) =>
  op(
    call,
    end,
    'get',
    's',
    updates.reduce((data, u) => Object.assign(data, { [u]: 1, last: u }), { base: 1 }),
  );
const absent = (call, end, session = 's') => op(call, end, 'get', session, null);
const update = (call, end, name, answer = true) => op(call, end, 'update', 's', answer, name);
const kill = (call, end, answer = true, session = 's') => op(call, end, 'kill', session, answer);
const killAll = (call, end, answer = true) => op(call, end, 'killAll', undefined, answer);
const refresh = (call, end, answer = true) => op(call, end, 'refresh', 's', answer);
const create = (call, end) => op(call, end, 'create', 'new', 'a token');
const again = (op) => ({ ...op, again: true });
const inDoubt = (op) => ({ ...op, end: Infinity, answer: undefined, again: true });

/** @type {[string, any[], boolean][]} a history, and whether it may have been */
const HISTORIES = [
  ['nothing', [], true],
  ['a get of what is there', [get(0, 1)], true],
  ['a get of nothing', [absent(0, 1)], false],
  ['a get after an update', [update(0, 1, 'a'), get(2, 3, 'a')], true],
  ['a get that misses an update', [update(0, 1, 'a'), get(2, 3)], false],
  ['a get during an update: before it', [update(0, 9, 'a'), get(2, 3)], true],
  ['a get during an update: after it', [update(0, 9, 'a'), get(2, 3, 'a')], true],
  ['a get of an update to come', [get(0, 1, 'a'), update(2, 3, 'a')], false],
  ['two gets: an update is seen, then not', [update(0, 9, 'a'), get(1, 2, 'a'), get(3, 4)], false],
  [
    'two updates at once, in either order',
    [update(0, 9, 'a'), update(0, 9, 'b'), get(10, 11, 'b', 'a')],
    true,
  ],
  ['an update that is lost', [update(0, 9, 'a'), update(0, 9, 'b'), get(10, 11, 'b')], false],
  [
    'two updates in the wrong order',
    [update(0, 1, 'a'), update(2, 3, 'b'), get(4, 5, 'b', 'a')],
    false,
  ],
  [
    'two reads that saw two updates in different orders',
    [update(0, 9, 'a'), update(0, 9, 'b'), get(1, 8, 'a'), get(1, 8, 'b')],
    false,
  ],
  [
    'an update that acted twice',
    [update(0, 3, 'a'), update(4, 5, 'b'), get(6, 7, 'a', 'b', 'a')],
    false,
  ],
  ['a kill', [kill(0, 1), absent(2, 3), update(2, 3, 'a', false), refresh(2, 3, false)], true],
  ['a session that is found after its kill', [kill(0, 1), get(2, 3)], false],
  ['an update that brings a session back', [kill(0, 1), update(2, 3, 'a')], false],
  ['a refresh after a kill that is true', [kill(0, 1), refresh(2, 3)], false],
  ['a kill that found nothing', [kill(0, 1, false)], false],
  ['a killed session that comes back', [kill(0, 9), absent(1, 2), get(3, 4)], false],
  ['two kills at once, of which one is true', [kill(0, 9), kill(0, 9, false)], true],
  ['two kills that are both true', [kill(0, 9), kill(0, 9)], false],
  ['two kills of which none is true', [kill(0, 9, false), kill(0, 9, false)], false],
  ['a killAll ends both', [killAll(0, 1), absent(2, 3), absent(2, 3, 't')], true],
  ['a killAll that forgets one', [killAll(0, 1), absent(2, 3, 't'), get(2, 3)], false],
  ['a killAll of which half is seen', [killAll(0, 9), absent(1, 2, 't'), get(3, 4)], false],
  ['a killAll that found nothing', [kill(0, 1), killAll(2, 3, false)], false],
  ['a killAll that lies', [kill(0, 1), kill(0, 1, true, 't'), killAll(2, 3)], false],
  [
    'a killAll during a create',
    [kill(0, 1), kill(0, 1, true, 't'), create(2, 9), killAll(3, 4)],
    true,
  ],
  [
    'a created session that survives',
    [create(0, 1), killAll(2, 3), kill(4, 5, true, 'new')],
    false,
  ],
  [
    'an update in doubt that acts late',
    [inDoubt(update(0, 1, 'a')), get(2, 3), get(4, 5, 'a')],
    true,
  ],
  ['an update in doubt that never acts', [inDoubt(update(0, 1, 'a')), get(2, 3)], true],
  ['an update in doubt before it was made', [get(0, 1, 'a'), inDoubt(update(2, 3, 'a'))], false],
  [
    'a kill in doubt that acts late',
    [inDoubt(kill(0, 1)), get(2, 3), absent(4, 5), kill(6, 7, false)],
    true,
  ],
  [
    'a kill in doubt, and a session that comes back',
    [inDoubt(kill(0, 1)), absent(2, 3), get(4, 5)],
    false,
  ],
  [
    'an update that is sent again acts again',
    [again(update(0, 9, 'a')), update(1, 2, 'b'), get(3, 4, 'a', 'b'), get(10, 11, 'a', 'b', 'a')],
    true,
  ],
  [
    'an update that is sent once does not',
    [update(0, 9, 'a'), update(1, 2, 'b'), get(3, 4, 'a', 'b'), get(10, 11, 'a', 'b', 'a')],
    false,
  ],
  [
    'an update that is sent again acts once at the end',
    [again(update(0, 9, 'a')), get(10, 11), get(12, 13, 'a')],
    false,
  ],
  ['a kill that is sent again says true', [kill(0, 1), again(kill(2, 3))], true],
  [
    'a kill that is sent again and says false ended nothing',
    [again(kill(0, 9, false)), absent(1, 2)],
    false,
  ],
  ['a killAll that is sent again says true', [killAll(0, 1), again(killAll(2, 3))], true],
  [
    'a create that is sent again, before and after a killAll',
    [again(create(0, 9)), killAll(1, 2), killAll(3, 4), op(10, 11, 'get', 'new', { base: 3 })],
    true,
  ],
];

const isLinearizable = (ops, begun) => linearize(ops, ownerSpec(ops, begun)) !== undefined;

describe('a history of an owner', () => {
  for (const [label, ops, expected] of HISTORIES) {
    test(`${expected ? 'is possible' : 'is impossible'}: ${label}`, () => {
      assert.equal(isLinearizable(ops, BEGUN), expected);
      // Answers come in any order.
      assert.equal(isLinearizable([...ops].reverse(), BEGUN), expected);
    });
  }

  test('is judged the same for each session alone, except for what a killAll found', () => {
    const wrong = new Set();
    for (const [label, ops, expected] of HISTORIES) {
      const each = projections(ops, BEGUN).every(({ ops, begun }) => isLinearizable(ops, begun));
      if (each !== expected) wrong.add(label);
    }
    assert.deepEqual([...wrong], ['a killAll of which half is seen', 'a killAll that lies']);
  });
});

test('in the order that is found, each call acts while it is pending', () => {
  const ops = [get(5, 6, 'a'), update(0, 9, 'a'), kill(7, 8), absent(8.5, 10)];
  assert.deepEqual(linearize(ops, ownerSpec(ops, BEGUN)), [1, 0, 2, 3]);
});

/** Calls that act one at a time, each seen as pending a little before and after. */
const history = fc
  .array(
    fc.record({
      method: fc.constantFrom('get', 'get', 'update', 'update', 'kill', 'killAll', 'create'),
      session: fc.constantFrom('s', 't'),
      before: fc.nat(40),
      after: fc.nat(40),
    }),
    { minLength: 1, maxLength: 60 },
  )
  .map((drawn) => {
    const state = structuredClone(BEGUN);
    return drawn.map(({ method, session: drawnSession, before, after }, n) => {
      const session = method === 'create' ? `new ${n}` : drawnSession;
      const op = { call: 10 * n - before, end: 10 * n + after, method, session, answer: true };
      if (method === 'update') op.data = { [`u${n}`]: 1, last: n };
      if (method === 'create') op.data = { base: n };
      if (method === 'killAll') op.session = undefined;
      if (method === 'get') op.answer = state[session] ?? null;
      else if (method === 'killAll') op.answer = Object.keys(state).length > 0;
      else if (method !== 'create') op.answer = session in state;
      if (method === 'kill') delete state[session];
      if (method === 'killAll') for (const name of Object.keys(state)) delete state[name];
      if (method === 'create') state[session] = op.data;
      if (method === 'update' && op.answer) state[session] = { ...state[session], ...op.data };
      return op;
    });
  });

test('every history of calls that were made one at a time is accepted', () => {
  fc.assert(
    fc.property(history, (ops) => isLinearizable(ops, BEGUN)),
    { numRuns: 300 },
  );
});

test('an answer that is turned into its opposite is rejected, if no other call was pending', () => {
  fc.assert(
    fc.property(history, fc.nat(), (overlapping, which) => {
      const ops = overlapping.map((op, n) => ({ ...op, call: 10 * n, end: 10 * n + 1 }));
      const flags = ops.filter(({ answer }) => typeof answer === 'boolean');
      const flag = flags
        .filter(({ method }) => method !== 'create')
        .at(which % (flags.length || 1));
      fc.pre(flag !== undefined);
      flag.answer = !flag.answer;
      assert.equal(isLinearizable(ops, BEGUN), false);
    }),
    { numRuns: 300 },
  );
});

test('short histories with any answers are judged as by trying every order', () => {
  const { step, initial } = ownerSpec([], BEGUN);
  const tried = (state, ops) =>
    ops.every(({ end }) => end === Infinity) ||
    ops.some((op) => {
      const rest = ops.filter((other) => other !== op);
      if (rest.some(({ end }) => end < op.call)) return false;
      const next = step(state, op);
      return next !== undefined && tried(next, rest);
    });
  const any = fc.record({
    method: fc.constantFrom('update', 'update', 'refresh', 'kill', 'killAll'),
    session: fc.constantFrom('s', 't'),
    answer: fc.boolean(),
    call: fc.nat(20),
    lasts: fc.oneof(fc.nat(12), fc.constant(Infinity)),
  });
  const seen = { true: 0, false: 0 };
  fc.assert(
    fc.property(fc.array(any, { minLength: 2, maxLength: 6 }), (drawn) => {
      const ops = drawn.map(({ lasts, ...op }) => ({ ...op, data: {}, end: op.call + lasts }));
      const expected = tried(initial, ops);
      seen[expected]++;
      assert.equal(isLinearizable(ops, BEGUN), expected);
    }),
    { numRuns: 1000 },
  );
  assert.ok(seen.true > 50 && seen.false > 50, 'both kinds were drawn');
});
