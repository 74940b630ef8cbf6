'use strict';

// Commands of `client` that are not answered. ioredis waits for a silent server without end; what we send through it ends in
// time.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { SpotsSessions } = require('../index.js');
const { SessionStore } = require('../lib/session-store.js');
const { runCli } = require('./support/command-line.js');
const { createIn1x } = require('./support/old-sessions.js');
const { startRedis } = require('./support/redis-server.js');

test('migrate fails with 3 if the server answers no script, and can be run again', async (t) => {
  const server = await startRedis();
  t.after(() => server.stop());
  const redis = server.client();
  const session = { app: 'shop', ownerId: 'ann', data: {}, expiresAt: Date.now() + 3_600_000 };
  await createIn1x(redis, session).written;
  const args = ['migrate', '--from', '1.x', '--app', 'shop', '--json'];
  await redis.client('PAUSE', 600_000, 'WRITE');
  const { code, stdout, stderr } = await runCli([...args, `${server.url}?commandTimeout=300`]);
  assert.deepEqual([code, stdout], [3, '']);
  assert.match(stderr, /; then it failed\. Run it again\n.* did not answer .* within 300 ms\n$/);
  await redis.client('UNPAUSE');
  const again = await runCli([...args, server.url]);
  assert.equal(JSON.parse(again.stdout).moved, 1);
});

test('the administration of a store is an outage if the server is silent', async (t) => {
  const server = await startRedis();
  const sessions = new SpotsSessions({ connectionString: server.url, commandTimeout: 300 });
  t.after(async () => {
    server.kill('SIGCONT');
    await sessions.close();
    await server.stop();
  });
  sessions.client.on('error', () => {});
  const store = new SessionStore({ sessions, app: 'shop' });
  await store.set('s', { cookie: {} });
  assert.equal(await store.length(), 1);
  server.kill('SIGSTOP');
  const outage = { code: 'ERR_SESSIONS_TIMEOUT', status: 503 };
  for (const method of ['all', 'ids', 'length', 'clear'])
    await assert.rejects(store[method](), outage, method);
  server.kill('SIGCONT');
  assert.equal(await store.length(), 1);
});
