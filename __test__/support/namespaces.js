'use strict';

// Network namespaces of Linux. With them, a network can fall silent, which a proxy cannot simulate, and a host name can
// change its address.

const { spawnSync } = require('../../scripts/children.js');
const { runScript } = require('./scripts.js');

/** A user, a network and a mount namespace. Needs no root if the machine allows that to users. */
const UNSHARE = ['unshare', '--map-root-user', '--net', '--mount'];

/** Why this machine has none, or undefined if it has. */
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
