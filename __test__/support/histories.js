'use strict';

// Records histories: the calls of clients in several processes, with their answers. Checks that each history is
// linearizable: a single client that makes one call at a time could have got the same answers.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { join } = require('node:path');
const { inspect } = require('node:util');
const { fork } = require('../../scripts/children.js');
const { useTogether } = require('./history-client.js');
const { idOf } = require('./keys.js');
const { linearize } = require('./linearizable.js');
const { BEGUN_DURATIONS, ownerSpec, projections } = require('./session-spec.js');
const { freshName } = require('./targets.js');

/** The seed. The same one draws the same calls, but does not repeat how they race. */
const SEED = Number(process.env.HISTORY_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** A commandTimeout longer than any fault of these tests, in ms. */
const PATIENT = 60_000;

/** All times count from here, in nanoseconds of the clock. It lies before the first event. */
const epoch = process.hrtime.bigint();
const now = () => Number(process.hrtime.bigint() - epoch);

/**
 * Starts three processes with two clients each, which wait long unless `timeouts` says otherwise.
 *
 * @param {string} connectionString
 * @param {number[][]} [timeouts] the `commandTimeout` of each client of each process
 */
function startClients(connectionString, timeouts = Array(3).fill([PATIENT, PATIENT])) {
  const processes = timeouts.map((those, n) =>
    fork(
      join(__dirname, 'history-client.js'),
      [connectionString, 'abcdefgh'[n], JSON.stringify(those)],
      { execArgv: [] },
    ),
  );
  const ask = async (child, task) => {
    const ended = new AbortController();
    const answer = once(child, 'message', ended).then(([ops]) => ops);
    const end = once(child, 'exit', ended).then(([code, signal]) => {
      throw new Error(`a process of clients ended: ${code ?? signal}`);
    });
    child.send(task);
    try {
      return await Promise.race([answer, end]);
    } finally {
      answer.catch(() => {});
      end.catch(() => {});
      ended.abort();
    }
  };
  return {
    run: async (task) => {
      const asked = processes.map((child, n) => ask(child, { ...task, seed: task.seed * 7 + n }));
      return (await Promise.all(asked)).flat();
    },
    stop: () => {
      for (const child of processes) child.kill('SIGKILL');
    },
  };
}

/** Clients that share an instance in this process, for `memory:`. */
function localClients(sessions, count = 6) {
  return {
    run: (task) => useTogether(Array(count).fill(sessions), 'a', task),
    stop: () => {},
  };
}

/**
 * Records one history: the calls of all clients on the sessions of a new owner.
 *
 * @param {import('../../index.js').SpotsSessions} sessions
 * @param {ReturnType<typeof startClients>} clients
 * @param {{ n: number, calls?: number, pause?: number, anew?: boolean, maxSessions?: number }} options `maxSessions`: of
 *   all creates
 */
async function record(sessions, clients, { n, calls = 15, pause = 0, anew, maxSessions }) {
  const app = freshName();
  const ownerId = `owner ${n}`;
  const begun = {};
  const tokens = [];
  for (let s = 0; s <= n % 3; s++) {
    begun[`s${s}`] = { base: `s${s}` };
    const data = begun[`s${s}`];
    const duration = BEGUN_DURATIONS[s];
    tokens.push([`s${s}`, await sessions.create({ app, ownerId, data, duration })]);
  }
  const seed = SEED + n;
  const task = { app, ownerId, seed, calls, pause, anew, maxSessions, epoch: String(epoch) };
  const ops = await clients.run({ ...task, tokens: tokens.slice() });
  nameListed(ops, tokens);
  return { begun, ops };
}

/** Names the sessions of each list by their ids. Nobody was told the token of a session that is left without a name. */
function nameListed(ops, tokens) {
  const names = new Map(tokens.map(([name, token]) => [idOf(token), name]));
  for (const { publicId, id } of ops) if (publicId) names.set(publicId, id);
  for (const { method, answer } of ops) {
    if (method !== 'list') continue;
    for (const listed of answer ?? []) listed.name = names.get(listed.publicId);
  }
}

/**
 * Decides from its answer whether each call was carried out: README, "Errors". Leaves out calls that
 * were certainly not carried out, and marks calls that may have been sent more than once.
 *
 * @param {any[]} ops
 * @param {[from: number, to: number][]} [outages] when connections broke; nothing if none could
 */
function judged(ops, outages) {
  const certain = ['ERR_SESSIONS_CONNECTION'];
  const doubtful = ['ERR_SESSIONS_TIMEOUT', 'ERR_SESSIONS_REDIS'];
  /** The last call of each client that resolved. */
  const sound = new Map();
  const known = [];
  for (const op of ops.toSorted((a, b) => a.call - b.call)) {
    if (op.code !== undefined)
      assert.ok(outages && [...certain, ...doubtful].includes(op.code), inspect(op));
    // A call that was made and answered since the last outage showed that the connection is good.
    const from = sound.get(op.client)?.call;
    const again =
      outages !== undefined &&
      (from === undefined || outages.some(([begin, end]) => end >= from && begin <= op.end));
    if (op.code === undefined) sound.set(op.client, op);
    else sound.delete(op.client);
    if (certain.includes(op.code)) continue;
    known.push({ ...op, again, ...(op.code && { end: Infinity }) });
  }
  return known;
}

/**
 * Fails if no order of the calls explains their answers.
 *
 * @param {any[]} ops judged
 * @param {Record<string, object>} begun
 */
function assertLinearizable(ops, begun) {
  if (linearize(ops, ownerSpec(ops, begun))) return;
  assert.fail(`no order of these calls explains their answers; HISTORY_SEED=${SEED}\n${told(ops)}`);
}

/** The same check for each session alone, without the answers of killAll. */
function assertEachLinearizable(ops, begun) {
  for (const each of projections(ops, begun)) assertLinearizable(each.ops, each.begun);
}

/** A history as lines, with times in microseconds. */
function told(ops) {
  return ops
    .toSorted((a, b) => a.call - b.call)
    .map(({ id, method, session = '', ...op }) => {
      const { except, duration, maxSessions, call, end, answer, code, again } = op;
      const keys = (data) => Object.keys(data).concat(data.last);
      const listed = ({ name, data }) => `${name}: ${keys(data)};`;
      const read = Array.isArray(answer)
        ? answer.map(listed).join(' ')
        : answer && typeof answer === 'object'
          ? keys(answer)
          : answer;
      const times = [call, end].map((time) => Math.round(time / 1000)).join('..');
      const more = [
        except && `except ${except}`,
        duration && `for ${duration} s`,
        maxSessions && `at most ${maxSessions}`,
        code,
        again && 'may have been sent again',
      ]
        .filter(Boolean)
        .join(', ');
      return `${times} ${id} ${method} ${session}: ${read} ${more}`;
    })
    .join('\n');
}

module.exports = {
  ...{
    assertEachLinearizable,
    assertLinearizable,
    judged,
    localClients,
    now,
    record,
    startClients,
  },
};
