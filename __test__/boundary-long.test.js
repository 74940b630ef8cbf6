'use strict';

// What is so long that it holds up the event loop: of answers, others go first; data crosses a turn after it
// was written. With an engine that answers when the test says so.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { setImmediate: turn } = require('node:timers/promises');

const { withoutEngine } = require('./support/without-engine');

const LONG = 256 * 1024;

test('a long answer lets those of other pending calls go first, and what waited for them', async () => {
  const { call, answer, settled, released } = withoutEngine();
  const calls = call(4);
  calls[2].then(() => settled.push('what waited for 2'));
  answer(0, LONG);
  answer(1, 1);
  await calls[1];
  assert.deepEqual(settled, ['1 1']);
  answer(3, LONG);
  answer(2, 2);
  assert.equal(released(), 0);
  await Promise.all(calls);
  const long = [`0 ${LONG}`, `3 ${LONG}`];
  assert.deepEqual(settled, ['1 1', '2 2', 'what waited for 2', ...long]);
  assert.equal(released(), 1);
});

test('a long answer to the only pending call is there at once', async () => {
  const { call, answer, settled, released } = withoutEngine();
  call(1);
  answer(0, LONG);
  await null;
  assert.deepEqual([settled, released()], [[`0 ${LONG}`], 1]);
});

test('a long answer waits for no call that is not answered', async () => {
  const { call, answer, settled } = withoutEngine();
  const [first] = call(2);
  answer(0, LONG);
  await first;
  assert.deepEqual(settled, [`0 ${LONG}`]);
});

test('of several long answers one is read in a turn of the event loop, whatever else is answered', async () => {
  const { call, answer, lastSlot, settled } = withoutEngine();
  call(8);
  for (const id of [0, 1, 2, 3]) answer(id, LONG);
  const read = () => settled.filter((text) => text.endsWith(` ${LONG}`)).length;
  for (const id of [4, 5, 6, 7]) answer(id, 1);
  while (read() < 4) {
    const before = read();
    await turn();
    assert.ok(read() - before <= 1, settled.join());
    call(1);
    await turn();
    answer(lastSlot(), 1);
  }
});

test('an answer that was given up is not taken for that of a later call', async () => {
  const { call, answer, giveUp, settled } = withoutEngine();
  call(3);
  answer(0, LONG);
  giveUp();
  await turn();
  const internal = [0, 1, 2].map((id) => `${id} ERR_SESSIONS_INTERNAL`);
  assert.deepEqual(settled, internal);
  call(2);
  answer(1, 1); // on its way all the while
  answer(3, 3);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(settled, [...internal, '3 3']);
});

test('long data crosses a whole turn after it was written, what came before it at once', async () => {
  const { call, update, crossed } = withoutEngine();
  call(3);
  update(LONG);
  assert.equal(crossed.join(''), 'ggg');
  await turn();
  assert.equal(crossed.join(''), 'ggg', 'not in the turn that wrote it');
  await turn();
  await turn();
  assert.equal(crossed.join(''), 'gggu!');
});

test('nothing overtakes long data, and of several one crosses in a turn', async (t) => {
  // Time stands still: what has waited for long crosses with others, see below, and a busy machine makes long turns.
  t.mock.method(performance, 'now', () => 0);
  const { call, update, crossed } = withoutEngine();
  for (let round = 0; round < 3; round++) {
    update(LONG);
    call(2);
    update(1);
  }
  let before = 0;
  for (let turns = 0; turns < 8; turns++) {
    await turn();
    const long = crossed.slice(before).filter((batch) => batch.includes('!'));
    assert.ok(long.length <= 1, crossed.join(' '));
    before = crossed.length;
  }
  assert.equal(crossed.join(''), 'u!ggu'.repeat(3));
});

test('long data that has waited for a while crosses whatever other work makes turns long', async () => {
  const { call, update, crossed } = withoutEngine();
  for (let round = 0; round < 5; round++) update(LONG);
  call(2);
  const until = performance.now() + 20;
  while (performance.now() < until);
  await turn();
  await turn();
  await turn();
  assert.equal(crossed.join(''), `${'u!'.repeat(5)}gg`);
});

test('a close waits for long data to cross', async () => {
  const { update, close, answer, crossed } = withoutEngine();
  const updated = update(LONG);
  const closed = close();
  while (crossed.length === 0) await turn();
  answer(0, 1);
  await Promise.all([updated, closed]);
  assert.deepEqual(crossed, ['u!']);
});

test('answers that cannot be read reject the calls that wait, and nothing is thrown', async () => {
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

test('a long answer that cannot be read rejects the calls that wait, too', async () => {
  const { call, garble, close } = withoutEngine();
  const calls = call(2);
  garble(LONG);
  const ends = await Promise.allSettled(calls);
  for (const { reason } of ends) assert.equal(reason?.code, 'ERR_SESSIONS_INTERNAL');
  await close();
});

test('long data for which there is no memory rejects its own call, and no other', async () => {
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

test('the only call of all, for which there is no memory, lets the process end', async () => {
  const { update, beShort, close, released } = withoutEngine();
  beShort(true);
  const [{ reason }] = await Promise.allSettled([update(LONG)]);
  assert.equal(reason?.code, 'ERR_SESSIONS_OVERLOADED');
  assert.equal(released(), 1);
  await close();
});
