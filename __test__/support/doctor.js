'use strict';

// Runs `doctor` of the command line, and reads what it finds.

const assert = require('node:assert/strict');
const { runCli } = require('./command-line.js');
const { waitUntil } = require('./wait-until.js');

/**
 * @typedef {{ check: string, status: string, message: string, remedy?: string, command?: string }} Check
 *
 * @param {string} url
 * @param {...string} args
 * @returns {Promise<{ code: number | null, ok: boolean, checks: Check[], of: (check: string) => Check | undefined, stdout: string }>}
 */
async function diagnose(url, ...args) {
  const { code, stdout, stderr } = await runCli(['doctor', '--json', ...args], {
    env: { REDIS_URL: url },
  });
  assert.equal(stderr, '');
  const { ok, checks } = JSON.parse(stdout);
  return { code, ok, checks, of: (name) => checks.find(({ check }) => check === name), stdout };
}

/** The configuration of a Cluster for `replicasToBeTold`. */
const TELLS_REPLICAS_SOON = { 'repl-ping-replica-period': 1 };

/**
 * Resolves when CLUSTER SLOTS names the replicas of a Cluster. It does not before their primary has sent them something.
 *
 * @param {{ nodes: { cluster: (...words: string[]) => Promise<any> }[] }} cluster
 */
async function replicasToBeTold({ nodes }) {
  await waitUntil(async () => {
    const views = await Promise.all(nodes.map((node) => node.cluster('SLOTS')));
    return views.flat().every((range) => range.length > 3);
  }, 'the replicas to be told');
}

module.exports = { TELLS_REPLICAS_SOON, diagnose, replicasToBeTold };
