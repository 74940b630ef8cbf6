'use strict';

// Measures the longest script on the server, by its SLOWLOG, for the calls whose work grows with an owner's sessions.
// Also compares a burst of calls on one session with the same number of plain commands through ioredis.

const { performance } = require('node:perf_hooks');
const Redis = require('ioredis');
const { SpotsSessions } = require('../..');
const { indexKey, sessionKey } = require('../../__test__/support/keys');
const { median, summary } = require('../statistics');

const app = 'shop';
const ownerId = 'the-owner';
const duration = 3600;

/** @param {import('../bench').Bench} bench */
module.exports = async (bench) => {
  if (bench.subject !== 'spots') return;
  await bench.onServer((stage) => measureSteps(bench, stage));
  await bench.onServer((stage) => measureBurst(bench, stage));
};

async function measureSteps(bench, { server, redis }) {
  const sessions = new SpotsSessions(`${server.url}/0`);
  await redis.config('SET', 'slowlog-log-slower-than', '0');
  await redis.config('SET', 'slowlog-max-len', '20000');
  const rounds = bench.choose(5, 2);
  const million = bench.choose(1_000_000, 100_000);

  const create = (more) => sessions.create({ app, ownerId, data: {}, duration, ...more });
  const list = async (wanted) => {
    const { length } = await sessions.list({ app, ownerId, limit: wanted });
    if (length !== wanted) throw new Error(`listed ${length} sessions instead of ${wanted}`);
  };
  /** The tokens that the case `rotate` uses. @type {string[]} */
  let tokens;
  const cases = {
    killAll: {
      title: `killAll of an owner of ${million.toLocaleString('en-US')} sessions`,
      arrange: () => plant(redis, million, 100),
      act: () => sessions.killAll({ app, ownerId }),
    },
    large: {
      title: 'killAll of 1,000 sessions of 1 MiB',
      arrange: () => plant(redis, 1000, 2 ** 20),
      act: () => sessions.killAll({ app, ownerId }),
    },
    expired: {
      title: `create on an index of ${million.toLocaleString('en-US')} expired members`,
      arrange: () => plantExpired(redis, million),
      act: create,
    },
    joined: {
      title: '32 creates that share a script, on that index',
      arrange: async () => {
        await plantExpired(redis, million);
        await create();
      },
      // All calls of one turn are sent together, so creates share a script.
      act: () => Promise.all(Array.from({ length: 320 }, () => create())),
    },
    list: {
      title: 'list of 1,000 sessions of 1 KiB',
      arrange: () => plant(redis, 1000, 970),
      act: () => list(1000),
    },
    listLarge: {
      title: 'list of 15 sessions of 1 MiB, two in a step',
      arrange: () => plant(redis, 15, 2 ** 20 - 100),
      act: () => list(15),
    },
    rotate: {
      title: `32 rotates that share a script, owner of ${million.toLocaleString('en-US')} sessions`,
      arrange: async () => {
        await plant(redis, million, 100);
        tokens = await Promise.all(Array.from({ length: 320 }, () => create()));
      },
      act: () => Promise.all(tokens.map((token) => sessions.rotate({ app, token }))),
    },
    tied: {
      title: 'create with maxSessions, owner of 10,000 sessions that end at the same time',
      arrange: () => plant(redis, 10_000, 100),
      act: () => Promise.all(Array.from({ length: 10 }, () => create({ maxSessions: 1 }))),
    },
  };
  await create();
  await sessions.killAll({ app, ownerId });

  const values = {};
  for (const [name, { title, arrange, act }] of Object.entries(cases)) {
    const longest = [];
    for (let round = 0; round < rounds; round++) {
      bench.progress.show(title, round, rounds);
      await redis.flushall();
      await arrange();
      await redis.call('SLOWLOG', 'RESET');
      await act();
      longest.push(await longestScript(redis));
    }
    values[title] = Math.max(...longest);
    bench.report(`steps.${name}`, { ...summary(longest), median: Math.max(...longest) });
  }
  await redis.flushall();
  values['to free 8 MiB of strings of 1 MiB by one DEL'] = await timeToFree(redis, rounds);
  bench.workloads.push({ title: 'the longest script on the server, ms', values });
  await sessions.close();
}

