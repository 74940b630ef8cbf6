'use strict';

// Network namespaces of Linux: for a network that falls silent, as no proxy does, and for names that
// change their meaning.

const { spawnSync } = require('../../scripts/children.js');
const { runScript } = require('./scripts.js');

/** A user, a network and a mount namespace of its own; needs no root where the machine lets users. */
const UNSHARE = ['unshare', '--map-root-user', '--net', '--mount'];

/** Why there can be none here; nothing if there can. */
function whyNoNamespaces() {
  const make =
    'ip link set lo up && ip link add here type veth peer name there && mount --bind /etc/hosts /etc/hosts';
  const [command, ...args] = [...UNSHARE, 'sh', '-ec', make];
  const { error, status } = spawnSync(command, args, { stdio: 'ignore' });
  if (error) return 'this machine has no network namespaces';
  return status === 0 ? undefined : 'this machine forbids network namespaces';
}

/**
 * Runs the body of an async function in a process with namespaces of its own, where `support(name)`
 * requires a helper and `sh(line)` runs a line of shell. Its failures are printed.
 *
 * @param {string} body
 * @param {object} [given]
 */
function runInNamespaces(body, given = {}) {
  const code = `
    const { execFileSync } = require('node:child_process');
    const support = (name) => require(root + '/__test__/support/' + name);
    const sh = (line) => execFileSync('sh', ['-ec', line], { stdio: ['ignore', 'pipe', 'pipe'] });
    sh('ip link set lo up');
    (async () => {
      ${body}
    })().then(() => process.exit(0), (error) => {
      console.error(error);
      process.exit(1);
    });`;
  return runScript(code, { given, within: UNSHARE });
}

module.exports = { runInNamespaces, whyNoNamespaces };
