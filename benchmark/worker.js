'use strict';

// The process that a peer has to itself. It does what its parent (contestant.js) asks, one request
// at a time, and keeps the handles of the sessions that it created.

const cpu = require('./cpu');
const { drive } = require('./driver');
const { copyOf, shuffle } = require('./handles');
const { servers } = require('./http-server');
const { check, operationsOn, same } = require('./operations');
const { sessionOf } = require('./payload');
const { processMemory } = require('./process-memory');
const { answer } = require('./requests');

/** @type {import('./peers/peer').Sessions} */
let sessions;
/** @type {string[]} what opens a session: a token, or the peer's like of it */
let handles = [];

/** @type {string[]} the sessions that the mix of operations may kill */
const spare = [];

const requests = {
  async open({ peer, url }) {
    sessions = await require(`./peers/${peer}`).open(url);
    return Object.keys(sessions);
  },

  check: ({ size }) => check(sessions, size),

  /**
   * Creates `count` sessions and keeps the handles of `keep` of them, chosen evenly and shuffled.
   * With fewer sessions than `keep` they are repeated as copies, so that the caller's own memory
   * is touched in the same way however many sessions there are.
   */
  async fill({ count, keep = count, size }) {
    const every = Math.max(1, Math.floor(count / keep));
    const kept = [];
    const create = async (index) => {
      const handle = await sessions.create(sessionOf(size, index));
      if (index % every === 0) kept.push(handle);
    };
    await drive(create, { inFlight: 256, calls: count });
    handles = Array.from({ length: keep }, (_, index) => copyOf(kept[index % kept.length]));
    shuffle(handles);
    spare.length = 0;
    await verify(size);
  },

  /** Has at least `count` sessions ready that the mix of operations may kill. */
  async spare({ count, size }) {
    const create = async (index) => spare.push(await sessions.create(sessionOf(size, index)));
    await drive(create, { inFlight: 64, calls: Math.max(0, count - spare.length) });
  },

  run({ operation, size, ...run }) {
    return drive(operationsOn(sessions, { handles, spare }, size)[operation], run);
  },

  handles: ({ count }) => handles.slice(0, count),

  serve: ({ framework }) => servers[framework](sessions),

  memory: processMemory,

  cpu: () => ({ mainThreadMicros: cpu.mainThreadMicros(), processMicros: cpu.processMicros() }),
};

/** Looks at one of the sessions that were just created. */
async function verify(size) {
  const { ownerId, data } = await sessions.get(handles[0]);
  same(data, sessionOf(size, Number(ownerId.slice('user-'.length))).data);
}

answer(requests);
