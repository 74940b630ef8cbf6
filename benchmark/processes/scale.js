'use strict';

// A process that uses the package among the sessions that layout.js wrote. `get`, `refresh` and `update` use one half
// of them, which stays. The other half is a queue: `kill` and `killAll` take from its front, and `create` appends to
// it.

const { SpotsSessions } = require('../..');
const { drive } = require('../driver');
const { copyOf, shuffle } = require('../handles');
const { plant, tokenOf } = require('../layout');
const { app, duration, patchOf, sessionOf } = require('../payload');
const { answer } = require('../requests');

/** @type {SpotsSessions} */
let sessions;
let size;
/** @type {string[]} tokens of the sessions that stay */
let staying = [];
/** @type {{ token: string, ownerId: string }[]} planted sessions in random order, then created ones in order */
let queue = [];
let killed = 0;
let created = 0;

const operations = {
  get: async (index) => found((await sessions.get({ app, token: at(index) })) !== undefined),
  refresh: async (index) => found(await sessions.refresh({ app, token: at(index), duration })),
  update: async (index) =>
    found(await sessions.update({ app, token: at(index), data: patchOf(index) })),
  async create() {
    const session = sessionOf(size, created++);
    queue.push({ ownerId: session.ownerId, token: await sessions.create(session) });
  },
  kill: async () => found(await sessions.kill({ app, token: queue[killed++].token })),
  killAll: async () => found(await sessions.killAll({ app, ownerId: queue[killed++].ownerId })),
};

/** @param {number} index */
function at(index) {
  return staying[index % staying.length];
}

/** @param {boolean} done */
function found(done) {
  if (!done) throw new Error('a session was not found');
}

answer({
  /**
   * Fills a database. The calls use `keep` of the sessions in turn. If there are fewer, the list repeats the tokens as
   * copies. So the list always takes the same memory, and the processor's caches treat it the same, at any number of
   * sessions.
   */
  async open({ url, count, keep, size: chosen }) {
    await plant(url, count, chosen);
    sessions = new SpotsSessions(url);
    size = chosen;
    created = count;
    const half = Array.from({ length: Math.min(count / 2, keep) });
    const step = Math.max(1, Math.floor(count / 2 / keep));
    const tokens = half.map((_, index) => tokenOf(2 * index * step));
    staying = Array.from({ length: keep }, (_, index) => copyOf(tokens[index % tokens.length]));
    queue = half.map((_, index) => {
      const odd = 2 * index * step + 1;
      return { token: tokenOf(odd), ownerId: sessionOf(size, odd).ownerId };
    });
    shuffle(staying);
    shuffle(queue);
    await verify(count);
  },

  run: ({ operation, ...run }) => drive(operations[operation], run),
});

/** Checks with 100 sessions that the package reads the data that layout.js wrote. */
async function verify(count) {
  for (let index = 0; index < count; index += count / 100) {
    const { ownerId, data } = sessionOf(size, index);
    const session = await sessions.get({ app, token: tokenOf(index) });
    if (JSON.stringify(session) !== JSON.stringify({ ownerId, data })) {
      throw new Error('a session is not as it was written');
    }
  }
}
