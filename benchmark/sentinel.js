'use strict';

// Starts sentinels that watch one primary, for suites/sentinel.js.

const { once } = require('node:events');
const { rmSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const Redis = require('ioredis');
const { spawn, temporaryFolder } = require('../scripts/children.js');
const { freePort, waitUntil } = require('../__test__/support/redis-server');

const name = 'mymaster';

/**
 * Starts sentinels and resolves when each of them knows the primary's address.
 *
 * @param {Awaited<ReturnType<typeof import('../__test__/support/redis-server').startRedis>>} primary
 * @param {number} [count]
 */
async function startSentinels(primary, count = 3) {
  const dir = temporaryFolder('sentinel-');
  const started = [];
  const stop = async () => {
    for (const { sentinel } of started) {
      const exit = once(sentinel, 'exit');
      sentinel.kill('SIGKILL');
      await exit;
    }
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    while (started.length < count) started.push(await start(primary, dir));
    for (const { port } of started) await known(port);
  } catch (error) {
    await stop();
    throw error;
  }
  const nodes = started.map(({ port }) => `127.0.0.1:${port}`).join(',');
  return { urlOf: (db) => `redis-sentinel://${nodes}/${db}?name=${name}`, stop };
}

async function start(primary, dir) {
  const port = await freePort();
  const file = path.join(dir, `${port}.conf`);
  writeFileSync(
    file,
    `port ${port}
bind 127.0.0.1
dir ${dir}
sentinel monitor ${name} ${primary.host} ${primary.port} 2
sentinel down-after-milliseconds ${name} 60000
`,
  );
  const server = process.env.REDIS_SERVER ?? 'redis-server';
  const sentinel = spawn(server, [file, '--sentinel'], { stdio: 'ignore' });
  return { sentinel, port };
}

async function known(port) {
  const sentinel = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: null });
  sentinel.on('error', () => {});
  await waitUntil(
    () => sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name),
    `the sentinel on port ${port}`,
  );
  sentinel.disconnect();
}

module.exports = { startSentinels };
