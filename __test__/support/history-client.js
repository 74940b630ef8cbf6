'use strict';

// Clients that make random calls on the sessions of one owner, and record each call with its answer and its time. They
// run in a process that `histories.js` forks, or in the process of the test.

const { setTimeout: sleep } = require('node:timers/promises');
const { SpotsSessions, SpotsSessionsError } = require('../../index.js');
const { idOf } = require('./keys.js');

/** How often each method is called. Most calls keep the sessions alive, so that calls race. */
const SHARES = {
  ...{ get: 30, info: 8, list: 6, update: 30, refresh: 6 },
  ...{ create: 9, rotate: 8, kill: 6, killAll: 3 },
};
const METHODS = Object.entries(SHARES).flatMap(([method, share]) => Array(share).fill(method));

/** The methods that are about an owner, not about one session. */
const OF_OWNER = ['create', 'killAll', 'list'];

/** How many of the latest tokens get half of the calls. Most of the older ones open nothing. */
const LATEST = 3;

/** Some records are long enough to be folded. */
const PAD = 'x'.repeat(1500);

/** A random number generator with a seed, mulberry32. It returns numbers from 0 to 1. */
function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A number from 0 to 15 for a client, another one for each. @param {string} client as `a0` */
function lane(client) {
  return (client.charCodeAt(0) - 'a'.charCodeAt(0)) * 2 + Number(client.slice(1));
}

/** Nanoseconds of CLOCK_MONOTONIC, which all processes share, since `epoch`. */
const clockSince = (epoch) => () => Number(process.hrtime.bigint() - BigInt(epoch));

/**
 * @typedef {object} Task
 * @property {string} app
 * @property {string} ownerId
 * @property {[string, string][]} tokens the names and tokens of the sessions that exist
 * @property {number} seed
 * @property {number} calls the number of calls that each client makes
 * @property {number} pause the longest pause between two calls, in ms
 * @property {number} [maxSessions] of all creates
 * @property {string} epoch
 * @property {boolean} [anew] whether the clients use new instances. An instance whose connections break
 *   again and again waits longer each time before it connects
 */

/**
 * One client, which makes one call after another. Clients that share `tokens` use its sessions, too.
 *
 * @param {SpotsSessions} sessions
 * @param {string} client
 * @param {Task} task
 */
async function useSessions(sessions, client, task) {
  const { app, ownerId, tokens, seed, calls, pause, maxSessions, epoch } = task;
  const random = randomFrom(seed);
  const pick = (list) => list[Math.floor(random() * list.length)];
  const pickToken = () => pick(random() < 0.5 ? tokens.slice(-LATEST) : tokens);
  const now = clockSince(epoch);
  const ops = [];
  /** Which no other of up to 32 calls of each client has. They differ by 1,000 seconds or more. */
  const drawDuration = (n) => 1000 * (512 * Math.floor(50 * random()) + 32 * lane(client) + n + 1);
  for (let n = 0; n < calls; n++) {
    const method = pick(METHODS);
    const id = `${client}-${n}`;
    const [session, token] = OF_OWNER.includes(method) ? [] : pickToken();
    /** @type {any} */
    const op = { id, client, method, session };
    /** @type {any} */
    let request = { app, token };
    if (method === 'create') {
      op.session = id;
      op.data = { base: id };
      op.duration = drawDuration(n);
      op.maxSessions = maxSessions;
      request = { app, ownerId, data: op.data, duration: op.duration, maxSessions };
    } else if (method === 'update') {
      op.data = { [id]: 1, last: id, ...(random() < 0.2 && { pad: PAD }) };
      request.data = op.data;
    } else if (method === 'refresh') {
      op.duration = drawDuration(n);
      request.duration = op.duration;
    } else if (method === 'rotate') op.fresh = id;
    else if (method === 'kill' && random() < 0.5) request = { app, ownerId, id: idOf(token) };
    else if (method === 'list') request = { app, ownerId };
    else if (method === 'killAll') {
      const [name, except] = random() < 0.7 ? pickToken() : [];
      op.except = name;
      request = { app, ownerId, except };
    }
    op.call = now();
    try {
      const answer = await sessions[method](request);
      op.end = now();
      op.answer = answer;
      if (method === 'get' || method === 'info') op.answer = answer?.data ?? null;
      if (answer?.ownerId !== undefined && answer.ownerId !== ownerId) op.code = 'ANOTHER OWNER';
      if (method === 'info' && answer && answer.id !== idOf(token)) op.code = 'ANOTHER ID';
      if (method === 'list') op.answer = answer.map(({ id, data }) => ({ publicId: id, data }));
      if (method === 'rotate') op.answer = answer !== undefined;
      if (method === 'create' || (op.answer === true && op.fresh)) {
        tokens.push([id, answer]);
        op.answer = true; // a reader of the history does not need the token
        op.publicId = idOf(answer);
      }
    } catch (error) {
      op.end = now();
      op.code = error instanceof SpotsSessionsError ? error.code : String(error);
    }
    ops.push(op);
    if (pause) await sleep(random() * pause);
  }
  return ops;
}

/**
 * Several clients at once.
 *
 * @param {SpotsSessions[]} instances one for each
 * @param {string} process what their names begin with
 * @param {Task} task
 */
async function useTogether(instances, process, task) {
  const clients = instances.map((sessions, n) =>
    useSessions(sessions, `${process}${n}`, { ...task, seed: task.seed * 31 + n }),
  );
  return (await Promise.all(clients)).flat();
}

if (require.main === module) {
  const [connectionString, name, timeouts] = process.argv.slice(2);
  const open = () =>
    JSON.parse(timeouts).map(
      (commandTimeout) => new SpotsSessions({ connectionString, commandTimeout }),
    );
  const lasting = open();
  process.on('message', async (/** @type {any} */ task) => {
    const instances = task.anew ? open() : lasting;
    process.send?.(await useTogether(instances, name, task));
    if (task.anew) for (const sessions of instances) sessions.close();
  });
  process.on('disconnect', () => process.exit());
}

module.exports = { useTogether };
