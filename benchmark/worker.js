'use strict';

// The process of one peer. The parent (contestant.js) sends requests, and the process answers them one at a time. It
// keeps the handles of the sessions that it created.

const cpu = require('./cpu');
const { drive } = require('./driver');
const { copyOf, shuffle } = require('./handles');
const { servers } = require('./http-server');
const { check, operationsOn, same } = require('./operations');
const { ownerOf, sessionOf } = require('./payload');
const { processMemory } = require('./process-memory');
const { answer } = require('./requests');

/** @type {import('./peers/peer').Sessions} */
let sessions;
/** @type {string[]} one per session: a token, a key or an id, depending on the peer */
let handles = [];

/** @type {string[]} the sessions that the mix of operations may kill */
const spare = [];

/** How many sessions `fill` created, and how many for each owner. */
let filled = { count: 0, perOwner: 1 };

const requests = {
  async open({ peer, url }) {
    sessions = await require(`./peers/${peer}`).open(url);
    return Object.keys(sessions);
  },

  check: ({ size }) => check(sessions, size),

  /**
   * Creates `count` sessions and keeps the handles of `keep` of them, evenly spaced and then shuffled. If there are
   * fewer sessions than `keep`, the list repeats the handles as copies. So the list always takes the same memory, and
   * the processor's caches treat it the same, at any number of sessions.
   */
  async fill({ count, keep = count, size, perOwner = 1 }) {
    const every = Math.max(1, Math.floor(count / keep));
    const kept = [];
    const create = async (index) => {
      const handle = await sessions.create(sessionOf(size, index, perOwner));
      if (index % every === 0) kept.push(handle);
    };
    await drive(create, { inFlight: 256, calls: count });
    handles = Array.from({ length: keep }, (_, index) => copyOf(kept[index % kept.length]));
    shuffle(handles);
    spare.length = 0;
    filled = { count, perOwner };
    await verify(size);
    if (perOwner > 1) await verifyList(size);
  },

  /** Creates sessions until at least `count` are spare, which means that the mix may kill them. */
  async spare({ count, size }) {
    const create = async (index) => spare.push(await sessions.create(sessionOf(size, index)));
    await drive(create, { inFlight: 64, calls: Math.max(0, count - spare.length) });
  },

  run({ operation, size, ...run }) {
    return drive(operationsOn(sessions, { handles, spare, ...filled }, size)[operation], run);
  },

  handles: ({ count }) => handles.slice(0, count),

  serve: ({ framework }) => servers[framework](sessions),

  memory: processMemory,

  cpu: () => ({ mainThreadMicros: cpu.mainThreadMicros(), processMicros: cpu.processMicros() }),
};

/** Checks that the peer returns the data of one session that it just created. */
async function verify(size) {
  const { ownerId, data } = await sessions.get(handles[0]);
  const expected = sessionOf(size, data.visits, filled.perOwner);
  same({ ownerId, data }, { ownerId: expected.ownerId, data: expected.data });
}

/** Checks that the peer lists the first owner's sessions as they were created. */
async function verifyList(size) {
  const { perOwner } = filled;
  const listed = await sessions.list(ownerOf(0, perOwner));
  const given = listed.map(({ data }) => data).sort((one, other) => one.visits - other.visits);
  same(
    given,
    Array.from({ length: perOwner }, (_, index) => sessionOf(size, index, perOwner).data),
  );
  const now = Date.now();
  if (!listed.every(({ createdAt, expiresAt }) => createdAt <= now && expiresAt > now)) {
    throw new Error('the peer listed a session with wrong times');
  }
}

answer(requests);
