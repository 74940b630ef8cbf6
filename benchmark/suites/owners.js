'use strict';

// killAll of an owner with 1, 100 and 10,000 sessions. Measures its duration, how long another client waits in the
// meantime, and how long the calling process's own event loop is blocked.

const { setTimeout: sleep } = require('node:timers/promises');
const { Contestant } = require('../contestant');
const { median, summary } = require('../statistics');

const size = 250;
const counts = [1, 100, 10000];

/** @param {import('../bench').Bench} bench */
module.exports = (bench) =>
  // Only this package has killAll.
  bench.subject === 'spots' && bench.onServer((stage) => measure(bench, stage));

async function measure(bench, stage) {
  const [worker, neighbour] = [
    new Contestant(bench.subjectLabel, 'processes/owner.js'),
    new Contestant('another client', 'processes/neighbour.js'),
  ];
  stage.contestants.push(worker, neighbour);
  for (const [db, contestant] of stage.contestants.entries()) {
    await contestant.ask('open', { url: `${stage.server.url}/${db}` });
  }
  await stage.redis.call('CONFIG', 'SET', 'slowlog-log-slower-than', '100');

  const rounds = bench.choose(15, 5);
  const measured = {};
  for (const count of counts) {
    measured[count] = [];
    for (let round = 0; round <= rounds; round++) {
      bench.progress.show(`killAll of ${count} sessions`, round, rounds);
      const result = await killAll(stage, worker, neighbour, count);
      if (round > 0) measured[count].push(result);
    }
  }
  report(bench, measured);
}

/** Runs one killAll, then watches the other client for the same time while nothing happens. */
async function killAll(stage, worker, neighbour, count) {
  await stage.redis.flushdb();
  await worker.ask('create', { count, size });
  await neighbour.ask('watch');
  await stage.redis.call('SLOWLOG', 'RESET');
  const killed = await worker.ask('killAll');
  const wait = await neighbour.ask('stop');
  const step = await longestStep(stage.redis);
  // The other owner's session and its index.
  if ((await stage.redis.dbsize()) !== 2) throw new Error('killAll left or took too much');

  await neighbour.ask('watch');
  await sleep(killed.ms);
  const idleWait = await neighbour.ask('stop');
  return { ...killed, wait, step, idleWait };
}

/** The server's own time of its longest script, in milliseconds. It is a lower limit for the wait of a client. */
async function longestStep(redis) {
  const entries = await redis.call('SLOWLOG', 'GET', '-1');
  const scripts = entries.filter(([, , , [command]]) => /^evalsha$/i.test(command));
  return Math.max(0, ...scripts.map(([, , micros]) => micros)) / 1000;
}

function report(bench, measured) {
  const values = (count, quantity) => measured[count].map((result) => result[quantity]);
  const by = (of) =>
    Object.fromEntries(counts.map((count) => [count.toLocaleString('en-US'), of(count)]));
  const push = (title, values, more) => bench.workloads.push({ title, values, ...more });
  push(
    'killAll by sessions of the owner, ms',
    by((count) => median(values(count, 'ms'))),
    { rounds: measured },
  );
  push(
    'killAll by sessions of the owner, µs per session',
    by((count) => (median(values(count, 'ms')) / count) * 1000),
  );

  const most = counts.at(-1);
  const waits = summary(values(most, 'wait'));
  const idleWaits = summary(values(most, 'idleWait'));
  push(`killAll of ${most} sessions, longest wait of another client, ms`, {
    median: waits.median,
    most: waits.max,
    'while nothing happens, median': idleWaits.median,
    'while nothing happens, most': idleWaits.max,
    'longest script on the server, median': median(values(most, 'step')),
  });
  push(`killAll of ${most} sessions, our event loop, ms`, {
    'longest stall, median': median(values(most, 'stall')),
    'longest stall, most': Math.max(...values(most, 'stall')),
    'all its processor time, median': median(values(most, 'mainThreadMicros')) / 1000,
  });
  // The target is a limit for every client, so the worst round counts.
  bench.report('owners.wait', { ...waits, median: waits.max });
}
