'use strict';

// Sentinels that watch one primary, for the suite.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');
const Redis = require('ioredis');
const { freePort, waitUntil } = require('../__test__/support/redis-server');

const name = 'mymaster';

/** Ends with its standard input, so with whoever started it, however that ends. */
const guarded = '"$0" "$1" --sentinel & sentinel=$!; cat; kill -9 $sentinel; wait';

/**
 * Starts sentinels and resolves when each tells where the primary is.
 *
 * @param {Awaited<ReturnType<typeof import('../__test__/support/redis-server').startRedis>>} primary
 * @param {number} [count]
 */
async function startSentinels(primary, count = 3) {
  const dir = mkdtempSync(path.join(tmpdir(), 'sessions-sentinel-'));
  const started = [];
  const stop = async () => {
    for (const { guard } of started) {
      const exit = once(guard, 'exit');
      guard.stdin.end();
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
  const stdio = ['pipe', 'ignore', 'ignore'];
  const guard = spawn('sh', ['-c', guarded, primary.process.spawnfile, file], { stdio });
  return { guard, port };
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
