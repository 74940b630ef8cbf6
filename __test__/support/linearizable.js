'use strict';

// Checks whether a history is linearizable: the same calls, made one at a time in some order, give the same answers.
// The search is that of Wing and Gong (Testing and Verifying Concurrent Objects, 1993). It skips states that it has
// already visited, as Lowe's does.

/**
 * @typedef {object} Op
 * @property {number} call when it was made
 * @property {number} end when it was answered. Infinity if it is in doubt: then it acted at any time
 *   after `call`, or never
 * @property {boolean} [again] whether it may have been sent more than once, so that earlier attempts
 *   may have acted, too
 */

/**
 * @template State
 * @typedef {object} Spec
 * @property {State} initial
 * @property {(state: State, op: any) => State | undefined} step the state after a call; `undefined` if
 *   the call cannot have this answer
 * @property {(state: State, op: any) => State | undefined} [attempt] the state after an attempt whose
 *   answer was lost
 * @property {(state: State) => string} key the same for equal states
 */

/**
 * Searches for an order of the calls in which each call acts while it is pending, and each answer is
 * right. Returns the order as indices of `ops`, or `undefined` if there is none.
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
  /** The steps of the search: a state, the calls that may act next, and the call that led to it. */
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
    // A call cannot act next if it was made after the answer to another call that has not acted yet.
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
    // Calls that end soonest come first, and lost attempts last, so most histories need no backtracking.
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
