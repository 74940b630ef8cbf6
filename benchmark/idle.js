'use strict';

// Measures how often an idle process wakes up, on Linux. It runs in another process, so that it wakes no thread there.

const { once } = require('node:events');
const { readdirSync, readFileSync } = require('node:fs');
const { setTimeout: sleep } = require('node:timers/promises');
const { spawn, spawnSync } = require('../scripts/children.js');

/**
 * Counts how often each thread went back to sleep within `ms`. A thread does that once per wake-up.
 *
 * @param {number} pid
 * @param {number} ms
 * @returns {Promise<Record<string, number>>} by thread name; threads with the same name are summed
 */
async function wakeUps(pid, ms) {
  const before = voluntarySwitches(pid);
  await sleep(ms);
  const after = voluntarySwitches(pid);
  const counts = {};
  for (const [thread, { name, switches }] of after) {
    const since = switches - (before.get(thread)?.switches ?? 0);
    counts[name] = (counts[name] ?? 0) + since;
  }
  return counts;
}

/** @param {number} pid */
function voluntarySwitches(pid) {
  const threads = readdirSync(`/proc/${pid}/task`).map((thread) => {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
    const field = (name) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)[1];
    return [thread, { name: field('Name'), switches: Number(field('voluntary_ctxt_switches')) }];
  });
  return new Map(threads);
}

/**
 * Counts the system calls of all threads, by `strace`.
 *
 * @param {number} pid
 * @param {number} ms
 * @returns {Promise<number | undefined>} undefined if `strace` is missing or not allowed
 */
async function systemCalls(pid, ms) {
  if (spawnSync('strace', ['-V'], { stdio: 'ignore' }).status !== 0) return undefined;
  const strace = spawn('strace', ['-f', '-p', `${pid}`], { stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  strace.stderr.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  const closed = once(strace, 'close');
  // strace first prints the calls in which the threads were already blocked. Skip those.
  await sleep(500);
  const attached = output.length;
  await sleep(ms);
  strace.kill('SIGINT');
  await closed;
  if (!output.includes('attached')) return undefined;
  return output.slice(attached).match(/^(?:\[pid +\d+\] )?\w+\(/gm)?.length ?? 0;
}

module.exports = { wakeUps, systemCalls };
