'use strict';

// Measures the cost of a replica's acknowledgement of each kill: ioredis sends `WAIT 1` after it. Primary and replica
// run on this machine, first with a direct connection, then with a delay between them.

const net = require('node:net');
const { performance } = require('node:perf_hooks');
const { startRedis, waitUntil } = require('../../__test__/support/redis-server');
const { scriptText } = require('../lua');
const { alternate } = require('../rounds');
const { percentile } = require('../statistics');
const { print } = require('./print');

const patience = 1000;
const rounds = 7;
const delays = [0, 0.5];

/** `lanes` run at once, `together` is the number of kills per pipeline, and `wait` says where the `WAIT` goes. */
const ways = [
  { label: 'a kill at a time', lanes: 1, together: 1, calls: 1000 },
  { label: 'a kill at a time, `WAIT` after each', lanes: 1, together: 1, calls: 300, wait: 'each' },
  { label: '64 in flight', lanes: 64, together: 1, calls: 12800 },
  { label: '64 in flight, `WAIT` after each', lanes: 64, together: 1, calls: 3200, wait: 'each' },
  { label: 'pipelines of 64', lanes: 1, together: 64, calls: 12800 },
  {
    label: 'pipelines of 64, one `WAIT` at the end',
    lanes: 1,
    together: 64,
    calls: 12800,
    wait: 'end',
  },
];

module.exports = async () => {
  for (const delay of delays) await measure(delay);
};

async function measure(delay) {
  const primary = await startRedis({ config: { 'repl-diskless-sync-delay': 0 } });
  const line = await startLine(primary.port, delay);
  const replica = await startRedis({ config: { replicaof: [primary.host, line.address().port] } });
  try {
    const redis = primary.client();
    redis.defineCommand('createSession', { numberOfKeys: 2, lua: scriptText('create') });
    redis.defineCommand('killSession', { numberOfKeys: 2, lua: scriptText('kill') });
    await waitUntil(async () => (await redis.call('WAIT', 1, 100)) === 1, 'the replica');
    const result = await alternate({
      contestants: ways,
      rounds,
      measure: (way) => run(redis, way),
      progress: (round) => process.stderr.write(`WAIT, delay ${delay} ms, round ${round} …\n`),
    });
    const summaries = result.summaries();
    print(
      `Kills on a primary whose replica is ${2 * delay} ms away and back`,
      ['', 'kills/s', 'p50 ms', 'p99 ms'],
      ways.map(({ label }) => [
        label,
        ...['callsPerSecond', 'p50', 'p99'].map((name) => summaries[label][name].median),
      ]),
    );
  } finally {
    line.close();
    await Promise.all([primary.stop(), replica.stop()]);
  }
}

async function run(redis, { lanes, together, calls, wait }) {
  await redis.flushall();
  const sessions = await create(redis, calls);
  await redis.call('WAIT', 1, 10000);
  const latencies = [];
  let next = 0;
  const lane = async () => {
    while (next < calls) {
      const pipeline = redis.pipeline();
      const last = next + together;
      for (; next < last; next++) {
        pipeline.killSession(...sessions[next]);
        if (wait === 'each') pipeline.call('WAIT', 1, patience);
      }
      if (wait === 'end') pipeline.call('WAIT', 1, patience);
      const from = performance.now();
      const replies = await pipeline.exec();
      latencies.push(performance.now() - from);
      const acknowledged = replies.every(([error, reply]) => error === null && reply === 1);
      if (!acknowledged) throw new Error('a kill was not carried out, or not acknowledged');
    }
  };
  const from = performance.now();
  await Promise.all(Array.from({ length: lanes }, lane));
  const seconds = (performance.now() - from) / 1000;
  return {
    callsPerSecond: calls / seconds,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
  };
}

async function create(redis, count) {
  const pipeline = redis.pipeline();
  const sessions = Array.from({ length: count }, (_, number) => {
    const tag = `spots:{${number.toString(16).padStart(8, '0')}:shop}`;
    const id = String(number).padStart(22, '0');
    pipeline.createSession(
      `${tag}:s:${id}`,
      `${tag}:o:${'0'.repeat(16)}`,
      id,
      3600000,
      '"user"',
      '{}',
    );
    return [`${tag}:s:${id}`, `${tag}:o:${'0'.repeat(16)}`, id];
  });
  for (const [error] of await pipeline.exec()) if (error) throw error;
  return sessions;
}

/** Starts a proxy to a port. It delays all bytes by `delay` milliseconds in each direction. */
async function startLine(port, delay) {
  const server = net.createServer((near) => {
    const far = net.connect(port, '127.0.0.1').setNoDelay();
    near.setNoDelay();
    carry(near, far, delay);
    carry(far, near, delay);
  });
  server.listen(0, '127.0.0.1');
  await waitUntil(() => server.listening, 'a line to the primary');
  return server;
}

/** Forwards delayed bytes. Timers are too coarse for half a millisecond, so it polls the clock in a loop. */
function carry(from, to, delay) {
  const due = [];
  const forward = () => {
    while (due.length > 0 && due[0].at <= performance.now()) to.write(due.shift().bytes);
    if (due.length > 0) setImmediate(forward);
  };
  from.on('data', (bytes) => {
    if (delay === 0) return to.write(bytes);
    due.push({ at: performance.now() + delay, bytes });
    if (due.length === 1) setImmediate(forward);
  });
  from.on('error', () => to.destroy());
  from.on('close', () => to.destroy());
}
