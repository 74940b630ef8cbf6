'use strict';

const assert = require('node:assert/strict');

/** The boundary with a fake engine, which loads no addon. */
function withoutEngine() {
  const native = require.resolve('../../lib/native.js');
  const boundary = require.resolve('../../lib/boundary.js');
  const loaded = [native, boundary].map((path) => [path, require.cache[path]]);
  class Engine {
    constructor(_settings, onAnswers, onRead, afterRead) {
      Object.assign(Engine, { answer: onAnswers, read: onRead, afterRead });
    }
    submit(batch, _here, line = '') {
      if (Engine.isShort) throw new Error('not enough memory');
      Engine.crossed.push([...batch.matchAll(/^[a-z](?=\d+$)/gm)].join('') + (line && '!'));
      return true;
    }

    take = () => null;
    release = () => Engine.released++;
    close() {}
  }
  Engine.released = 0;
  Engine.crossed = [];
  require.cache[native] = /** @type {any} */ ({ exports: { Engine } });
  delete require.cache[boundary];
  const { Boundary } = require(boundary);
  for (const [path, module] of loaded) {
    if (module) require.cache[path] = module;
    else delete require.cache[path];
  }
  const instance = new Boundary({}, 100, () => {});
  const settled = [];
  const answered = [];
  let made = 0;
  /** Makes calls. Their ids are 0, 1, 2, …, or ids that answers have freed. */
  const call = (count) =>
    Array.from({ length: count }, () => {
      const slot = made++;
      const promise = instance.send('g', 'app\ntoken');
      promise.then(
        ({ data }) => settled.push(`${slot} ${data.text.length}`),
        ({ code }) => settled.push(`${slot} ${code}`),
      );
      return promise;
    });
  const list = (count) =>
    Array.from({ length: count }, () => instance.sendForLong('l', 'app\nowner'));
  /** Updates a session. */
  const update = (length) => instance.send('u', 'app\ntoken', `{"text":"${'x'.repeat(length)}"}`);
  const close = () => instance.close();
  const answer = (slot, length) => {
    Engine.answer(JSON.stringify([[slot], ['ann'], [{ text: 'x'.repeat(length) }], []]), false);
  };
  /** Settles calls by answers that the event loop's thread has read, and runs their continuations. */
  const read = (slots, goOn) => {
    Engine.read(JSON.stringify([slots, slots, slots.map(() => ({ text: '' })), []]), false);
    goOn();
    assert.equal(Engine.afterRead(), made === answered.push(...slots), 'whether none is pending');
  };
  const giveUp = () => Engine.answer('[[],[],[],[null,null]]', false);
  /** Delivers an unreadable text. */
  const garble = () => Engine.answer('[[0],["ann"],[{"text":', false);
  /** Whether the engine has no memory for what crosses. @param {boolean} isShort */
  const beShort = (isShort) => Object.assign(Engine, { isShort });
  const { crossed } = Engine;
  const released = () => Engine.released;
  const acts = { call, list, update, close, answer, read, giveUp, garble, beShort };
  return { ...acts, settled, crossed, released };
}

module.exports = { withoutEngine };
