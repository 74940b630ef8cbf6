'use strict';

// When the policy sends a batch, for sequences of calls and answers. boundary-batches.test.js shows
// the same through the boundary.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { BatchPolicy, MAX_CHARACTERS } = require('../lib/batch-policy.js');

/** Plays a sequence of calls (a number), answers and ends of turns. Returns how many calls each batch had. */
function play(steps) {
  const policy = new BatchPolicy();
  const batches = [];
  let [pending, batched] = [0, 0];
  const send = () => {
    if (batched === 0) return;
    policy.sent(pending);
    batches.push(batched);
    batched = 0;
  };
  for (const [step, count] of steps) {
    if (step === 'answers') {
      policy.answered(pending);
      pending -= count;
    } else if (step === 'continued') {
      policy.continued();
    } else if (step === 'turn') {
      send();
    } else {
      for (let n = 0; n < count; n++) {
        pending++;
        batched++;
        if (policy.isFull(batched, 10 * batched, pending)) send();
      }
    }
  }
  return batches;
}

const TURN = ['turn'];
const CONTINUED = ['continued'];

for (const [label, steps, expected] of [
  ['the first calls: as many as are in flight', [['calls', 12], TURN], [1, 1, 2, 4, 4]],
  ['the first 100 calls: 32 at the most', [['calls', 100], TURN], [1, 1, 2, 4, 8, 16, 32, 32, 4]],
  [
    'one call alone, again and again',
    [
      ['calls', 1],
      ['answers', 1],
      ['calls', 1],
    ],
    [1, 1],
  ],
  [
    'one call alone after its answer, when the continuations have run',
    [['calls', 1], ['answers', 1], CONTINUED, ['calls', 1]],
    [1, 1],
  ],
  [
    'calls that no continuation makes gather for the turn',
    [['calls', 2], TURN, ['answers', 2], CONTINUED, ['calls', 20], TURN],
    [1, 1, 20],
  ],
  [
    'many calls that no continuation makes: 32 at once',
    [['calls', 2], TURN, ['answers', 2], CONTINUED, ['calls', 40], TURN],
    [1, 1, 32, 8],
  ],
  [
    'continuations of 8 of 16 answers: as many as are in flight',
    [['calls', 16], TURN, ['answers', 8], ['calls', 8], TURN],
    [1, 1, 2, 4, 8, 8],
  ],
  [
    'continuations of 40 of 60 answers: half of all pending calls',
    [['calls', 60], TURN, ['answers', 40], ['calls', 40], TURN],
    [1, 1, 2, 4, 8, 16, 28, 30, 10],
  ],
]) {
  test(`a batch is sent: ${label}`, () => {
    assert.deepEqual(play(steps), expected);
  });
}

test('a batch of MAX_CHARACTERS is sent, however few calls it has', () => {
  const policy = new BatchPolicy();
  policy.sent(5);
  policy.answered(60);
  assert.equal(policy.isFull(2, MAX_CHARACTERS - 1, 60), false);
  assert.equal(policy.isFull(2, MAX_CHARACTERS, 60), true);
});
