'use strict';

// The process that a peer has to itself. It does what its parent (contestant.js) asks, one request
// at a time, and keeps the handles of the sessions that it created.

const cpu = require('./cpu');
const { drive } = require('./driver');
const { servers } = require('./http-server');
const { duration, sessionOf, patchOf } = require('./payload');
const { answer } = require('./requests');

/** @type {import('./peers/peer').Sessions} */
let sessions;
/** @type {string[]} what opens a session: a token, or the peer's like of it */
let handles = [];

/** One call of each operation; `index` goes around the sessions that `fill` made. */
const operations = {
  get: () => async (index) => {
    if ((await sessions.get(handles[index % handles.length])) == null) throw missing();
  },
  create: (size) => (index) => sessions.create(sessionOf(size, index)),
  update: () => (index) =>
    sessions.update(handles[index % handles.length], patchOf(index)).then(found),
  refresh: () => (index) => sessions.refresh(handles[index % handles.length], duration).then(found),
  kill: () => (index) => sessions.kill(handles[index]).then(found),
};

function missing() {
  return new Error('the peer did not find a session that it had created');
}

/** @param {unknown} done */
function found(done) {
  if (!done) throw missing();
}

const requests = {
  async open({ peer, url }) {
    sessions = await require(`./peers/${peer}`).open(url);
  },

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
    await verify(size);
  },

  run({ operation, size, ...run }) {
    return drive(operations[operation](size), run);
  },

  handles: ({ count }) => handles.slice(0, count),

  serve: ({ framework }) => servers[framework](sessions),

  cpu: () => ({ mainThreadMicros: cpu.mainThreadMicros(), processMicros: cpu.processMicros() }),
};

/** A peer that answers fast but wrongly has no place in the table. */
async function verify(size) {
  const { ownerId, data } = await sessions.get(handles[0]);
  const expected = sessionOf(size, Number(ownerId.slice('user-'.length))).data;
  if (JSON.stringify(data) !== JSON.stringify(expected)) {
    throw new Error('the peer gave back other data than it was given');
  }
}

/** @param {string} text which comes back as a string of its own, not as a reference */
function copyOf(text) {
  return Buffer.from(text, 'latin1').toString('latin1');
}

function shuffle(items) {
  for (let last = items.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    [items[last], items[other]] = [items[other], items[last]];
  }
}

answer(requests);
