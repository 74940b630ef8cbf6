'use strict';

// The access rights of docs/access-rights.md, each tried by a harmless command. A server refuses a command that its user
// may not send before it looks at anything else. That needs no right to ask for rights (ACL DRYRUN), which the user of an
// application does not have.

const { randomUUID } = require('node:crypto');
const { ok, onEach, problem, warning } = require('./finding.js');

/**
 * How each right is tried, on a key that is not there. Nothing stays: `XX` makes no key, and what APPEND makes is
 * deleted by the two commands after it. So APPEND is not tried if both are refused.
 *
 * @type {[right: string, words: (key: string, db: number) => (string | number)[]][]}
 */
const ON_A_SERVER = [
  ['get', (key) => ['GET', key]],
  ['set', (key) => ['SET', key, '', 'XX']],
  ['del', (key) => ['DEL', key]],
  ['pexpireat', (key) => ['PEXPIREAT', key, 1]],
  ['append', (key) => ['APPEND', key, '']],
  ['pexpireat', (key) => ['PEXPIREAT', key, 1]],
  ['del', (key) => ['DEL', key]],
  ['getrange', (key) => ['GETRANGE', key, 0, 1]],
  ['setrange', (key) => ['SETRANGE', key, 0, '']],
  ['strlen', (key) => ['STRLEN', key]],
  ['exists', (key) => ['EXISTS', key]],
  ['persist', (key) => ['PERSIST', key]],
  ['pttl', (key) => ['PTTL', key]],
  ['rename', (key) => ['RENAME', key, key]],
  ['time', () => ['TIME']],
  ['type', (key) => ['TYPE', key]],
  ['zadd', (key) => ['ZADD', key, 'XX', 1, 'm']],
  ['zcard', (key) => ['ZCARD', key]],
  ['zcount', (key) => ['ZCOUNT', key, 0, 1]],
  ['zrange', (key) => ['ZRANGE', key, 0, 1]],
  ['zrem', (key) => ['ZREM', key, 'm']],
  ['zscore', (key) => ['ZSCORE', key, 'm']],
  ['eval', (key) => ['EVAL', 'return 1', 1, key]],
  ['evalsha', (key) => ['EVALSHA', '0'.repeat(40), 1, key]],
  ['script|load', () => ['SCRIPT', 'LOAD', 'return 1']],
  ['select', (_, db) => ['SELECT', db]],
  ['ping', () => ['PING']],
];
/** @type {typeof ON_A_SERVER} */
const BEHIND_SENTINEL = [['role', () => ['ROLE']]];
/** @type {typeof ON_A_SERVER} */
const ON_A_CLUSTER = [
  ['cluster|slots', () => ['CLUSTER', 'SLOTS']],
  ['asking', () => ['ASKING']],
];
/** Only for `readFrom: 'replica'`. @type {typeof ON_A_SERVER} */
const FOR_REPLICAS = [
  ['role', () => ['ROLE']],
  ['readonly', () => ['READONLY']],
];
/** @type {[right: string, words: (name: string) => string[]][]} */
const ON_A_SENTINEL = [
  ['sentinel|get-master-addr-by-name', (name) => ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name]],
  // The last one, because nothing else may be sent after it.
  ['subscribe', () => ['SUBSCRIBE', '+switch-master']],
];
const MORE = { server: [], sentinel: BEHIND_SENTINEL, cluster: ON_A_CLUSTER };

/**
 * @param {import('./servers.js').Servers} servers
 * @param {{ prefix: string, server: { db: number } }} settings
 */
