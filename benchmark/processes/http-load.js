'use strict';

// The process that puts load on an HTTP server: autocannon, one session per connection. The connections
// last from `begin` to `end`, and what is measured is a time in between: where they are opened anew, V8 may
// promote whatever a request leaves behind from then on, which costs some processes a fifth of their speed.

const autocannon = require('autocannon');
const { once } = require('node:events');
const { setTimeout: sleep } = require('node:timers/promises');
const { answer } = require('../requests');
const { percentile } = require('../statistics');

/** One response in so many is timed, to spare the process that the servers are to be outrun by. */
const sampling = 7;

/** @type {import('autocannon').Instance} */
let load;
let requests = 0;
let failed = 0;
/** @type {number[]} milliseconds */
let latencies = [];

answer({
  begin({ port, handles }) {
    let next = 0;
    failed = 0;
    load = autocannon({
      url: `http://127.0.0.1:${port}`,
      connections: handles.length,
      duration: 3600, // until `end`
      setupClient(client) {
        client.setHeaders({ 'x-session': handles[next++ % handles.length] });
        // Its own percentiles are whole milliseconds.
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