async function measureBurst(bench, { server, redis }) {
  const calls = bench.choose(20_000, 5000);
  const sessions = new SpotsSessions({
    connectionString: `${server.url}/0`,
    commandTimeout: 60_000,
  });
  const plain = new Redis(`${server.url}/1`);
  const data = Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`k${n}`, 'x'.repeat(52)]));
  const token = await sessions.create({ app, ownerId, data, duration });
  const text = 'x'.repeat(1024);
  const burst = async (update, get) => {
    const from = performance.now();
    const pending = [];
    for (let n = 0; n < calls; n++) pending.push(update(n), get());
    await Promise.all(pending);
    return performance.now() - from;
  };
  const key = sessionKey(app, ownerId, token);
  const rounds = bench.choose(9, 3);
  const ratios = [];
  const longest = [];
  for (let round = 0; round <= rounds; round++) {
    bench.progress.show('a burst on one session', round, rounds);
    const ours = await burst(
      (n) => sessions.update({ app, token, data: { [`k${n % 10}`]: `${n}`.padEnd(52, 'y') } }),
      () => sessions.get({ app, token }),
    );
    longest.push(await redis.strlen(key));
    const theirs = await burst(
      () => plain.set('key', text),
      () => plain.get('key'),
    );
    if (round > 0) ratios.push(ours / theirs);
  }
  bench.workloads.push({
    title: `${calls} updates and ${calls} gets of one session at once ÷ SETs and GETs of 1 KiB through ioredis, time`,
    values: { ratio: median(ratios), 'the record at its end, bytes': Math.max(...longest) },
  });
  bench.report('burst', summary(ratios));
  plain.disconnect();
  await sessions.close();
}

/** Writes sessions of the owner with a script, because that is faster than calls. All of them end at about the same time. */
async function plant(redis, count, size) {
  const prefix = sessionKey(app, ownerId, '').slice(0, -22);
  for (let first = 0; first < count; first += 50_000) {
    await redis.eval(
      `local record = '}\\n"${ownerId}"\\n{"x":"' .. string.rep('x', ARGV[4]) .. '"}'
       local expiry = redis.call('TIME')[1] * 1000 + 3600000
       for n = ARGV[2], ARGV[3] do
         local id = string.format('%022d', n)
         local created = string.format('{"createdAt":1%012d', n * 7919 % 1000003) -- in no order
         redis.call('SET', ARGV[1] .. id, created .. record, 'PXAT', expiry)
         redis.call('ZADD', KEYS[1], expiry, id)
       end`,
      ...[1, indexKey(app, ownerId), prefix, first, Math.min(count, first + 50_000) - 1, size],
    );
  }
}

async function plantExpired(redis, count) {
  for (let first = 0; first < count; first += 100_000) {
    await redis.eval(
      `for n = ARGV[1], ARGV[2] do redis.call('ZADD', KEYS[1], n, 'expired-' .. n) end
       redis.call('PEXPIRE', KEYS[1], 3600000)`,
      ...[1, indexKey(app, ownerId), first, Math.min(count, first + 100_000) - 1],
    );
  }
}

/** The server's own time of the package's longest script, in milliseconds: a lower limit for the wait of a client. */
async function longestScript(redis) {
  const entries = await redis.call('SLOWLOG', 'GET', '-1');
  const scripts = entries.filter(([, , , [command]]) => /^evalsha$/i.test(command));
  return Math.max(0, ...scripts.map(([, , micros]) => micros)) / 1000;
}

/** The time that the server needs to free the memory. A script that deletes the data always takes at least this. */
async function timeToFree(redis, rounds) {
  const keys = Array.from({ length: 8 }, (_, n) => `large:${n}`);
  const times = [];
  for (let round = 0; round < rounds; round++) {
    for (const key of keys) await redis.set(key, 'x'.repeat(2 ** 20));
    await redis.call('SLOWLOG', 'RESET');
    await redis.del(...keys);
    const entries = await redis.call('SLOWLOG', 'GET', '-1');
    times.push(entries.find(([, , , [command]]) => /^del$/i.test(command))[2] / 1000);
  }
  return median(times);
}
