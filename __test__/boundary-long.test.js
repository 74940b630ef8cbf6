'use strict';

// Answers so long that to parse them holds up the event loop: others go first. With an engine that
// answers when the test says so.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { setImmediate: turn } = require('node:timers/promises');

const LONG = 256 * 1024;

/** The boundary on an engine of the test's own, which loads no addon. */
function withoutEngine() {
  const native = require.resolve('../lib/native.js');
  const boundary = require.resolve('../lib/boundary.js');
  const loaded = [native, boundary].map((path) => [path, require.cache[path]]);
  class Engine {
    constructor(_settings, onAnswers) {
      Engine.answer = onAnswers;
    }
    submit = () => true;
    take = () => null;
    release = () => Engine.released++;
    close() {}
  }
  Engine.released = 0;
  require.cache[native] = /** @type {any} */ ({ exports: { Engine } });
  delete require.cache[boundary];
  const { Boundary } = require(boundary);
  for (const [path, module] of loaded) {
    if (module) require.cache[path] = module;
    else delete require.cache[path];
  }
  const instance = new Boundary({}, 100, () => {});
  const settled = [];
  /** Makes calls, whose slots are 0, 1, 2, … */
  const call = (count) =>
    Array.from({ length: count }, (_, slot) => {
      const promise = instance.send('g', 'app\ntoken');
      promise.then(({ data }) => settled.push(`${slot} ${data.text.length}`));
      return promise;
    });
  const answer = (slot, length) => {
    Engine.answer(JSON.stringify([[slot], ['ann'], [{ text: 'x'.repeat(length) }], []]), false);
  };
  return { call, answer, settled, released: () => Engine.released };
}

test('a long answer lets those of other pending calls go first, and what waited for them', async () => {
  const { call, answer, settled, released } = withoutEngine();
  const calls = call(4);
  calls[2].then(() => settled.push('what waited for 2'));
  answer(0, LONG);
  answer(1, 1);
  await turn();
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
