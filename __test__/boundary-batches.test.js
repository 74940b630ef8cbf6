'use strict';

// When calls cross to the engine, and how many at once. With an engine that answers when the test says so.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { setImmediate: turn } = require('node:timers/promises');
const { withoutEngine } = require('./support/without-engine');

/** How many calls each batch had since the last look. @param {string[]} crossed */
const batches = (crossed) => crossed.splice(0).map((letters) => letters.length);

const nothing = () => {};

test('the first calls cross as soon as they are as many as are on their way', async () => {
  const { call, crossed } = withoutEngine();
  call(12);
  assert.deepEqual(batches(crossed), [1, 1, 2, 4]);
  await turn();
  assert.deepEqual(batches(crossed), [4]);
});

test('calls that come one by one cross when their turn ends, or 32 at once', async () => {
  const { call, read, crossed } = withoutEngine();
  call(2);
  read([0, 1], nothing);
  batches(crossed);
  call(20);
  assert.deepEqual(batches(crossed), []);
  await turn();
  assert.deepEqual(batches(crossed), [20]);
  call(40);
  assert.deepEqual(batches(crossed), [32]);
  await turn();
  assert.deepEqual(batches(crossed), [8]);
});

test('calls of what goes on from answers cross as soon as they are as many as are on their way', async () => {
  const { call, read, crossed } = withoutEngine();
  call(17);
  await turn();
  read([16], nothing);
  batches(crossed);
  read([0, 1, 2, 3, 4, 5, 6, 7], () => call(9));
  assert.deepEqual(batches(crossed), [8]);
  await turn();
  assert.deepEqual(batches(crossed), [1]);
});

test('with more than 20 pending they cross as soon as they are half, however uneven the answers came', async () => {
  const ids = Array.from({ length: 21 }, (_, id) => id);
  for (const [answered, expected] of [
    [ids.slice(0, 5), [[], [5]]],
    [ids.slice(0, 16), [[11], [5]]],
  ]) {
    const { call, read, crossed } = withoutEngine();
    call(ids.length);
    await turn();
    batches(crossed);
    read(answered, () => call(answered.length));
    const atOnce = batches(crossed);
    await turn();
    assert.deepEqual([atOnce, batches(crossed)], expected);
  }
});

test('a call that is alone crosses at once if the last one was alone too', async () => {
  const { call, read, crossed } = withoutEngine();
  for (let round = 0; round < 3; round++) {
    call(1);
    assert.deepEqual(batches(crossed), [1]);
    read([0], nothing);
    await turn();
  }
  call(2);
  assert.deepEqual(batches(crossed), [1], 'the second may not be the last of this turn');
  await turn();
  assert.deepEqual(batches(crossed), [1]);
  read([0, 1], nothing);
  call(1);
  assert.deepEqual(batches(crossed), [], 'nor may the third');
  await turn();
  assert.deepEqual(batches(crossed), [1]);
});

test('after answers that the I/O thread has read, calls cross as the first ones do', async () => {
  const { call, read, answer, crossed } = withoutEngine();
  call(3);
  read([0, 1], nothing);
  await turn();
  answer(2, 1);
  batches(crossed);
  call(4);
  assert.deepEqual(batches(crossed), [1, 1, 2]);
});
