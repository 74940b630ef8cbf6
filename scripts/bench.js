'use strict';

// `npm run bench [-- options]`: runs the benchmarks of benchmark/, on a Redis server that they start themselves.

const path = require('node:path');
const { prepare } = require('./prepare.js');
const { requireRedisServer } = require('./redis-binary.js');
const { root, run } = require('./run.js');
const { runScript } = require('./stop.js');

runScript(async () => {
  await prepare();
  const env = { ...process.env, REDIS_SERVER: requireRedisServer().path };
  run(process.execPath, [path.join(root, 'benchmark', 'run.js'), ...process.argv.slice(2)], {
    env,
  });
});
