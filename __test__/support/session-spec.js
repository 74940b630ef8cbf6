'use strict';

// The effect of each call on the sessions of one owner, for `linearizable.js`.
//
// A state holds for each token the session that it opens, or null: its data as JSON, and its duration. Each update adds a
// key of its own, so the data shows which updates acted, and in which order. A rotation moves a session from one token to
// another. Durations differ by much more than a history takes, so the session with the shortest one ends soonest.

/**
 * @typedef {import('./linearizable.js').Op & {
 *   method: string, session?: string, fresh?: string, except?: string, data?: object, duration?: number,
 *   maxSessions?: number, answer?: any,
 * }} SessionOp Sessions are named by their tokens. `fresh` is the name of the new token of a rotation, and `except` that
 *   of the session that a killAll spares. `answer` of `get` and `info` is the data, or null; of `list`, an array of
 *   `{ name, data }`, where `name` is left out if nobody was told the token; of other methods, whether there was a session
 */

/** The durations of the sessions that exist at the start, in seconds. */
const BEGUN_DURATIONS = [3_000_000, 3_001_000, 3_002_000];

/** The names of all tokens of a history. @param {SessionOp[]} ops @param {Record<string, object>} begun */
function namesOf(ops, begun) {
  const named = ops.flatMap(({ session, fresh }) => [session ?? [], fresh ?? []].flat());
  return [...new Set([...Object.keys(begun), ...named])];
}

/**
 * @param {SessionOp[]} ops
 * @param {Record<string, object>} begun the data of the sessions that exist at the start
 */
function ownerSpec(ops, begun) {
  const names = namesOf(ops, begun);
  const place = new Map(names.map((name, n) => [name, n]));
  const longest = longestReads(ops);

  const replaced = (state, op, session) => state.with(place.get(op.session), session);
  const spared = (state, { except }) =>
    state.map((session, n) => (except !== undefined && n === place.get(except) ? session : null));
  const isAnyEnded = (state, op) => spared(state, op).some((session, n) => session !== state[n]);
  const moved = (state, op) =>
    replaced(state, op, null).with(place.get(op.fresh), state[place.get(op.session)]);
  const refreshed = (state, op) =>
    replaced(state, op, { ...state[place.get(op.session)], duration: op.duration });

  /** The state after a create. Above `maxSessions`, it ends the sessions that would end soonest. */
  function created(state, op) {
    const next = replaced(state, op, { text: JSON.stringify(op.data), duration: op.duration });
    const others = next
      .map((session, n) => ({ session, n }))
      .filter(({ session, n }) => session !== null && n !== place.get(op.session))
      .sort((one, other) => other.session.duration - one.session.duration);
    for (const { n } of others.slice((op.maxSessions ?? Infinity) - 1)) next[n] = null;
    return next;
  }

  /** The state after an update, or undefined if it contradicts a read. */
  function updated(state, op, session) {
    const data = { ...JSON.parse(session.text), ...op.data };
    const read = longest.get(op.session) ?? [];
    const keys = Object.keys(data);
    const alike = keys.slice(0, read.length).every((key, n) => key === read[n]);
    return alike ? replaced(state, op, { ...session, text: JSON.stringify(data) }) : undefined;
  }

  /** Whether a list shows the sessions of a state, each once and under its own id. */
  function isList(state, listed) {
    const texts = listed.map(({ data }) => JSON.stringify(data));
    const there = state.filter((session) => session !== null).map(({ text }) => text);
    return (
      listed.every(
        ({ name }, n) => name === undefined || state[place.get(name)]?.text === texts[n],
      ) && there.sort().join('\n') === texts.sort().join('\n')
    );
  }

  function step(state, op) {
    const doubt = op.end === Infinity;
    const answered = (answer) => doubt || op.answer === answer;
    const session = state[place.get(op.session)];
    const there = op.method === 'killAll' ? isAnyEnded(state, op) : session !== null;
    switch (op.method) {
      case 'create':
        return created(state, op);
      case 'list':
        return doubt || isList(state, op.answer.slice()) ? state : undefined;
      case 'rotate': {
        // Present before it acts: an earlier attempt has moved the session.
        const isMoved = !there && state[place.get(op.fresh)] !== null;
        if (!answered(there || isMoved)) return undefined;
        return there ? moved(state, op) : state;
      }
      case 'get':
      case 'info':
        return doubt ||
          session?.text === JSON.stringify(op.answer) ||
          (!there && op.answer === null)
          ? state
          : undefined;
      case 'refresh':
        if (!answered(there)) return undefined;
        return there ? refreshed(state, op) : state;
      case 'update':
        if (!answered(there)) return undefined;
        return there ? updated(state, op, session) : state;
      default: {
        // `true` after a lost answer: an earlier attempt of this call may have ended the session.
        const excused = op.answer === true && (op.again || op.partial);
        if (!answered(there) && !excused) return undefined;
        return op.method === 'killAll' ? spared(state, op) : replaced(state, op, null);
      }
    }
  }

  function attempt(state, op) {
    const session = state[place.get(op.session)];
    switch (op.method) {
      case 'create':
        return created(state, op);
      case 'refresh':
        return session === null ? undefined : refreshed(state, op);
      case 'update':
        return session === null ? undefined : updated(state, op, session);
      case 'kill':
        return session === null || op.answer === false ? undefined : replaced(state, op, null);
      case 'killAll':
        return op.answer === false ? undefined : spared(state, op);
      case 'rotate':
        return session === null ? undefined : moved(state, op);
      default:
        return undefined;
    }
  }

  const initial = names.map((name, n) =>
    name in begun ? { text: JSON.stringify(begun[name]), duration: BEGUN_DURATIONS[n] } : null,
  );
  const told = (session) => session && `${session.duration} ${session.text}`;
  return { initial, step, attempt, key: (state) => state.map(told).join('\n') };
}

/**
 * The keys that the longest read of each session found. The order of keys never changes, so all reads
 * of a session begin with the same keys, and a state with other keys is impossible.
 */
function longestReads(ops) {
  const longest = new Map();
  for (const { method, session, answer } of ops) {
    if (!['get', 'info'].includes(method) || !answer) continue;
    const keys = Object.keys(answer);
    if (keys.length > (longest.get(session)?.length ?? 0)) longest.set(session, keys);
  }
  return longest;
}

/**
 * One history for each session, with the calls on any of its tokens, every killAll, and what each list shows of it. The
 * answer `true` of a killAll says nothing about one session. The answer `false` does.
 *
 * @param {SessionOp[]} ops
 * @param {Record<string, object>} begun
 */
function projections(ops, begun) {
  /** The names of each session's tokens, by each of these names. */
  const tokensOf = new Map(namesOf(ops, begun).map((name) => [name, new Set([name])]));
  for (const { session, fresh } of ops) {
    if (fresh === undefined) continue;
    const tokens = new Set([...tokensOf.get(session), ...tokensOf.get(fresh)]);
    for (const name of tokens) tokensOf.set(name, tokens);
  }
  return [...new Set(tokensOf.values())].map((tokens) => ({
    begun: Object.fromEntries(Object.entries(begun).filter(([name]) => tokens.has(name))),
    ops: ops
      .filter(({ session }) => session === undefined || tokens.has(session))
      .map((op) => {
        if (op.method === 'killAll') return { ...op, partial: true };
        if (op.method !== 'list' || !op.answer) return op;
        return { ...op, answer: op.answer.filter(({ data }) => tokens.has(data.base)) };
      }),
  }));
}

module.exports = { BEGUN_DURATIONS, ownerSpec, projections };
