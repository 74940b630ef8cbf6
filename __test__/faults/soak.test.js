'use strict';

// A long load with one fault after another: every answer is right, every error is an outage, and
// nothing grows. `SOAK_MINUTES=30 node --test __test__/faults/soak.test.js` runs it for longer.

const assert = require('node:assert/strict');
const { readdirSync } = require('node:fs');
const { test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const v8 = require('node:v8');
const vm = require('node:vm');
const { faultyServer, recovers } = require('../support/faults.js');
const { Load } = require('../support/soak.js');
const { waitUntil } = require('../support/wait-until.js');

const minutes = Number(process.env.SOAK_MINUTES ?? 0);
const seconds = minutes > 0 ? minutes * 60 : 20;
/** Seconds from one fault to the next. */
const period = minutes > 0 ? 10 : 2;
const RATE = 2000;

const MiB = 2 ** 20;
/** How much each may grow from the beginning to the end, both measured at rest. */
const GROWTH = { rss: 96, heap: 16, descriptors: 0, threads: 0, connections: 0, keys: 0 };
/** By how much the fitted line may rise from one end of a long run to the other. */
const RISE = { rss: 32, heap: 4, descriptors: 1, threads: 1, connections: 1, keys: 100 };

v8.setFlagsFromString('--expose-gc');
const collect = vm.runInNewContext('gc');

/** Measures the process and its server, memory in MiB. Only Linux tells descriptors and threads. */
async function measure(redis) {
  collect();
  const { rss, heapUsed: heap } = process.memoryUsage();
  const count = (folder) => readdirSync(`/proc/self/${folder}`).length;
  const [, clients] = (await redis.info('clients')).match(/connected_clients:(\d+)/);
  return {
    rss: rss / MiB,
    heap: heap / MiB,
    ...(process.platform === 'linux' && { descriptors: count('fd'), threads: count('task') }),
    connections: Number(clients),
    keys: await redis.dbsize(),
  };
}

/** @type {Record<string, (faulty: any) => unknown>} each ends the fault that it begins */
const FAULTS = {
  'the proxy cuts its connections': ({ proxy }) => proxy.sever(),
  'CLIENT KILL': ({ redis }) => redis.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes'),
  'SIGSTOP for a second': async ({ server }) => {
    server.kill('SIGSTOP');
    await sleep(1000);
    server.kill('SIGCONT');
  },
  'a restart': ({ server }) => server.restart(),
  'replies that are 300 ms late': async ({ proxy }) => {
    proxy.delay = 300;
    await sleep(1500);
    proxy.delay = 0;
  },
  'a black hole for 2 s': async ({ proxy }) => {
    // Only new connections work afterwards, because TCP never loses bytes in the middle of one.
    proxy.silent = true;
    await sleep(2000);
    proxy.forget();
    proxy.silent = false;
  },
  'SCRIPT FLUSH': ({ redis }) => redis.script('FLUSH'),
};

/** The slope of the line that fits best, per step. @param {number[]} values */
function slopeOf(values) {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  let above = 0;
  let below = 0;
  for (const [n, value] of values.entries()) {
    above += (n - middle) * (value - mean);
    below += (n - middle) ** 2;
  }
  return above / below;
}

test(`every answer is right, and nothing grows, under ${RATE} calls a second and a fault every ${period} s for ${seconds} s`, {
  timeout: (seconds + 120) * 1000,
}, async (t) => {
  const config = {
    // The server writes before it replies, so acknowledged changes survive its process.
    appendonly: 'yes',
    appendfsync: 'no',
    'auto-aof-rewrite-min-size': '8mb', // or it would load longer at each restart
  };
  const faulty = await faultyServer(t, { proxy: true, config });
  const { server, open, app, redis } = faulty;
  const settings = { commandTimeout: 3000 };
  const instances = [open(settings), open({ ...settings, connectionString: server.url })];
  const load = new Load(instances, { app, rate: RATE, users: 2000 });

  /** A process that comes and goes leaves nothing behind either. */
  const useAndClose = async () => {
    const sessions = open({ ...settings, connectionString: server.url });
    const token = await sessions.create({ app, ownerId: 'guest', duration: 60 });
    await sessions.kill({ app, token });
    await sessions.close();
  };
  /** Stops the load, ends all sessions, and measures. */
  const rest = async () => {
    await load.stop();
    for (const sessions of instances) await recovers(sessions, app);
    await load.endAll();
    await instances[0].killAll({ app, ownerId: 'recovered' });
    const connected = async () => (await measure(redis)).connections === 3;
    await waitUntil(connected, 'two connections and that of this test');
    return measure(redis);
  };

  t.after(() => load.stop());
  load.start();
  await sleep(2000);
  await useAndClose();
  const before = await rest();
  load.start();

  const samples = [];
  const begun = performance.now();
  const names = Object.keys(FAULTS);
  for (let n = 0; performance.now() - begun < seconds * 1000; n++) {
    await FAULTS[names[n % names.length]](faulty);
    if (n % names.length === 0) await useAndClose();
    const next = begun + (n + 1) * period * 1000;
    await sleep(Math.max(0, next - performance.now()));
    samples.push(await measure(redis));
    assert.ifError(load.failure);
  }
  const after = await rest();
  assert.ifError(load.failure);

  const warm = samples.slice(Math.floor(samples.length / 5));
  t.diagnostic(
    `${load.done} calls, ${samples.length} faults, outages ${JSON.stringify(load.outages)}`,
  );
  for (const name of Object.keys(before)) {
    const slope = slopeOf(warm.map((sample) => sample[name]));
    const rise = slope * (warm.length - 1);
    const [first, last] = [before, after].map((sample) => Number(sample[name].toFixed(1)));
    const line = `${name}: ${first} before, ${last} after, ${((slope * 60) / period).toFixed(3)} a minute`;
    t.diagnostic(line);
    assert.ok(last - first <= GROWTH[name], line);
    if (minutes >= 5) assert.ok(rise <= RISE[name], `${name} rose by ${rise}`);
  }
  assert.ok(load.done > 1000, `only ${load.done} calls`);
});