function checkRights({ nodes, kind }, { prefix, server: { db } }) {
  const needed = [...ON_A_SERVER, ...MORE[kind]];
  return onEach(nodes, async (node) => {
    const key = `${prefix}{00000000:spots-doctor}:s:${randomUUID()}`;
    const missing = await tryAll(node, needed, key, db);
    // A server looks at the command first. If it refuses each, nobody knows about the keys.
    const onKeys = needed.filter(([, words]) => words(key, db).includes(key));
    const isUnsure = onKeys.every(([right]) => missing.has(right));
    if (isUnsure) missing.add('~');
    if (missing.size > 0) return missingRights(node.user, missing, prefix, isUnsure);
    const more = kind === 'cluster' ? await tryAll(node, FOR_REPLICAS, key, db) : new Set();
    if (more.size === 0) return ok(`user ${node.user} may do all that the methods need`);
    const why = "only readFrom: 'replica' needs that";
    return warning(
      `user ${node.user} may not call ${[...more].join(', ')}`,
      why,
      grant(node.user, more),
    );
  });
}

/**
 * @param {import('./servers.js').Servers} servers
 * @param {{ server: { sentinels?: { name: string } } }} settings
 */
function checkSentinelRights({ sentinels }, { server }) {
  return onEach(
    sentinels.filter(({ failure }) => !failure),
    async (sentinel) => {
      const missing = await tryAll(sentinel, ON_A_SENTINEL, server.sentinels?.name ?? '', 0);
      if (missing.size === 0) return [];
      const { user } = sentinel;
      const commands = [...missing].filter((right) => right !== '~').map((right) => `+${right}`);
      // Who may not subscribe may lack the channel, too: a server looks at the command first.
      const command = ['ACL SETUSER', user, ...commands, '&+switch-master'].join(' ');
      const says = `user ${user} of the sentinels may not find the primary, or hear of a failover`;
      const isUnsure = missing.has('subscribe');
      return problem(says, remedy('sentinel', isUnsure && 'channels'), command);
    },
  );
}

/**
 * Returns the rights that are missing. `~` stands for that to the keys, or to the channel.
 *
 * @param {import('./servers.js').Servers['nodes'][number]} node
 * @param {[right: string, words: (key: string, db: number) => (string | number)[]][]} needed
 * @param {string} key
 * @param {number} db
 */
async function tryAll(node, needed, key, db) {
  /** @type {Set<string>} */
  const missing = new Set();
  for (const [right, words] of needed) {
    if (right === 'append' && missing.has('del') && missing.has('pexpireat')) {
      missing.add(right);
      continue;
    }
    try {
      await node.ask(...words(key, db));
    } catch (error) {
      if (error.code === 'NOPERM') missing.add(error.isOfName ? '~' : right);
    }
  }
  return missing;
}

/**
 * @param {string} user
 * @param {Set<string>} missing
 * @param {string} prefix
 * @param {boolean} isUnsure whether the user may have the right to all keys
 */
function missingRights(user, missing, prefix, isUnsure) {
  const commands = [...missing].filter((right) => right !== '~');
  const parts = [
    commands.length > 0 && `call ${commands.join(', ')}`,
    missing.has('~') && `touch the keys ${prefix}*`,
  ].filter(Boolean);
  return problem(
    `user ${user} may not ${parts.join(', nor ')}`,
    remedy('server', isUnsure && 'keys'),
    grant(user, missing, prefix),
  );
}

/**
 * What to do with a command. A server refuses one that names a few keys or channels for a user who may use all of them.
 *
 * @param {string} place
 * @param {string | false} names of which the last word may be such
 */
function remedy(place, names) {
  const unless = names ? `, without the last word if the user may use all ${names} already` : '';
  return `an administrator runs this on each ${place}${unless}:`;
}

/** @param {string} user @param {Set<string>} missing @param {string} [prefix] */
function grant(user, missing, prefix = '') {
  const keys = `~${prefix.replace(/[*?[\]\\]/g, '\\$&')}*`;
  const words = [...missing].map((right) => (right === '~' ? keys : `+${right}`));
  return `ACL SETUSER ${user} ${words.join(' ')}`;
}

module.exports = {
  ...{ FOR_REPLICAS, MORE, ON_A_SENTINEL, ON_A_SERVER },
  ...{ checkRights, checkSentinelRights },
};
