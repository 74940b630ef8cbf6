'use strict';

// Every way of keeping sessions in one table: each operation and a mix of them, by the number of
// calls in flight and by the size of the session's data.

const whole = {
  sizes: ['0.2 KiB', '2 KiB', '20 KiB'],
  levels: [1, 16, 64, 256, 1000],
  /** The last two end the sessions that the others go around. */
  operations: ['get', 'refresh', 'update', 'mix', 'create', 'kill'],
  rounds: 3,
  ms: 100,
};
const quick = { ...whole, sizes: ['0.2 KiB'], levels: [1, 64, 1000], operations: ['get', 'mix'] };

const others = [
  'ioredis',
  'ioredis-autopipelining',
  'node-redis',
  'valkey-glide',
  'connect-redis',
  'redis-sessions',
  'version-1',
];

/** Live sessions: few, so that version 1, which scans them all, has a place in the table. */
const sessions = 1000;

/** More than the mix can have killed before what it creates is there to be killed. */
const spare = 100;

/** @param {import('../bench').Bench} bench */
module.exports = (bench) => measure(bench, bench.choose(whole, quick));

/** @param {import('../bench').Bench} bench @param {typeof whole} plan */
function measure(bench, plan) {
  const { sizes, levels, operations } = plan;
  bench.progress.show(outline(plan));
  return bench.onServer(async (stage) => {
    await stage.openAll([bench.subject, ...others]);
    for (const size of sizes) {
      await forEach(stage, async (contestant) => {
        await refill(stage, contestant, size);
        await contestant.ask('check', { size });
      });
      for (const operation of operations) {
        await forEach(stage, async (contestant) => {
          // Updates have made the records of some peers longer.
          if (operation === 'mix') await refill(stage, contestant, size);
          // As many live on the average of a run, which ends about a thousand more, as elsewhere.
          if (operation === 'kill') await refill(stage, contestant, size, sessions / 2);
          if (size === sizes[0]) await warmUp(stage, contestant, { operation, size, inFlight: 64 });
        });
        const rates = new Map();
        for (const inFlight of levels) {
          await compare(bench, stage, { operation, size, inFlight }, plan, rates);
        }
      }
    }
  });
}

async function forEach({ contestants }, act) {
  for (const contestant of contestants) await act(contestant);
}

/** Lets a process compile what it is about to run: the first thousands of calls are slow ones. */
async function warmUp(stage, contestant, workload) {
  if (!offers(contestant, workload.operation)) return;
  const run = workload.operation === 'kill' ? { calls: 3000 } : { ms: 300 };
  await prepare(stage, contestant, workload, run);
  await contestant.ask('run', { ...workload, ...run });
}

/**
 * Measures one workload with every peer that has the operation.
 *
 * @param {Map<object, number>} rates calls per second when a contestant was last measured
 */
async function compare(bench, stage, workload, { rounds, ms }, rates) {
  const { operation, size, inFlight } = workload;
  const contestants = stage.contestants.filter((contestant) => offers(contestant, operation));
  await bench.alternate(
    `${operation}, ${size}, ${inFlight} in flight`,
    {
      contestants,
      rounds,
      warmUp: rates.size === 0,
      async measure(contestant) {
        const rate = rates.get(contestant);
        const run = rate === undefined ? trial(workload, ms) : runAt(rate, workload, ms);
        await prepare(stage, contestant, workload, run);
        const result = await stage.measure(contestant, { ...workload, ...run });
        rates.set(contestant, result.callsPerSecond);
        return result;
      },
    },
    workload,
  );
}

/** A first run, from which the others take their length. */
function trial({ operation, inFlight }, ms) {
  return operation === 'kill' ? { calls: Math.max(200, inFlight) } : { ms: ms / 5 };
}

/**
 * How long a peer of this speed runs. Each `kill` needs a session that was created for it, so there
 * the calls are counted. Elsewhere the time is enough for each lane's calls to come back once, and
 * some more: answers to many lanes come in bursts.
 */
function runAt(callsPerSecond, { operation, size, inFlight }, ms) {
  if (operation !== 'kill') return { ms: within(ms, (1500 * inFlight) / callsPerSecond, 200) };
  const calls = Math.round((callsPerSecond * ms) / 1000);
  return { calls: within(Math.max(200, inFlight), calls, size === '20 KiB' ? 1000 : 3000) };
}

function within(least, value, most) {
  return Math.min(most, Math.max(least, value));
}

/** @param {import('../contestant').Contestant} contestant @param {string} operation */
function offers({ offers }, operation) {
  const needed = operation === 'mix' ? ['get', 'create', 'update', 'refresh', 'kill'] : [operation];
  return needed.every((name) => offers.includes(name));
}

/** Does what a run needs beforehand, outside of the time that is measured. */
async function prepare(stage, contestant, { operation, size }, { calls }) {
  if (operation === 'mix') await contestant.ask('spare', { count: spare, size });
  if (operation === 'create') await stage.clear(contestant);
  if (operation === 'kill') await contestant.ask('fill', { count: calls, size });
}

async function refill(stage, contestant, size, count = sessions) {
  await stage.clear(contestant);
  await contestant.ask('fill', { count, size });
}

/** @param {typeof whole} plan */
function outline({ sizes, levels, operations, rounds, ms }) {
  const workloads = sizes.length * levels.length * operations.length;
  // What lies between the runs, such as creating what is to be killed, takes half as long again.
  const seconds = (workloads * (others.length + 1) * rounds * ms * 1.6) / 1000;
  const time = seconds < 100 ? `${Math.round(seconds)} s` : `${Math.ceil(seconds / 60)} minutes`;
  return `${workloads} workloads of all peers (${operations.join(', ')}; ${sizes.join(', ')}; ${levels.join(', ')} in flight), about ${time}`;
}
