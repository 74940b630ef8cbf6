'use strict';

// A process that reads and writes one large session. It measures how long the calls block its event loop, and how long
// JSON.parse and JSON.stringify alone do.

const { performance } = require('node:perf_hooks');
const { setImmediate: turn, setTimeout: sleep } = require('node:timers/promises');
const { collectGarbage } = require('../garbage');
const { shapes } = require('../large-data');
const { app, duration, sessionOf } = require('../payload');
const { answer } = require('../requests');

/** @type {import('./peers/peer').Sessions} */
let sessions;

/** @param {object} data */
const create = (data) => sessions.create({ app, ownerId: 'large', data, duration });

/** Milliseconds that the event loop has been active, that is not waiting, since the process started. */
const active = () => performance.eventLoopUtilization().active;

/**
 * Measures how long a call blocks the event loop: in the turn that makes the call, or in the turns after it, whichever
 * is longer. The process does nothing else in the meantime, so all of the loop's active time belongs to the call. It
 * does not use a chain of callbacks as a probe, because that would take CPU time from the other threads.
 *
 * @template T
 * @param {() => T | Promise<T>} call
 */
async function blocked(call) {
  // Collect the garbage of the previous call, so that this call does not pay for it.
  collectGarbage('minor');
  await sleep(5);
  const before = active();
  const pending = call();
  await turn();
  const made = active();
  const result = await pending;
  return { result, ms: Math.max(made - before, active() - made) };
}

const requests = {
  async open({ peer, url }) {
    sessions = await require(`../peers/${peer}`).open(url);
  },

  /** Each repetition runs all measurements. Every second one reverses the order. */
  async block({ shape, repetitions }) {
    const data = shapes[shape]();
    const text = JSON.stringify(data);
    const bytes = Buffer.from(text);
    const handle = await create(data);
    if (JSON.stringify((await sessions.get(handle)).data) !== text) throw new Error('other data');

    const measures = Object.entries({
      parse: () => JSON.parse(text),
      // Anyone who reads JSON from a socket or writes it to one must also convert from or to bytes.
      parseBytes: () => JSON.parse(bytes.toString()),
      read: () => sessions.get(handle),
      stringify: () => JSON.stringify(data),
      stringifyBytes: () => Buffer.from(JSON.stringify(data)),
      write: () => create(data),
    });
    const measured = Object.fromEntries(measures.map(([name]) => [name, []]));
    for (let repetition = -3; repetition < repetitions; repetition++) {
      for (const [name, call] of repetition % 2 === 0 ? measures : measures.toReversed()) {
        const { ms, result } = await blocked(call);
        if (name === 'write') await sessions.kill(result);
        if (repetition >= 0) measured[name].push(ms);
      }
    }
    await sessions.kill(handle);
    return measured;
  },

  /** Measures small gets alone, and small gets that follow a large get in the same turn. */
  async beside({ shape, small, repetitions }) {
    const handles = await Promise.all(
      Array.from({ length: small }, (_, index) => sessions.create(sessionOf(170, index))),
    );
    const large = await create(shapes[shape]());
    const measured = { alone: [], without: [], beside: [] };
    for (let repetition = -3; repetition < repetitions; repetition++) {
      const [alone] = await latencies([large]);
      const without = await latencies(handles);
      const [, ...beside] = await latencies([large, ...handles]);
      if (repetition < 0) continue;
      measured.alone.push(alone);
      measured.without.push(without);
      measured.beside.push(beside);
    }
    await Promise.all([large, ...handles].map((handle) => sessions.kill(handle)));
    return measured;
  },
};

/** Makes all gets at once. Returns the milliseconds until each has its session. */
async function latencies(handles) {
  await sleep(5);
  const from = performance.now();
  const get = async (handle) => {
    if ((await sessions.get(handle)) === undefined) throw new Error('a session was not found');
    return performance.now() - from;
  };
  return Promise.all(handles.map(get));
}

answer(requests);
