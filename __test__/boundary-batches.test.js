'use strict';

// When calls cross to the engine, and how many at once. The engine answers when the test says so.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { setImmediate: turn } = require('node:timers/promises');
const { withoutEngine } = require('./support/without-engine');

/** How many calls each batch had since the last look. @param {string[]} crossed */
const batches = (crossed) => crossed.splice(0).map((letters) => letters.length);

const nothing = () => {};

test('the first calls cross as soon as a batch has as many calls as are in flight', async () => {
  const { call, crossed } = withoutEngine();
  call(12);
  assert.deepEqual(batches(crossed), [1, 1, 2, 4]);
  await turn();
  assert.deepEqual(batches(crossed), [4]);
});

test('calls that no continuation makes cross when the turn ends, or once there are 32', async () => {
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

test('calls with long answers cross once there are 8, also among others', async () => {
  const { call, list, read, crossed } = withoutEngine();
  call(2);
  read([0, 1], nothing);
  batches(crossed);
  list(20);
  assert.deepEqual(batches(crossed), [8, 8]);
  await turn();
  assert.deepEqual(batches(crossed), [4]);
  call(20);
  list(8);
  assert.deepEqual(batches(crossed), [28]);
});

test('calls that continuations make cross as soon as a batch has as many calls as are in flight', async () => {
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

test('with more than 20 calls pending, a batch crosses as soon as it has half of them, however many answers came at once', async () => {
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

test('a lone call crosses at once if the previous one was alone, too', async () => {
  const { call, read, crossed } = withoutEngine();
  for (let round = 0; round < 3; round++) {
    call(1);
    assert.deepEqual(batches(crossed), [1]);
    read([0], nothing);
    await turn();
  }
  call(2);
  assert.deepEqual(batches(crossed), [1], 'the second call may not be the last one of this turn');
  await turn();
  assert.deepEqual(batches(crossed), [1]);
  read([0, 1], nothing);
  call(1);
  assert.deepEqual(batches(crossed), [], 'nor may the third call');
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
