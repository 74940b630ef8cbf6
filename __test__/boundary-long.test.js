'use strict';

// Long data and texts that cannot be read, at the boundary. With an engine that answers when the test says so.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { setImmediate: turn } = require('node:timers/promises');

const { withoutEngine } = require('./support/without-engine');

const LONG = 256 * 1024;

test('long data and the calls around it cross in their order, in the same turn', () => {
  const { call, update, crossed } = withoutEngine();
  for (let round = 0; round < 3; round++) {
    call(2);
    update(LONG);
  }
  assert.equal(crossed.join(''), 'ggu!'.repeat(3));
});

test('a late answer to a call that was given up does not settle a later call', async () => {
  const { call, answer, giveUp, settled } = withoutEngine();
  const calls = call(2);
  giveUp();
  await Promise.allSettled(calls);
  const internal = [0, 1].map((id) => `${id} ERR_SESSIONS_INTERNAL`);
  assert.deepEqual(settled, internal);
  const [next] = call(1);
  answer(1, 1); // on its way all the while
  answer(2, 3);
  await next;
  assert.deepEqual(settled, [...internal, '2 3']);
});

test('unreadable answers reject the pending calls, and nothing is thrown', async () => {
  const { call, answer, garble, close, settled, released } = withoutEngine();
  const calls = call(3);
  garble();
  const ends = await Promise.allSettled(calls);
  assert.deepEqual(
    ends.map(({ reason }) => reason?.code),
    Array(3).fill('ERR_SESSIONS_INTERNAL'),
  );
  assert.equal(released(), 1);
  const [next] = call(1);
  answer(3, 1);
  await next;
  assert.equal(settled.at(-1), '3 1');
  await close();
});

test('long data for which there is no memory rejects only its own call', async () => {
  const { call, update, beShort, answer, close, crossed, released } = withoutEngine();
  const [first] = call(1);
  await turn();
  beShort(true);
  const updates = [update(LONG), update(LONG / 2)];
  const ends = await Promise.allSettled(updates);
  beShort(false);
  for (const { reason } of ends) {
    assert.equal(reason?.code, 'ERR_SESSIONS_OVERLOADED');
    assert.match(reason.message, /not enough memory/);
  }
  assert.deepEqual(crossed, ['g']);
  answer(0, 1);
  await first;
  assert.equal(released(), 1);
  const later = update(LONG);
  while (crossed.length === 1) await turn();
  answer(0, 1); // the id that was freed last
  await later;
  await close();
});

test('the process can end after its only call has rejected because there was no memory', async () => {
  const { update, beShort, close, released } = withoutEngine();
  beShort(true);
  const [{ reason }] = await Promise.allSettled([update(LONG)]);
  assert.equal(reason?.code, 'ERR_SESSIONS_OVERLOADED');
  assert.equal(released(), 1);
  await close();
});
