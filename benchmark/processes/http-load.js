'use strict';

// The process that puts load on an HTTP server: autocannon, one session per connection.

const autocannon = require('autocannon');
const { answer } = require('../requests');
const { percentile } = require('../statistics');

/** One response in so many is timed, to spare the process that the servers are to be outrun by. */
const sampling = 7;

answer({
  async load({ port, handles, seconds }) {
    let next = 0;
    let responses = 0;
    const latencies = [];
    const result = await autocannon({
      url: `http://127.0.0.1:${port}`,
      connections: handles.length,
      duration: seconds,
      // It ends at a sample, so that a longer interval would make it outlast its duration.
      sampleInt: 100,
      setupClient(client) {
        client.setHeaders({ 'x-session': handles[next++ % handles.length] });
        // Its own percentiles are whole milliseconds.
        client.on('response', (_status, _bytes, ms) => {
          if (responses++ % sampling === 0) latencies.push(ms);
        });
      },
    });
    return {
      requests: result.requests.total,
      callsPerSecond: result.requests.total / result.duration,
      p50: percentile(latencies, 0.5),
      p99: percentile(latencies, 0.99),
      failed: result.errors + result.timeouts + result.non2xx,
    };
  },
});
