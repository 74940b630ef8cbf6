'use strict';

// The effect of each call on the sessions of one owner, for `linearizable.js`.
//
// A state holds the data of each session as JSON, or null if the session does not exist. Each update adds a key of its
// own, so the data shows which updates acted, and in which order.

/**
 * @typedef {import('./linearizable.js').Op & {
 *   method: string, session?: string, data?: object, answer?: any,
 * }} SessionOp `answer` of a `get` is the data, or null
 */

/**
 * @param {SessionOp[]} ops
 * @param {Record<string, object>} begun the data of the sessions that exist at the start
 */
function ownerSpec(ops, begun) {
  const names = [
    ...new Set([...Object.keys(begun), ...ops.flatMap(({ session }) => session ?? [])]),
  ];
  const place = new Map(names.map((name, n) => [name, n]));
  const longest = longestReads(ops);

  const replaced = (state, op, text) => state.with(place.get(op.session), text);
  const none = names.map(() => null);

  /** The state after an update, or undefined if it contradicts a read. */
  function updated(state, op, text) {
    const data = { ...JSON.parse(text), ...op.data };
    const read = longest.get(op.session) ?? [];
    const keys = Object.keys(data);
    const alike = keys.slice(0, read.length).every((key, n) => key === read[n]);
    return alike ? replaced(state, op, JSON.stringify(data)) : undefined;
  }

  function step(state, op) {
    const doubt = op.end === Infinity;
    const answered = (answer) => doubt || op.answer === answer;
    const text = state[place.get(op.session)];
    const there = op.method === 'killAll' ? state.some((other) => other !== null) : text !== null;
    switch (op.method) {
      case 'create':
        return replaced(state, op, JSON.stringify(op.data));
      case 'get':
        return doubt || text === JSON.stringify(op.answer) || (!there && op.answer === null)
          ? state
          : undefined;
      case 'refresh':
        return answered(there) ? state : undefined;
      case 'update':
        if (!answered(there)) return undefined;
        return there ? updated(state, op, text) : state;
      default: {
        // `true` after a lost answer: an earlier attempt of this call may have ended the session.
        const excused = op.answer === true && (op.again || op.partial);
        if (!answered(there) && !excused) return undefined;
        return op.method === 'killAll' ? none : replaced(state, op, null);
      }
    }
  }

  function attempt(state, op) {
    const text = state[place.get(op.session)];
    switch (op.method) {
      case 'create':
        return replaced(state, op, JSON.stringify(op.data));
      case 'update':
        return text === null ? undefined : updated(state, op, text);
      case 'kill':
        return text === null || op.answer === false ? undefined : replaced(state, op, null);
      case 'killAll':
        return op.answer === false ? undefined : none;
      default:
        return undefined;
    }
  }

  const initial = names.map((name) => (name in begun ? JSON.stringify(begun[name]) : null));
  return { initial, step, attempt, key: (state) => state.join('\n') };
}

/**
 * The keys that the longest read of each session found. The order of keys never changes, so all reads
 * of a session begin with the same keys, and a state with other keys is impossible.
 */
function longestReads(ops) {
  const longest = new Map();
  for (const { method, session, answer } of ops) {
    if (method !== 'get' || !answer) continue;
    const keys = Object.keys(answer);
    if (keys.length > (longest.get(session)?.length ?? 0)) longest.set(session, keys);
  }
  return longest;
}

/**
 * One history for each session, with its own calls and every killAll. The answer `true` of a killAll
 * says nothing about one session. The answer `false` does.
 *
 * @param {SessionOp[]} ops
 * @param {Record<string, object>} begun
 */
function projections(ops, begun) {
  const names = [
    ...new Set([...Object.keys(begun), ...ops.flatMap(({ session }) => session ?? [])]),
  ];
  return names.map((name) => ({
    begun: name in begun ? { [name]: begun[name] } : {},
    ops: ops
      .filter(({ method, session }) => method === 'killAll' || session === name)
      .map((op) => (op.method === 'killAll' ? { ...op, partial: true } : op)),
  }));
}

module.exports = { ownerSpec, projections };
