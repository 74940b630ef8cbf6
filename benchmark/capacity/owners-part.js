'use strict';

// Measures an owner with very many sessions: the server's CPU time per call, the duration of killAll, and how long the
// owner's index blocks a node when it migrates to another node or is deleted.

const { performance } = require('node:perf_hooks');
const { startRedis } = require('../../__test__/support/redis-server');
const { SpotsSessions } = require('../..');
const { drive } = require('../driver');
const { duration, sessionOf } = require('../payload');
const { memory, usage } = require('../redis-usage');
const { print } = require('./print');

const app = 'shop';
const size = 170;
const inFlight = 64;
const calls = 20000;
const counts = [1, 10_000, 100_000, 1_000_000];

module.exports = async () => {
  const [server, other] = [await startRedis(), await startRedis()];
  // The default is four seconds. A longer timeout lets killAll finish, so that its duration can be measured.
  const sessions = new SpotsSessions({ connectionString: server.url, commandTimeout: 600_000 });
  try {
    const rows = [];
    for (const count of counts) rows.push(await measure(server.client(), other, sessions, count));
    print(
      'An owner by its number of sessions: µs of the server per call, then ms',
      [
        'sessions',
        'create',
        'refresh',
        'kill',
        'killAll, ms',
        'index, MB',
        'MIGRATE, ms',
        'DEL, ms',
      ],
      rows,
    );
  } finally {
    await sessions.close();
    await Promise.all([server.stop(), other.stop()]);
  }
};

async function measure(redis, other, sessions, count) {
  process.stderr.write(`an owner with ${count} sessions …\n`);
  await redis.flushall();
  const { ownerId, data } = sessionOf(size, 0);
  const create = () => sessions.create({ app, ownerId, data, duration });
  await drive(create, { inFlight: 256, calls: count });

  const index = (await redis.keys('*:o:*'))[0];
  const megabytes = (await redis.memory('USAGE', index, 'SAMPLES', '0')) / 1e6;
  const copy = `${index}:copy`;
  await redis.copy(index, copy);
  const migrate = await time(() =>
    redis.call('MIGRATE', other.host, other.port, copy, 0, 600_000, 'COPY', 'REPLACE'),
  );
  const deletion = await time(() => redis.del(copy));

  const tokens = [];
  const cost = {
    create: await micros(redis, async () => tokens.push(await create())),
    refresh: await micros(redis, (index) =>
      sessions.refresh({ app, token: tokens[index], duration }),
    ),
    kill: await micros(redis, (index) => sessions.kill({ app, token: tokens[index] })),
  };
  const killed = await time(() => sessions.killAll({ app, ownerId }));
  if ((await redis.dbsize()) !== 0) throw new Error('killAll left something');
  const { create: creating, refresh, kill } = cost;
  return [
    count.toLocaleString('en-US'),
    creating,
    refresh,
    kill,
    killed,
    megabytes,
    migrate,
    deletion,
  ];
}

/** The server's CPU time per call, in microseconds. */
async function micros(redis, call) {
  await memory(redis);
  const before = await usage(redis);
  await drive(call, { inFlight, calls });
  return ((await usage(redis)).micros - before.micros) / calls;
}

async function time(act) {
  const from = performance.now();
  await act();
  return performance.now() - from;
}
