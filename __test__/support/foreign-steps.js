'use strict';

// Stops a call between two of its steps. A call on a session whose token was not made for its owner is several steps, each
// a call of its own at the boundary with the engine.

const { Operations, partsOf, setParts } = require('../../lib/operations.js');

/**
 * An instance that shares the connection of another one, and calls `before` before each step. Steps that are sent
 * together are as many steps.
 *
 * @param {import('../../index.js').SpotsSessions} sessions
 * @param {(step: { n: number, letter: string }) => unknown} before
 * @returns {any} an instance, and how many steps it has begun as `steps`
 */
function stepByStep(sessions, before) {
  const { boundary, settings } = partsOf(sessions);
  const stepped = Object.assign(new Operations(), { steps: '' });
  const send = async (letter, ...fields) => {
    const n = stepped.steps.length;
    stepped.steps += letter;
    await before({ n, letter });
    return boundary.send(letter, ...fields);
  };
  setParts(stepped, {
    boundary: Object.assign(Object.create(boundary), { send, sendForLong: send }),
    settings,
  });
  return stepped;
}

/**
 * Makes a call once for each of its gaps, until it has no more: `act` runs whole in the gap before a step.
 *
 * @param {(gap: number) => Promise<{ sessions: any, call: (stepped: any) => Promise<any>, act: (step: { n: number,
 *   letter: string }) => unknown, check: (end: { value: any, gap: number, steps: string }) => unknown }>} make what is
 *   done about one gap, with sessions of its own
 */
async function inEachGap(make) {
  for (let gap = 0; ; gap++) {
    const { sessions, call, act, check } = await make(gap);
    const stepped = stepByStep(sessions, (step) => (step.n === gap ? act(step) : undefined));
    const value = await call(stepped);
    if (stepped.steps.length <= gap) return;
    await check({ value, gap, steps: stepped.steps });
  }
}

module.exports = { inEachGap, stepByStep };
