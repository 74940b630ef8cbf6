'use strict';

// How many sessions there are. A sample of the keys is looked at, in short steps, so that nobody waits for it.

const { cannotTell, ok } = require('./finding.js');

const STEPS = 20;
const KEYS_IN_A_STEP = 500;

/**
 * @param {import('./servers.js').Servers['nodes']} primaries
 * @param {string} prefix
 */
async function countSessions(primaries, prefix) {
  try {
    const counts = await Promise.all(primaries.map((node) => countOn(node, prefix)));
    const sum = counts.reduce((total, { sessions }) => total + sessions, 0);
    const isExact = counts.every(({ isWhole }) => isWhole);
    return [
      ok(
        `${isExact ? '' : 'about '}${sum.toLocaleString('en')} ${isExact ? '' : '(a sample) '}under ${prefix}*`,
      ),
    ];
  } catch (error) {
    return [cannotTell(error)];
  }
}

/** @param {import('./servers.js').Servers['nodes'][number]} node @param {string} prefix */
async function countOn(node, prefix) {
  let cursor = '0';
  let seen = 0;
  let sessions = 0;
  for (let step = 0; step < STEPS; step++) {
    const [next, keys] = await node.ask('SCAN', cursor, 'COUNT', KEYS_IN_A_STEP);
    cursor = next;
    seen += keys.length;
    sessions += keys.filter((/** @type {string} */ key) => isSession(key, prefix)).length;
    if (cursor === '0') return { sessions, isWhole: true };
  }
  const size = await node.ask('DBSIZE');
  const share = sessions / Math.max(1, seen);
  return { sessions: Number((share * size).toPrecision(2)), isWhole: false };
}

/** @param {string} key @param {string} prefix */
function isSession(key, prefix) {
  return key.startsWith(`${prefix}{`) && /\}:s:[\w-]{22}$/.test(key);
}

module.exports = { countSessions };
