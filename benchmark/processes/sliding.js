'use strict';

// A process that reads sliding sessions and others. One process reads both, because two processes differ more than these
// reads do.

const { SpotsSessions } = require('../..');
const { drive } = require('../driver');
const { app, sessionOf } = require('../payload');
const { answer } = require('../requests');

/** In seconds. Long enough that nine tenths of it are left at the end of a run. */
const duration = 86400;

let address;
/** @type {SpotsSessions} */
let sessions;
/** @type {Record<'sliding' | 'others', string[]>} tokens */
const tokens = { sliding: [], others: [] };

/** @param {SpotsSessions} reader @param {string} token */
async function get(reader, token) {
  if ((await reader.get({ app, token })) === undefined) throw new Error('a session was not found');
}

answer({
  async open({ url, count, size }) {
    address = url;
    sessions = new SpotsSessions(url);
    for (const [kind, list] of Object.entries(tokens)) {
      const sliding = kind === 'sliding';
      const create = async (index) => {
        const token = await sessions.create({ ...sessionOf(size, index), duration, sliding });
        list.push(token);
      };
      await drive(create, { inFlight: 64, calls: count });
    }
  },

  /**
   * @param {object} run
   * @param {'sliding' | 'others'} run.kind
   * @param {number} run.count how many sessions to read
   * @param {boolean} run.isFirst whether a new instance reads each of them once. Otherwise, one instance reads them all
   *   the time.
   */
  async run({ kind, count, isFirst, ...run }) {
    if (!isFirst) return drive((index) => get(sessions, tokens[kind][index % count]), run);
    const fresh = new SpotsSessions(address);
    // The first read connects, and the first read of a sliding session makes the instance's table.
    await get(fresh, tokens.sliding[0]);
    const read = await drive((index) => get(fresh, tokens[kind][index + 1]), {
      ...run,
      calls: count - 1,
    });
    await fresh.close();
    return read;
  },
});
