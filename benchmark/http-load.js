'use strict';

// The process that puts load on an HTTP server: autocannon, one session per connection.

const autocannon = require('autocannon');
const { answer } = require('./requests');

answer({
  async load({ port, handles, seconds }) {
    let next = 0;
    const result = await autocannon({
      url: `http://127.0.0.1:${port}`,
      connections: handles.length,
      duration: seconds,
      setupClient: (client) => client.setHeaders({ 'x-session': handles[next++ % handles.length] }),
    });
    return {
      requests: result.requests.total,
      callsPerSecond: result.requests.total / result.duration,
      p50: result.latency.p50,
      p99: result.latency.p99,
      failed: result.errors + result.timeouts + result.non2xx,
    };
  },
});
