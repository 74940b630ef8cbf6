'use strict';

// Moves a slot from one node to another. It shows which calls the nodes answer in the meantime, for owners whose keys
// have moved, have not moved, or are split between the nodes. It also measures how long the move takes. The slot then
// holds 10^9 / 16384 sessions, its share of a billion.

const { performance } = require('node:perf_hooks');
const { slots, startCluster } = require('../cluster');
const { scriptText } = require('../lua');
const { duration, sessionOf } = require('../payload');
const { print } = require('./print');
const { router } = require('./slots');

const app = 'shop';
const slot = 0;
const sessionsOfSlot = Math.round(1e9 / slots);

module.exports = async () => {
  const cluster = await startCluster(2);
  try {
    const [source, target] = cluster.nodes.map((node) => node.client());
    for (const node of [source, target])
      await node.config('SET', 'cluster-require-full-coverage', 'no');
    await answers(cluster, source, target);
    await speed(cluster, source, target);
  } finally {
    await cluster.stop();
  }
};

/** Yields owners whose keys are in the slot. */
function* ownersOfSlot() {
  const slotOfRoute = router(app);
  for (let route = 0; ; route++) {
    if (slotOfRoute(route) !== slot) continue;
    const tag = `spots:{${route.toString(16).padStart(8, '0')}:${app}}`;
    const id = route.toString().padStart(22, '0');
    const owned = `${tag}:o:${'0'.repeat(16)}`;
    yield { owned, id, session: `${tag}:s:${id}`, fresh: `${tag}:s:${'f'.repeat(22)}` };
  }
}

async function write(redis, owner) {
  const { data } = sessionOf(250, 0);
  const record = `{"createdAt":${Date.now()}}\n"user"\n${JSON.stringify(data)}`;
  const expiry = Date.now() + duration * 1000;
  await redis.set(owner.session, record, 'PXAT', expiry);
  await redis.zadd(owner.owned, expiry, owner.id);
  return redis.pexpireat(owner.owned, expiry);
}

const ttl = String(duration * 1000);
const calls = {
  get: ({ session }) => ['GET', session],
  update: ({ session }) => ['EVAL', scriptText('update'), 1, session, '{}', 2 ** 21],
  refresh: ({ session, owned, id }) => ['EVAL', scriptText('refresh'), 2, session, owned, id, ttl],
  kill: ({ session, owned, id }) => ['EVAL', scriptText('kill'), 2, session, owned, id],
  killAll: ({ session, owned, id }) => [
    'EVAL',
    scriptText('kill_all'),
    1,
    owned,
    session.slice(0, -id.length),
    '',
  ],
  create: ({ fresh, owned }) => [
    'EVAL',
    scriptText('create'),
    2,
    fresh,
    owned,
    'f'.repeat(22),
    ttl,
    '"user"',
    '{}',
  ],
};

/** For each state, the keys of the owner that have moved. */
const states = {
  'none of them has moved': () => [],
  'all have moved': ({ session, owned }) => [session, owned],
  'the session has moved': ({ session }) => [session],
  'the index has moved': ({ owned }) => [owned],
};

async function answers(cluster, source, target) {
  const owners = ownersOfSlot();
  const names = Object.keys(calls);
  // Each cell of the table has its own owner, because a call changes the keys.
  const rows = Object.keys(states).map((state) => [state, names.map(() => owners.next().value)]);
  for (const owner of rows.flatMap(([, cells]) => cells)) await write(source, owner);
  await open(source, target);
  const table = [];
  for (const [state, cells] of rows) {
    const found = [];
    for (const [column, owner] of cells.entries()) {
      const keys = states[state](owner);
      if (keys.length > 0) await migrate(source, cluster.nodes[1], keys);
      found.push(await outcome(source, target, calls[names[column]](owner)));
    }
    table.push([state, ...found]);
  }
  const nobody = await outcome(source, target, calls.create(owners.next().value));
  table.push([
    'an owner without sessions',
    ...names.map((name) => (name === 'create' ? nobody : '')),
  ]);
  print('While a slot moves: who answers, by where the keys are', ['', ...names], table);
  await moveAll(source, cluster.nodes[1], 100);
  await close(source, target);
}

/** Sends a call like a cluster client: to the old node first, and to the new node if the old one replies ASK. */
async function outcome(source, target, call) {
  try {
    await source.call(...call);
    return 'old node';
  } catch ({ message }) {
    if (!message.startsWith('ASK ')) return message.split(' ')[0];
  }
  try {
    const [, [error]] = await target.pipeline([['asking'], ['call', ...call]]).exec();
    if (error) throw error;
    return 'new node';
  } catch ({ message }) {
    return message.split(' ')[0];
  }
}

async function speed(cluster, ...nodes) {
  const rows = [];
  for (const [round, batch] of [10, 100, 1000].entries()) {
    // Each round moves the slot back. Before this function runs, it has already moved once.
    const [from, to] = round % 2 === 0 ? [1, 0] : [0, 1];
    const [source, target] = [nodes[from], nodes[to]];
    await source.flushall();
    const owners = ownersOfSlot();
    for (let count = 0; count < sessionsOfSlot; count += 500) {
      const some = Array.from({ length: Math.min(500, sessionsOfSlot - count) });
      await Promise.all(some.map(() => write(source, owners.next().value)));
    }
    await open(source, target);
    const { ms, longest } = await moveAll(source, cluster.nodes[to], batch);
    await close(source, target);
    rows.push([batch, Math.round(ms).toLocaleString('en-US'), longest]);
  }
  print(
    `Moving a slot with ${sessionsOfSlot.toLocaleString('en-US')} sessions, 1 per owner`,
    ['keys per MIGRATE (`--cluster-pipeline`)', 'ms', 'longest MIGRATE, ms'],
    rows,
  );
}

const id = (node) => node.call('CLUSTER', 'MYID');

async function open(source, target) {
  await target.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', await id(source));
  await source.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', await id(target));
}

async function close(source, target) {
  const owner = await id(target);
  for (const node of [target, source]) await node.call('CLUSTER', 'SETSLOT', slot, 'NODE', owner);
}

async function moveAll(source, to, batch) {
  const from = performance.now();
  let longest = 0;
  for (;;) {
    const keys = await source.call('CLUSTER', 'GETKEYSINSLOT', slot, batch);
    if (keys.length === 0) return { ms: performance.now() - from, longest };
    const started = performance.now();
    await migrate(source, to, keys);
    longest = Math.max(longest, performance.now() - started);
  }
}

function migrate(source, { host, port }, keys) {
  return source.call('MIGRATE', host, port, '', 0, 60_000, 'KEYS', ...keys);
}
