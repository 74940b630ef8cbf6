'use strict';

// Whether a history of calls could have been made one at a time: the search of Wing and Gong (Testing
// and Verifying Concurrent Objects, 1993), which remembers where it has been, as Lowe's does.

/**
 * @typedef {object} Op
 * @property {number} call when it was made
 * @property {number} end when it was answered; Infinity if it is in doubt: then it has acted at any
 *   time from `call` on, or never
 * @property {boolean} [again] whether it may have been sent more than once, so may have acted before
 *   it acted at last
 */

/**
 * @template State
 * @typedef {object} Spec
 * @property {State} initial
 * @property {(state: State, op: any) => State | undefined} step what a call leaves; nothing if it
 *   cannot have been answered so
 * @property {(state: State, op: any) => State | undefined} [attempt] what an attempt of it leaves
 *   whose answer was lost
 * @property {(state: State) => string} key the same for states that are the same
 */

/**
 * Searches an order of calls in which each acts while it is pending and is answered rightly. Returns
 * it, as indices of `ops`; or nothing if there is none.
 *
 * @template State
 * @param {Op[]} ops
 * @param {Spec<State>} spec
 * @returns {number[] | undefined}
 */
function linearize(ops, spec) {
  const order = ops.map((_, n) => n).sort((a, b) => ops[a].call - ops[b].call);
  const done = new Uint8Array(ops.length);
  const certain = ops.filter(({ end }) => end < Infinity).length;
  const seen = new Set();
  /** Each step of the search: a state, what may act next in it, and what led to it. */
  const path = [];
  let left = certain;

  const enter = (state, op) => {
    const key = `${Buffer.from(done).toString('latin1')}${spec.key(state)}`;
    if (seen.has(key)) return false;
    seen.add(key);
    path.push({ state, op, moves: movesFrom(state) });
    return true;
  };
  const movesFrom = (state) => {
    const moves = [];
    // Nothing acts that was made after another one was answered which has not acted yet.
    let horizon = Infinity;
    for (const n of order) if (!done[n] && ops[n].end < horizon) horizon = ops[n].end;
    for (const n of order) {
      if (ops[n].call > horizon) break;
      if (done[n]) continue;
      const next = spec.step(state, ops[n]);
      if (next !== undefined) moves.push({ n, next, acts: true });
      const before = ops[n].again ? spec.attempt?.(state, ops[n]) : undefined;
      if (before !== undefined) moves.push({ n, next: before, acts: false });
    }
    // What ends soonest first, and lost attempts last: so most histories need no way back.
    const rank = ({ n, acts }) => (acts ? ops[n].end : Infinity);
    return moves.sort((a, b) => rank(b) - rank(a) || Number(a.acts) - Number(b.acts));
  };

  enter(spec.initial, undefined);
  while (left > 0 && path.length > 0) {
    const move = path.at(-1).moves.pop();
    if (move === undefined) {
      const { op } = path.pop();
      if (op !== undefined) {
        done[op] = 0;
        if (ops[op].end < Infinity) left++;
      }
      continue;
    }
    if (move.acts) done[move.n] = 1;
    if (!enter(move.next, move.acts ? move.n : undefined)) {
      if (move.acts) done[move.n] = 0;
    } else if (move.acts && ops[move.n].end < Infinity) left--;
  }
  if (left > 0) return undefined;
  return path.map(({ op }) => op).filter((op) => op !== undefined);
}

module.exports = { linearize };
