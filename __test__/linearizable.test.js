'use strict';

// Tests the checker that linearizability.test.js uses, on histories that are made up. There are no sessions and no
// races. Only this suite finds a checker that accepts a bad history or refuses a good one.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');
const fc = require('fast-check');
const { BEGUN, HISTORIES, absent, get, kill, update } = require('./support/history-rows.js');
const { linearize } = require('./support/linearizable.js');
const { ownerSpec, projections } = require('./support/session-spec.js');

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
    // What a create ends above maxSessions depends on all sessions.
    const unlimited = HISTORIES.filter(([, ops]) => ops.every((op) => !op.maxSessions));
    for (const [label, ops, expected] of unlimited) {
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
      method: fc.constantFrom(
        ...[
          'get',
          'get',
          'update',
          'update',
          'kill',
          'killAll',
          'create',
          'rotate',
          'rotate',
          'list',
        ],
      ),
      session: fc.constantFrom('s', 't'),
      before: fc.nat(40),
      after: fc.nat(40),
    }),
    { minLength: 1, maxLength: 60 },
  )
  .map((drawn) => {
    const state = structuredClone(BEGUN);
    const latest = { s: 's', t: 't' };
    return drawn.map(({ method, session: drawnSession, before, after }, n) => {
      const isOfOwner = method === 'killAll' || method === 'list';
      const session =
        method === 'create' ? `new ${n}` : isOfOwner ? undefined : latest[drawnSession];
      const op = { call: 10 * n - before, end: 10 * n + after, method, session, answer: true };
      if (method === 'update') op.data = { [`u${n}`]: 1, last: n };
      if (method === 'create') op.data = { base: session };
      if (method === 'rotate') op.fresh = `fresh ${n}`;
      if (method === 'killAll' && n % 2) op.except = latest[drawnSession];
      if (method === 'get') op.answer = state[session] ?? null;
      else if (method === 'list')
        op.answer = Object.entries(state).map(([name, data]) => ({ name, data }));
      else if (method === 'killAll')
        op.answer = Object.keys(state).some((name) => name !== op.except);
      else if (method !== 'create') op.answer = session in state;
      if (method === 'rotate' && op.answer) {
        state[op.fresh] = state[session];
        latest[drawnSession] = op.fresh;
      }
      if (method === 'kill' || method === 'rotate') delete state[session];
      if (method === 'killAll')
        for (const name of Object.keys(state)) if (name !== op.except) delete state[name];
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
  const fresh = 'fresh';
  const { step, initial } = ownerSpec([{ method: 'rotate', session: 's', fresh }], BEGUN);
  const tried = (state, ops) =>
    ops.every(({ end }) => end === Infinity) ||
    ops.some((op) => {
      const rest = ops.filter((other) => other !== op);
      if (rest.some(({ end }) => end < op.call)) return false;
      const next = step(state, op);
      return next !== undefined && tried(next, rest);
    });
  const any = fc.record({
    method: fc.constantFrom('update', 'update', 'refresh', 'kill', 'killAll', 'rotate'),
    session: fc.constantFrom('s', 't'),
    answer: fc.boolean(),
    call: fc.nat(20),
    lasts: fc.oneof(fc.nat(12), fc.constant(Infinity)),
  });
  const seen = { true: 0, false: 0 };
  fc.assert(
    fc.property(fc.array(any, { minLength: 2, maxLength: 6 }), (drawn) => {
      const ops = drawn.map(({ lasts, ...op }) => ({
        ...{ ...op, data: {}, end: op.call + lasts },
        ...(op.method === 'rotate' && { fresh }),
      }));
      const expected = tried(initial, ops);
      seen[expected]++;
      assert.equal(isLinearizable(ops, BEGUN), expected);
    }),
    { numRuns: 1000 },
  );
  assert.ok(seen.true > 50 && seen.false > 50, 'both kinds were drawn');
});
