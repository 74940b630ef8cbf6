'use strict';

// How the servers hang together: replicas, and the slots of a Cluster.

const { cannotTell, ok, onEach, problem, warning } = require('./finding.js');

const SLOTS = 16_384;

/** @typedef {import('./servers.js').Servers} Servers */

/** @param {Servers} servers @returns {Promise<import('./finding.js').Finding[]>} */
async function checkReplicas({ kind, nodes }) {
  if (kind === 'server') return onEach(nodes, checkAlone);
  const primaries = nodes.filter(({ isPrimary }) => isPrimary);
  const replicas = nodes.filter((node) => !node.isPrimary && !node.failure);
  const links = await onEach(replicas, async (node) => {
    const [, host, port, state] = await node.ask('ROLE');
    if (state === 'connected') return [];
    const says = `a replica does not hear from its primary ${host}:${port} (${state})`;
    return warning(says, 'it lacks what changes meanwhile: see the log of both');
  });
  const alone = primaries.filter(
    ({ address }) => !replicas.some(({ primary }) => primary === address),
  );
  if (alone.length === 0) {
    const of = count(primaries.length, 'primary', 'primaries');
    return [ok(`${count(replicas.length, 'replica', 'replicas')} of ${of}`), ...links];
  }
  const which = alone.map(({ address }) => address).join(', ');
  const says = `${which} has no replica: what a lost primary had is lost`;
  return [warning(says, 'give each primary a replica, on another machine'), ...links];
}

/** @param {Servers['nodes'][number]} node @returns {Promise<import('./finding.js').Finding>} */
async function checkAlone(node) {
  const { role, mode } = await node.hello();
  if (mode === 'cluster') {
    return problem('this is a node of a Cluster', 'write redis-cluster:// in the URL');
  }
  if (role !== 'master') {
    const { master_host: host, master_port: port } = await node
      .info('replication')
      .catch(() => ({}));
    const where = host === undefined ? 'its primary' : `its primary, ${host}:${port}`;
    return problem('this is a replica, which refuses changes', `use ${where}, or Sentinel`);
  }
  const { connected_slaves: replicas } = await node.info('replication');
  if (Number(replicas) > 0) return ok(count(Number(replicas), 'replica', 'replicas'));
  return warning(
    'none: what this server has is lost with its machine',
    'if that matters, add a replica',
  );
}

/** @param {Servers} servers @returns {Promise<import('./finding.js').Finding[]>} */
async function checkCluster({ nodes, ranges }) {
  const holes = holesBetween(ranges);
  const works = nodes.find(({ failure }) => !failure);
  if (holes.length > 0 && works) {
    const missing = holes.reduce((sum, [from, to]) => sum + to - from + 1, 0);
    const list = holes.slice(0, 5).map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`));
    const more = holes.length > list.length ? ', …' : '';
    const says = `${missing} of ${SLOTS} slots have no node (${list.join(', ')}${more}): calls on their sessions fail`;
    return [
      problem(says, 'an administrator runs this:', `redis-cli --cluster fix ${works.address}`),
    ];
  }
  try {
    const text = await works?.ask('CLUSTER', 'INFO');
    const [, state] = /^cluster_state:(\w+)/m.exec(text) ?? [];
    if (state === 'ok') return [ok('all slots are served')];
    return [problem(`the state is ${state}`, 'see CLUSTER INFO and CLUSTER NODES')];
  } catch (error) {
    return [ok('all slots have a node'), cannotTell(error)];
  }
}

/** The slots between ranges. @param {[from: number, to: number][]} ranges */
function holesBetween(ranges) {
  /** @type {[from: number, to: number][]} */
  const holes = [];
  let next = 0;
  for (const [from, to] of [...ranges].sort(([a], [b]) => a - b)) {
    if (from > next) holes.push([next, from - 1]);
    next = to + 1;
  }
  if (next < SLOTS) holes.push([next, SLOTS - 1]);
  return holes;
}

/** @param {number} number @param {string} one @param {string} many */
function count(number, one, many) {
  return `${number} ${number === 1 ? one : many}`;
}

module.exports = { checkCluster, checkReplicas };
