'use strict';

// What a check finds: one line, and what to do about it.

/**
 * @typedef {'ok' | 'warning' | 'problem' | 'unknown'} Status
 *
 * @typedef {object} Finding
 * @property {Status} status
 * @property {string} says
 * @property {string} [remedy] what to do
 * @property {string} [command] for redis-cli, if one mends it
 */

/** @type {(status: Status) => (says: string, remedy?: string, command?: string) => Finding} */
const as = (status) => (says, remedy, command) => ({ status, says, remedy, command });

const ok = as('ok');
/** Something that may be wanted. */
const warning = as('warning');
/** Something that costs sessions, or makes calls fail. */
const problem = as('problem');
/** Something that cannot be checked. */
const unknown = as('unknown');

/**
 * Makes a check on each server. Servers of which it says the same share a finding.
 *
 * @template {{ address: string }} S
 * @param {S[]} servers
 * @param {(server: S) => Promise<Finding | Finding[]>} check
 * @returns {Promise<Finding[]>}
 */
async function onEach(servers, check) {
  /** @type {Map<string, { finding: Finding, at: string[] }>} */
  const merged = new Map();
  const results = await Promise.all(servers.map((server) => check(server).catch(cannotTell)));
  for (const [n, result] of results.entries()) {
    for (const finding of [result].flat()) {
      const text = JSON.stringify(finding);
      const known = merged.get(text) ?? { finding, at: [] };
      merged.set(text, { finding, at: [...known.at, servers[n].address] });
    }
  }
  return [...merged.values()].map(({ finding, at }) => {
    if (at.length === servers.length) return finding;
    return { ...finding, says: `${finding.says} (at ${at.join(', ')})` };
  });
}

/** @param {any} error of `Server.ask` @returns {Finding} */
function cannotTell({ message, command }) {
  return unknown(`cannot be checked: ${message}`, command && 'to have it checked:', command);
}

module.exports = { cannotTell, ok, onEach, problem, unknown, warning };
