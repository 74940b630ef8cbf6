'use strict';

// Checks that a connected but idle instance does nothing: no thread wakes up, and the process makes no system call.

const { setTimeout: sleep } = require('node:timers/promises');
const { Contestant } = require('../contestant');
const { systemCalls, wakeUps } = require('../idle');
const { summary } = require('../statistics');

const commandTimeout = 500;

/** The time in which wake-ups are counted, in milliseconds. */
const windowMs = 2000;

/** The name of the package's own thread. The other threads are Node's. */
const ioThread = 'spots-sessions';

/** @param {import('../bench').Bench} bench */
module.exports = async (bench) => {
  // The suite measures this package's own thread, so other subjects have nothing to measure.
  if (bench.subject !== 'spots') return;
  const values =
    process.platform === 'linux'
      ? await measure(bench)
      : { 'not measured: only Linux reports how often a thread wakes up': null };
  bench.workloads.push({ title: 'an idle process', values });
};

async function measure(bench) {
  const values = {};
  await bench.onServer(async (stage) => {
    const url = `${stage.server.url}/0?commandTimeout=${commandTimeout}`;
    const contestant = await Contestant.open(bench.subject, url);
    stage.contestants.push(contestant);
    await contestant.ask('fill', { count: 100, size: 170 });
    // One timer serves all deadlines. It still fires once more after the calls, so wait until it has.
    await sleep(2 * commandTimeout);

    const { pid } = contestant.child;
    const counts = [];
    const windows = bench.choose(3, 1);
    for (let window = 1; window <= windows; window++) {
      bench.progress.show('wake-ups of an idle process', window, windows);
      counts.push(await wakeUps(pid, windowMs));
    }
    const own = counts.map((threads) => threads[ioThread]);
    if (own.includes(undefined)) throw new Error(`no thread is called ${ioThread}`);
    bench.report('idle.switches', { ...summary(own), median: Math.max(...own) });
    const all = counts.flatMap((threads) => Object.values(threads));
    const seconds = (windowMs / 1000) * windows;
    values[`wake-ups of all its threads in ${seconds} s`] = all.reduce((sum, count) => sum + count);

    bench.progress.show('system calls of an idle process');
    // About eight seconds after the last work, V8 returns memory to the system once. Wait until it has.
    await sleep(bench.choose(8000, 0));
    const traced = bench.choose(5, 2);
    const calls = await systemCalls(pid, traced * 1000);
    if (calls === undefined) values['system calls not counted: no usable strace'] = null;
    else values[`system calls of all its threads in ${traced} s`] = calls;
  });
  return values;
}
