'use strict';

// Installs Debian's packages, for tests that need a program. Only where that needs no password.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const { outputOf } = require('./run.js');

const isRoot = process.getuid?.() === 0;

/** Whether this process may install packages: it is root on Debian, or, if that will do, has a sudo without a password. */
function canInstall({ withSudo = false } = {}) {
  return (
    fs.existsSync('/etc/debian_version') &&
    outputOf('apt-get', ['--version']) !== undefined &&
    (isRoot || (withSudo && outputOf('sudo', ['--non-interactive', 'true']) !== undefined))
  );
}

/**
 * Updates the lists of packages, and installs some. The caller looks whether they are there, and says what to do if they
 * are not.
 *
 * @param {string[]} packages
 */
function install(packages) {
  console.log(`installing ${packages.join(', ')} with apt-get …`);
  apt(['update']);
  apt(['install', '--yes', '--no-install-recommends', ...packages]);
}

/** @param {string[]} args */
function apt(args) {
  const words = ['apt-get', '-qq', '-o', 'Dpkg::Use-Pty=0', ...args];
  // sudo passes no variables on unless they stand in its own command.
  const command = ['env', 'DEBIAN_FRONTEND=noninteractive', ...words];
  if (!isRoot) command.unshift('sudo', '--non-interactive');
  const { status } = spawnSync(command[0], command.slice(1), {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) console.error(`apt-get ${args[0]} failed (exit ${status})`);
}

module.exports = { canInstall, install };
