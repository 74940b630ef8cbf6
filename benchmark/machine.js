'use strict';

// Describes the machine and the software versions of a run, so that readers can judge its numbers.

const { execFileSync } = require('node:child_process');
const { readFileSync } = require('node:fs');
const os = require('node:os');
const path = require('node:path');

/** @param {import('ioredis').Redis} redis any server that the benchmark started */
async function describe(redis) {
  const info = await redis.info('server');
  const [cpu] = os.cpus();
  return {
    date: new Date().toISOString(),
    commit: commit(),
    cpu: cpu?.model ?? 'unknown',
    cores: os.availableParallelism(),
    memoryGB: Math.round(os.totalmem() / 2 ** 30),
    loadAverage: os.loadavg()[0],
    system: `${os.type()} ${os.arch()}`,
    node: process.version,
    server: /^(?:valkey|redis)_version:\S+/gm
      [Symbol.match](info)
      ?.join(' ')
      .replaceAll('_version:', ' '),
    peers: peerVersions(),
  };
}

/**
 * The description in one line, for people.
 *
 * @param {Awaited<ReturnType<typeof describe>>} machine
 */
function inWords({ cpu, cores, memoryGB, system, node, server }) {
  return `${cpu}, ${cores} cores, ${memoryGB} GB, ${system}, Node ${node.slice(1)}, ${server}`;
}

/** The installed versions of the packages in benchmark/package.json. */
function peerVersions() {
  const { dependencies } = require('./package.json');
  return Object.fromEntries(
    Object.keys(dependencies).map((name) => {
      const file = path.join(__dirname, 'node_modules', name, 'package.json');
      return [name, JSON.parse(readFileSync(file, 'utf8')).version];
    }),
  );
}

/** @returns {string | undefined} undefined outside a checkout; a `+` at the end means that files were changed */
function commit() {
  const git = (...args) =>
    execFileSync('git', args, { cwd: __dirname, stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim();
  try {
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain') ? '+' : '');
  } catch {
    return undefined;
  }
}

module.exports = { describe, inWords };
