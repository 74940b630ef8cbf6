'use strict';

// Every operation among 1,000, 100,000 and 1,000,000 live sessions, each in its own database of one server. Version 1
// has at most 100,000 sessions.

const { Contestant } = require('../contestant');

const size = 250;
const inFlight = 64;

/** The number of sessions that the calls use, in random order. Their data exceeds the processor's caches. */
const keep = 200000;

/** Calls per measurement for operations that change the number of sessions, and for `update`. */
const calls = 4000;

/** @param {number} count */
const label = (count) => `${count.toLocaleString('en-US')} sessions`;

/** @param {import('../bench').Bench} bench */
module.exports = async (bench) => {
  // The sessions are written in this package's own layout, so another peer would not find them.
  if (bench.subject !== 'spots') return;
  const counts = bench.choose([1000, 100000, 1000000], [1000, 100000]);
  await bench.onServer((stage) => ours(bench, stage, counts));
  await bench.onServer((stage) => version1(bench, stage));
};

async function ours(bench, stage, counts) {
  const open = async (name, script, count) => {
    const contestant = new Contestant(name, script);
    stage.contestants.push(contestant);
    const url = `${stage.server.url}/${counts.indexOf(count)}`;
    await contestant.ask('open', { url, count, keep, size });
    return contestant;
  };
  const users = [];
  const plain = [];
  for (const count of counts) {
    bench.progress.show(`writing ${label(count)}`);
    users.push(await open(label(count), 'processes/scale.js', count));
    plain.push(await open(`${label(count)}, plain GET`, 'processes/plain-gets.js', count));
  }

  const most = counts.length - 1;
  const ratios = {};
  for (const operation of ['get', 'refresh', 'create', 'kill', 'killAll', 'update']) {
    const rounds = await bench.alternate(`${operation} by live sessions, ${inFlight} in flight`, {
      contestants: operation === 'get' ? [...users, ...plain] : users,
      rounds: bench.choose(7, 2),
      measure: (contestant) => measure(bench, stage, contestant, operation),
    });
    const flatness = ([few, ...more]) =>
      rounds.ratio(more.at(-1).label, few.label, 'callsPerSecond');
    ratios[operation] = flatness(users).median;
    if (operation !== 'get') continue;
    ratios['plain GET, the server alone'] = flatness(plain).median;
    // A quick run has at most 100,000 sessions.
    if (counts[most] === 1000000) bench.report('get.million', flatness(users));
  }
  const title = `calls/s with ${label(counts[most])} ÷ with ${label(counts[0])}`;
  bench.workloads.push({ title, values: ratios });
}

/** Measures one operation and keeps the number of sessions the same from one measurement to the next. */
async function measure(bench, stage, contestant, operation) {
  const counted = { inFlight, calls };
  if (operation === 'get' || operation === 'refresh') {
    return stage.measure(contestant, { operation, inFlight, ms: bench.choose(400, 200) });
  }
  if (operation === 'kill' || operation === 'killAll') {
    await contestant.ask('run', { operation: 'create', ...counted });
  }
  const measured = await stage.measure(contestant, { operation, ...counted });
  if (operation === 'create') await contestant.ask('run', { operation: 'kill', ...counted });
  return measured;
}

/** Version 1 scans all keys on every call. It is slow, so a few calls are enough. */
async function version1(bench, stage) {
  const counts = bench.choose([1000, 10000, 100000], [1000, 10000]);
  for (const [db, count] of counts.entries()) {
    const contestant = await stage.open('version-1', db);
    contestant.label = label(count);
    await contestant.ask('fill', { count, size });
  }
  await bench.alternate('get of version 1 by live sessions, 1 in flight', {
    contestants: stage.contestants,
    rounds: bench.choose(5, 2),
    measure: (contestant) =>
      stage.measure(contestant, { operation: 'get', inFlight: 1, calls: 20 }),
  });
}
