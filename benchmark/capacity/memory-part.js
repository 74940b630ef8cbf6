'use strict';

// Measures the memory per session on a cluster node, index included. A cluster node also keeps a list of the keys of
// each slot. The package itself writes the sessions.

const { SpotsSessions } = require('../..');
const { startCluster } = require('../cluster');
const { drive } = require('../driver');
const { shuffle } = require('../handles');
const { duration, sessionOf } = require('../payload');
const { field, memory } = require('../redis-usage');
const { print } = require('./print');

const app = 'shop';
const size = 250;
const jsonLength = JSON.stringify(sessionOf(size, 0).data).length;

/**
 * The number of keys. Redis doubles its hash tables, so a key takes 16 bytes of a full table and 32 bytes of a table
 * that has just doubled. The benchmark measures tables that are three quarters full.
 */
const keys = 0.75 * 2 ** 17;
const fewer = 0.75 * 2 ** 12;

module.exports = async () => {
  const cluster = await startCluster(1);
  const [node] = cluster.nodes;
  const redis = node.client();
  const sessions = new SpotsSessions(node.url);
  try {
    // The first sessions load scripts and buffers, which all later sessions share. Do not count them.
    await create(sessions, { count: 1000, perOwner: 1, size });
    await bySize(redis, sessions);
    await byOwner(redis, sessions);
    await tables(redis, sessions);
    await afterChurn(redis, sessions);
    await copyOnWrite(redis, sessions);
  } finally {
    await sessions.close();
    await cluster.stop();
  }
};

async function bySize(redis, sessions) {
  const rows = [];
  for (const [payload, total] of [
    [170, keys],
    [250, keys],
    ['2 KiB', keys / 4],
    ['20 KiB', fewer],
  ]) {
    const data = JSON.stringify(sessionOf(payload, 0).data).length.toLocaleString('en-US');
    const one = await bytes(redis, sessions, { count: total / 2, perOwner: 1, size: payload });
    const count = Math.round(total / 11) * 10;
    const ten = await bytes(redis, sessions, { count, perOwner: 10, size: payload });
    rows.push([`${data} bytes`, one, ten]);
  }
  print(
    "Bytes per session by its data's JSON, on a node of a cluster",
    ['data', '1 session per owner', '10 per owner'],
    rows,
  );
}

async function byOwner(redis, sessions) {
  const rows = [];
  for (const perOwner of [1, 2, 5, 10, 100, 128, 129, 1000, 10000]) {
    const count = Math.round((keys * perOwner) / (perOwner + 1) / perOwner) * perOwner;
    rows.push([perOwner, await bytes(redis, sessions, { count, perOwner, size })]);
  }
  print(`Bytes per session, data of ${jsonLength} bytes`, ['sessions of the owner', 'bytes'], rows);
}

/** Measures the same sessions with full hash tables, and with tables that have just doubled. */
async function tables(redis, sessions) {
  const full = 2 ** 16;
  // Each look-up moves a part of the old table to the new one. Both exist until all parts have moved.
  const look = (tokens) =>
    drive((index) => sessions.get({ app, token: tokens[index % full] }), {
      inFlight: 256,
      calls: 4 * full,
    });
  const per = (count, settle) => bytes(redis, sessions, { count, perOwner: 1, size }, settle);
  const rows = [
    ['tables full', await per(full)],
    ['while they double', await per(full + 100)],
    ['just doubled', await per(full + 100, look)],
  ];
  print(`Bytes per session, data of ${jsonLength} bytes, 1 per owner`, ['', 'bytes'], rows);
}

/** Measures fragmentation. Five times, it kills a random half of the sessions and creates as many new ones. */
async function afterChurn(redis, sessions) {
  await redis.flushall();
  const sizes = [170, 250, '2 KiB'];
  const live = [];
  const add = async (index) => {
    const { ownerId, data } = sessionOf(sizes[index % sizes.length], index);
    live.push(await sessions.create({ app, ownerId, data, duration }));
  };
  const count = 90000;
  await drive(add, { inFlight: 256, calls: count });
  const rows = [['filled once', ...(await fragmentation(redis))]];
  let next = count;
  for (let round = 0; round < 5; round++) {
    shuffle(live);
    const gone = live.splice(0, count / 2);
    await drive((index) => sessions.kill({ app, token: gone[index] }), {
      inFlight: 256,
      calls: gone.length,
    });
    if (round === 4) rows.push(['half of it killed', ...(await fragmentation(redis))]);
    await drive(() => add(next++), { inFlight: 256, calls: gone.length });
  }
  rows.push(['half replaced, five times', ...(await fragmentation(redis))]);
  print('Resident memory ÷ what Redis uses', ['', 'MB used', 'resident ÷ used'], rows);
}

async function fragmentation(redis) {
  const used = await memory(redis);
  const resident = field(await redis.info('memory'), 'used_memory_rss');
  return [used / 1e6, (resident / used).toFixed(2)];
}

/** Measures how much memory a fork for a snapshot copies while calls go on. */
async function copyOnWrite(redis, sessions) {
  const rows = [];
  for (const operation of ['nothing', 'get', 'update']) {
    await redis.flushall();
    const count = 200000;
    const tokens = await create(sessions, { count, perOwner: 1, size });
    shuffle(tokens);
    const used = await memory(redis);
    await redis.bgsave();
    const calls = { get: (token) => sessions.get({ app, token }) };
    calls.update = (token) => sessions.update({ app, token, data: { visits: 1 } });
    let made = 0;
    const lane = async () => {
      for (;;) {
        const info = await redis.info('persistence');
        if (field(info, 'rdb_bgsave_in_progress') === 0) return;
        if (operation === 'nothing') continue;
        const some = tokens.slice(made % count, (made % count) + 256);
        made += some.length;
        await Promise.all(some.map((token) => calls[operation](token)));
      }
    };
    await lane();
    const info = await redis.info('persistence');
    const copied = field(info, 'rdb_last_cow_size');
    rows.push([operation, used / 1e6, made, copied / 1e6]);
  }
  print(
    'Copied for a snapshot, by what is called meanwhile',
    ['', 'MB used', 'calls made', 'MB copied'],
    rows,
  );
}

/** @param {(tokens: string[]) => Promise<unknown>} [settle] runs before the memory is read */
async function bytes(redis, sessions, settings, settle = async () => {}) {
  process.stderr.write(`memory of ${settings.count} sessions …\n`);
  await redis.flushall();
  const before = await memory(redis);
  await settle(await create(sessions, settings));
  return ((await memory(redis)) - before) / settings.count;
}

async function create(sessions, { count, perOwner, size }) {
  const tokens = [];
  const one = async (index) => {
    const { data } = sessionOf(size, index);
    const ownerId = `user-${Math.floor(index / perOwner)}`;
    tokens.push(await sessions.create({ app, ownerId, data, duration }));
  };
  await drive(one, { inFlight: 256, calls: Math.round(count) });
  return tokens;
}
