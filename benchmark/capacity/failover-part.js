'use strict';

// Measures how soon calls succeed again after a primary fails, with 64 calls in flight. It starts real servers: a
// primary with two replicas and three sentinels, and a cluster of three primaries with one replica each. A replica
// counts as promoted when its ROLE says `master`.

const { performance } = require('node:perf_hooks');
const { setTimeout: sleep } = require('node:timers/promises');
const { SpotsSessions } = require('../..');
const { startCluster } = require('../../__test__/support/cluster');
const { indexKey } = require('../../__test__/support/keys');
const { startSentinels } = require('../../__test__/support/sentinel');
const { median } = require('../statistics');
const { print } = require('./print');

const app = 'shop';
const lanes = 64;
const repetitions = 3;
/** Longer than any failover, so that no call times out before the failover is over. In milliseconds. */
const commandTimeout = 30_000;

/** Each entry starts the servers and prepares the fault of a primary. */
const faults = {
  'Sentinel: `SENTINEL FAILOVER`': sentinel((group) => group.failover()),
  'Sentinel: kill -9 of the primary': sentinel((group, primary) => group.kill(primary)),
  'Sentinel: SIGSTOP of the primary': sentinel((group, primary) => group.pause(primary)),
  'Cluster: `CLUSTER FAILOVER`': cluster((group, primary) => group.failover(primary)),
  'Cluster: kill -9 of a primary': cluster((_, primary) => primary.kill()),
  'Cluster: SIGSTOP of a primary': cluster((_, primary) => primary.pause()),
};

module.exports = async () => {
  const rows = [];
  for (const [fault, begin] of Object.entries(faults)) {
    const runs = [];
    while (runs.length < repetitions) {
      process.stderr.write(`${fault}, ${runs.length + 1} of ${repetitions} …\n`);
      runs.push(await measure(begin));
    }
    const most = (name) => Math.max(...runs.map((run) => run[name]));
    const middle = (name) => median(runs.map((run) => run[name]));
    rows.push([
      fault,
      middle('promoted'),
      middle('recovered'),
      most('recovered'),
      middle('longest'),
      runs.reduce((sum, { failed }) => sum + failed, 0),
    ]);
  }
  print(
    `Failovers, ${lanes} calls in flight, ${repetitions} runs each`,
    [
      '',
      'promoted after, ms',
      'calls succeed after that, ms',
      'at the most',
      'longest call, ms',
      'rejected',
    ],
    rows,
  );
};

function sentinel(strike) {
  return async () => {
    const group = await startSentinels({ replicas: 2, sentinels: 3 });
    const primary = await group.primary();
    const others = await group.replicas();
    const owners = Array.from({ length: lanes }, (_, n) => `user-${n}`);
    return { group, others, owners, strike: () => strike(group, primary) };
  };
}

function cluster(strike) {
  return async () => {
    const group = await startCluster({ primaries: 3, replicas: 1 });
    const [primary] = await group.primaries();
    const others = await group.replicas(primary);
    const owners = [];
    for (let n = 0; owners.length < lanes; n++) {
      const slot = await group.slotOf(indexKey(app, `user-${n}`));
      if ((await group.slotOwner(slot)) === primary) owners.push(`user-${n}`);
    }
    return { group, others, owners, strike: () => strike(group, primary) };
  };
}

/** @param {ReturnType<typeof sentinel>} begin */
async function measure(begin) {
  const { group, others, owners, strike } = await begin();
  const sessions = new SpotsSessions({ connectionString: group.url, commandTimeout });
  try {
    /** The outcome of each call. @type {{ begun: number, ended: number, rejected: boolean }[]} */
    const calls = [];
    let stopped = false;
    const lane = async (ownerId) => {
      while (!stopped) {
        const begun = performance.now();
        const rejected = await sessions.create({ app, ownerId, duration: 60 }).then(
          () => false,
          () => true,
        );
        calls.push({ begun, ended: performance.now(), rejected });
      }
    };
    const work = Promise.all(owners.map(lane));
    await sleep(300);
    const struck = performance.now();
    const striking = strike();
    const promoted = await promotion(others);
    while (!calls.some(({ begun, ended, rejected }) => begun > promoted && ended > 0 && !rejected))
      await sleep(2);
    stopped = true;
    await Promise.all([work, striking]);
    const succeeded = calls.filter(({ ended, rejected }) => ended > promoted && !rejected);
    return {
      promoted: promoted - struck,
      recovered: Math.min(...succeeded.map(({ ended }) => ended)) - promoted,
      longest: Math.max(...calls.map(({ begun, ended }) => ended - begun)),
      failed: calls.filter(({ rejected }) => rejected).length,
    };
  } finally {
    for (const node of group.nodes) (node.server ?? node).kill('SIGCONT');
    await sessions.close();
    await group.stop();
  }
}

/** Resolves to the time at which one of these servers reports that it is a primary. */
async function promotion(servers) {
  const clients = servers.map((server) => server.client());
  for (;;) {
    for (const client of clients)
      if ((await client.call('ROLE'))[0] === 'master') return performance.now();
    await sleep(2);
  }
}
