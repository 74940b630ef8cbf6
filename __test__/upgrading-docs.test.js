'use strict';

// The options and commands that stand inside the sentences of docs/upgrading-from-1.x.md, run by a shell.
// migrate-docs.test.js runs those that have lines of their own.

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const path = require('node:path');
const { after, before, beforeEach, test } = require('node:test');
const { SpotsSessions } = require('../index.js');
const { execFile } = require('../scripts/children.js');
const { startCluster } = require('./support/cluster.js');
const { createIn1x } = require('./support/old-sessions.js');
const { startRedis } = require('./support/redis-server.js');

const root = path.join(__dirname, '..');
const program = `'${process.execPath}' '${path.join(root, 'lib', 'cli', 'index.js')}'`;
const page = readFileSync(path.join(root, 'docs', 'upgrading-from-1.x.md'), 'utf8');
const [, dryRun, rehearse, removeCopies, move, removeOld] = [
  ...page.matchAll(/^ {4}(\S.*)$/gm),
].map(([, command]) => command);
const [oneByOne, endless, copy, help, largerData, withoutUser, ...more] = [
  ...page.matchAll(/`((?:npx |--?\w|\?\w)[^`]*)`/g),
].map(([, command]) => command);

let server;
let redis;
before(async () => {
  server = await startRedis();
  redis = server.client();
});
after(() => server?.stop());
beforeEach(() => redis.flushall());

/** Runs a command as a shell does. @param {string} command @param {string} [url] of the server */
async function run(command, url = server.url) {
  const local = command.replace('npx @spots-tech/sessions', program);
  const env = { ...process.env, REDIS_URL: url };
  const { stdout } = await execFile('sh', ['-c', local], { env });
  return stdout;
}

/** An instance that ends with the test. */
function open(t, options) {
  const sessions = new SpotsSessions(options);
  t.after(() => sessions.close());
  return sessions;
}

/** A session of 1.x. */
async function write(client, session) {
  const { token, written } = createIn1x(client, { app: 'shop', ownerId: '42', ...session });
  await written;
  return { app: 'shop', token };
}

test('docs/upgrading-from-1.x.md names no options and commands but those below', () => {
  assert.deepEqual(more, []);
});

test(`${endless} moves keys without an expiry, and lets them live for an hour`, async (t) => {
  const request = await write(redis, { data: { n: 1 } });
  assert.match(await run(`${move} ${endless}`), /^moved\t1\n/);
  const { createdAt, expiresAt } = await open(t, server.url).info(request);
  const minutes = (expiresAt.getTime() - createdAt.getTime()) / 60_000;
  assert.equal(Math.round(minutes), 60);
});

test(`${copy} leaves a way back`, async (t) => {
  const request = await write(redis, { data: { n: 1 }, duration: 600 });
  assert.match(await run(`${move} ${copy}`), /^copied\t1\n/);
  assert.equal((await redis.keys('app:*')).length, 1, 'the key of 1.x is there');
  const [, prefix] = /Deploy with the option `prefix: '(.*)'`/.exec(page);
  const sessions = open(t, { connectionString: server.url, prefix });
  assert.deepEqual(await sessions.get(request), { ownerId: '42', data: { n: 1 } });
  await run(removeOld);
  assert.deepEqual(await redis.keys('app:*'), []);
  assert.ok(await sessions.get(request));
});

test(`${help} shows the options that the page uses`, async () => {
  const text = await run(help);
  const used = [dryRun, rehearse, move, endless, copy].join(' ').match(/--[a-z-]+/g);
  for (const option of used) assert.ok(text.includes(`${option} `), option);
});

test(`${largerData} moves a session that is larger than maxDataSize`, async (t) => {
  const data = { text: 'x'.repeat(Number(largerData.split('=')[1]) - 100) };
  const request = await write(redis, { data, duration: 600 });
  await assert.rejects(run(move), { code: 1 });
  assert.equal((await redis.keys('app:*')).length, 1, 'it was left');
  const url = `${server.url}${largerData}`;
  assert.match(await run(move, url), /^moved\t1\n/);
  assert.deepEqual((await open(t, url).get(request)).data, data);
});

test(`${withoutUser} ignores a user name in the URL, as 1.x does`, async (t) => {
  const locked = await startRedis({ config: { requirepass: 'password' } });
  t.after(() => locked.stop());
  const url = locked.url.replace('redis://', 'redis://anybody');
  await assert.rejects(open(t, url).ping(), /WRONGPASS/);
  await open(t, `${url}${withoutUser}`).ping();
});

test(`${oneByOne} removes keys of a Cluster, on each of its primaries`, async (t) => {
  const cluster = await startCluster({ primaries: 3, replicas: 0, downAfter: 60_000 });
  t.after(() => cluster.stop());
  const client = cluster.client();
  const requests = await Promise.all(
    Array.from({ length: 30 }, (_, n) => write(client, { data: { n }, duration: 600 })),
  );
  await write(client, { data: {} });
  const assertOpens = async (prefix) => {
    const sessions = open(t, { connectionString: cluster.url, prefix });
    for (const [n, request] of requests.entries()) {
      assert.deepEqual(await sessions.get(request), { ownerId: '42', data: { n } });
    }
  };
  const onEachPrimary = async (command) => {
    const adapted = command.replace('-n 100', oneByOne);
    assert.notEqual(adapted, command);
    for (const { host, port } of await cluster.primaries()) {
      await run(adapted, `redis://${host}:${port}`);
    }
  };

  assert.match(await run(rehearse, cluster.url), /^copied\t30\n/);
  await assertOpens('rehearsal:');
  await onEachPrimary(removeCopies);
  assert.equal((await client.keys('*')).length, 31, 'only the old keys are there');
  assert.match(await run(move, cluster.url), /^moved\t30\n/);
  assert.equal((await client.keys('app:*')).length, 1, 'the one without an expiry');
  await onEachPrimary(removeOld);
  assert.deepEqual(await client.keys('app:*'), []);
  await assertOpens('spots:');
});
