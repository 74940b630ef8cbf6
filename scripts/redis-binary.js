'use strict';

// Finds a redis-server or a valkey-server that the tests can start. On Debian, root also installs one if there is none.

const fs = require('node:fs');
const { canInstall, install } = require('./debian.js');
const { outputOf } = require('./run.js');
const { Stop } = require('./stop.js');

const oldest = { Redis: [6, 2], Valkey: [7, 2] };
const policyFile = '/usr/sbin/policy-rc.d';

const howToInstall = `The tests start their own Redis server, on a free port. They found no redis-server 6.2 or later
and no valkey-server 7.2 or later on the PATH. Install one:

  Debian, Ubuntu   apt-get install redis-server
  Fedora           dnf install valkey
  Alpine           apk add redis
  macOS            brew install redis
  Windows          in WSL (wsl --install): sudo apt-get install redis-server, and work there

If the server is in another folder, set an environment variable: REDIS_SERVER=/path/to/redis-server`;

/**
 * @typedef {{ path: string, name: 'Redis' | 'Valkey', version: string }} RedisServer
 */

/**
 * Returns the server to test with. Installs Debian's package if there is none and this process runs as root.
 *
 * @returns {RedisServer}
 */
function requireRedisServer() {
  const named = process.env.REDIS_SERVER;
  if (named) {
    const server = inspect(named);
    if (server) return server;
    throw new Stop(
      `REDIS_SERVER is not a redis-server 6.2 or later, nor a valkey-server 7.2 or later: ${named}`,
    );
  }
  const found = findRedisServer();
  if (found) return found;
  if (canInstall()) installWithoutStart();
  const installed = findRedisServer();
  if (installed) return installed;
  throw new Stop(howToInstall);
}

function findRedisServer() {
  return inspect('redis-server') ?? inspect('valkey-server');
}

/** @param {string} path @returns {RedisServer | undefined} undefined if it is missing or too old */
function inspect(path) {
  const answer = outputOf(path, ['--version'])?.match(/(Redis|Valkey) server v=((\d+)\.(\d+)\S*)/);
  if (!answer) return undefined;
  const name = /** @type {'Redis' | 'Valkey'} */ (answer[1]);
  const [major, minor] = [Number(answer[3]), Number(answer[4])];
  const [oldestMajor, oldestMinor] = oldest[name];
  const recent = major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
  return recent ? { path, name, version: answer[2] } : undefined;
}

/** Installs Debian's package, but does not let its server start, because that would take port 6379. */
function installWithoutStart() {
  const hasPolicy = fs.existsSync(policyFile);
  if (!hasPolicy) fs.writeFileSync(policyFile, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    install(['redis-server']);
  } finally {
    if (!hasPolicy) fs.rmSync(policyFile);
  }
}

module.exports = { requireRedisServer };
