'use strict';

// Compares all peers in one table: each operation and a mix of them, by the number of calls in flight and by the size
// of the session's data.

const whole = {
  sizes: ['0.2 KiB', '2 KiB', '20 KiB'],
  levels: [1, 16, 64, 256, 1000],
  /** `create` and `kill` come last, because they remove the sessions that the other operations use. */
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

/** The number of live sessions. It is small because version 1 scans them all. */
const sessions = 1000;

/** More sessions than the mix can kill before its own creates have added new ones. */
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
          // The updates before have made the records of some peers longer.
          if (operation === 'mix') await refill(stage, contestant, size);
          // `prepare` adds about a thousand and the run kills those, so about `sessions` are alive on average.
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

/** Lets V8 compile the code that a process is about to run. The first few thousand calls are slow. */
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

/** The first run. Its call rate determines the length of the other runs. */
function trial({ operation, inFlight }, ms) {
  return operation === 'kill' ? { calls: Math.max(200, inFlight) } : { ms: ms / 5 };
}

/**
 * Chooses the length of a run from the peer's call rate. A run of `kill` has a number of calls, because each call needs
 * a session that was created for it. Any other run has a time. Answers to many lanes come in bursts, so the time is one
 * and a half times what each lane needs for one call, within 100 to 200 ms.
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

/** Prepares the sessions for a run. The measured time does not include this. */
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
  // The work between the runs, such as creating the sessions to kill, takes about 60% of the runs' time.
  const seconds = (workloads * (others.length + 1) * rounds * ms * 1.6) / 1000;
  const time = seconds < 100 ? `${Math.round(seconds)} s` : `${Math.ceil(seconds / 60)} minutes`;
  return `${workloads} workloads of all peers (${operations.join(', ')}; ${sizes.join(', ')}; ${levels.join(', ')} in flight), about ${time}`;
}
