'use strict';

// A process that puts load on an HTTP server with autocannon, one session per connection. The connections stay open
// from `begin` to `end`, and `measure` takes a period in between. If each measurement opened new connections, V8 might
// promote the garbage of every later request to the old generation, which slows some processes by a fifth.

const autocannon = require('autocannon');
const { once } = require('node:events');
const { setTimeout: sleep } = require('node:timers/promises');
const { answer } = require('../requests');
const { percentile } = require('../statistics');

/** One response in 7 is timed. This process must be faster than the servers, so it saves work. */
const sampling = 7;

/** @type {import('autocannon').Instance} */
let load;
let requests = 0;
let failed = 0;
/** @type {number[]} milliseconds */
let latencies = [];

answer({
  begin({ port, path = '/', header = 'x-session', handles }) {
    let next = 0;
    failed = 0;
    load = autocannon({
      url: `http://127.0.0.1:${port}${path}`,
      connections: handles.length,
      duration: 3600, // until `end`
      setupClient(client) {
        client.setHeaders({ [header]: handles[next++ % handles.length] });
        // autocannon's own percentiles are rounded to whole milliseconds, so compute them here.
        client.on('response', (status, _bytes, ms) => {
          if (status !== 200) failed++;
          if (requests++ % sampling === 0) latencies.push(ms);
        });
      },
    });
    load.on('reqError', () => failed++);
  },

  async measure({ seconds }) {
    requests = 0;
    latencies = [];
    const begin = performance.now();
    await sleep(seconds * 1000);
    const callsPerSecond = (requests / (performance.now() - begin)) * 1000;
    const [p50, p99] = [percentile(latencies, 0.5), percentile(latencies, 0.99)];
    return { requests, callsPerSecond, p50, p99, failed };
  },

  async end() {
    load.stop();
    await once(load, 'done');
  },
});
