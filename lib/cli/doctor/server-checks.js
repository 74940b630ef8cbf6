'use strict';

// What is asked of each server by itself: version, encryption, eviction, persistence.

const { BlockList } = require('node:net');
const { ok, onEach, problem, unknown, warning } = require('./finding.js');

/** The oldest versions that work: `SET … PXAT` came with Redis 6.2. @type {Record<string, [number, number]>} */
const OLDEST = { redis: [6, 2], valkey: [7, 2] };
const NAMES = { redis: 'Redis', valkey: 'Valkey' };

/** Addresses that are on this machine, or in a private network (RFC 1918, RFC 4193, link-local). */
const NEAR = new BlockList();
for (const [network, bits] of /** @type {[string, number][]} */ ([
  ...[
    ['127.0.0.0', 8],
    ['10.0.0.0', 8],
    ['172.16.0.0', 12],
    ['192.168.0.0', 16],
    ['169.254.0.0', 16],
  ],
])) {
  NEAR.addSubnet(network, bits, 'ipv4');
}
for (const [network, bits] of /** @type {[string, number][]} */ ([
  ['::1', 128],
  ['fc00::', 7],
  ['fe80::', 10],
])) {
  NEAR.addSubnet(network, bits, 'ipv6');
}

/** @typedef {import('./servers.js').Servers['nodes'][number]} Server */

/** @param {Server[]} nodes */
function checkVersion(nodes) {
  return onEach(nodes, async (node) => {
    const { server, version } = await node.hello();
    const name = NAMES[server] ?? server;
    const [major, minor] = String(version).split('.').map(Number);
    const [oldMajor, oldMinor] = OLDEST[server] ?? [0, 0];
    if (major > oldMajor || (major === oldMajor && minor >= oldMinor))
      return ok(`${name} ${version}`);
    const needed = `${name} ${oldMajor}.${oldMinor}`;
    return problem(`${name} ${version} is too old`, `upgrade it to ${needed} or later`);
  });
}

/** @param {Server[]} nodes @param {{ tls?: { rejectUnauthorized: boolean } }} server */
function checkEncryption(nodes, { tls }) {
  return onEach(nodes, async ({ stream }) => {
    if (tls && !tls.rejectUnauthorized) {
      const who =
        'TLS, but the certificate is not verified: anybody in between can read everything';
      return warning(who, 'unset NODE_TLS_REJECT_UNAUTHORIZED, and give the authority by --ca');
    }
    if (tls) return ok(stream.getProtocol?.() ?? 'TLS');
    const { remoteAddress, remoteFamily } = stream;
    if (remoteAddress === undefined) return ok('a Unix socket, which needs none');
    if (NEAR.check(remoteAddress, remoteFamily === 'IPv6' ? 'ipv6' : 'ipv4')) {
      return ok('none, in a private network or on this machine');
    }
    const says = 'none: passwords and sessions cross a public network in clear';
    return warning(says, 'turn on TLS in the server, and write rediss:// in the URL');
  });
}

/** @param {Server[]} nodes */
function checkEviction(nodes) {
  return onEach(nodes, async (node) => {
    const { maxmemory, maxmemory_policy: policy } = await node.info('memory');
    if (policy === undefined) return unknown('the server does not tell its maxmemory-policy');
    if (policy === 'noeviction') return ok('noeviction');
    const set = [
      'run this, and write it into the configuration file:',
      'CONFIG SET maxmemory-policy noeviction',
    ];
    if (maxmemory === '0') {
      return warning(`${policy}, which does nothing while maxmemory is 0`, ...set);
    }
    const says = `${policy}: a full memory ends sessions, and killAll may miss some`;
    return problem(says, ...set);
  });
}

/** @param {Server[]} nodes */
function checkPersistence(nodes) {
  return onEach(nodes, async (node) => {
    const info = await node.info('persistence');
    if (info.aof_enabled === undefined) return unknown('the server does not tell how it saves');
    if (info.aof_last_write_status === 'err' || info.rdb_last_bgsave_status === 'err') {
      const remedy = "see the server's log: the disk may be full, or the folder not writable";
      return problem('the last attempt to save failed, so the server may refuse changes', remedy);
    }
    if (info.aof_enabled === '1') return ok('append-only file');
    const set = [
      'if that matters, run this, and write it into the configuration file:',
      'CONFIG SET appendonly yes',
    ];
    const save = await schedule(node);
    if (save === undefined) {
      return unknown(
        'no append-only file; whether there are snapshots, only CONFIG tells, which is refused',
      );
    }
    if (save !== '') {
      return warning(
        'snapshots: after a restart, sessions are as they were at the last one',
        ...set,
      );
    }
    return warning('none: a restart of the server ends all sessions', ...set);
  });
}

/** When snapshots are made; undefined if the server does not tell, as managed services do. @param {Server} node */
async function schedule(node) {
  try {
    const [, save] = await node.ask('CONFIG', 'GET', 'save');
    return save;
  } catch {
    return undefined;
  }
}

module.exports = { checkEncryption, checkEviction, checkPersistence, checkVersion };
