'use strict';

// Very long data in a process that has little memory: `ulimit -v` limits its address space.

const assert = require('node:assert/strict');
const { before, after, describe, test } = require('node:test');
const path = require('node:path');
const { spawnSync } = require('../scripts/children.js');
const { startRedis } = require('./support/redis-server.js');
const { SpotsSessions } = require('../index.js');

const MIB = 2 ** 20;
const root = path.join(__dirname, '..');

const report = /** @type {any} */ (process.report?.getReport());
const skip =
  (process.platform !== 'linux' || !report.header.glibcVersionRuntime) &&
  'needs ulimit -v, and the allocator of glibc';

/** The program of a child. It prints its peak memory before the calls, and then how each of them ended. */
const CHILD = `
  const { readFileSync } = require('node:fs');
  const { SpotsSessions } = require(process.argv[1]);
  const given = JSON.parse(process.argv[2]);
  const sessions = new SpotsSessions(given.options);
  const peak = () => Number(/VmPeak:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
  const print = (text) => new Promise((resolve) => process.stdout.write(text + '\\n', resolve));
  async function main() {
    const data = given.data && { text: 'x'.repeat(given.data) };
    JSON.stringify(data ?? {});
    await sessions.get({ app: given.app, token: 'a token of nobody' });
    await print('peak ' + peak());
    const ends = await Promise.allSettled(given.calls.map(([method, request]) =>
      sessions[method]({ ...request, ...(method !== 'get' && { data }) })));
    for (const { reason, value } of ends) {
      await print(reason ? 'rejected ' + reason.code + ' ' + reason.message
        : 'resolved ' + (value?.data?.text?.length ?? typeof value));
    }
    const small = await sessions.get({ app: given.app, token: given.small });
    await print('others ' + JSON.stringify(small));
    await sessions.close();
  }
  main();`;

/** Runs a child in an address space of at most `limit` KiB. */
function run(given, limit = 'unlimited') {
  const command = `ulimit -v ${limit} && exec "$@"`;
  const args = [process.execPath, '-e', CHILD, root, JSON.stringify(given)];
  const { stdout, stderr } = spawnSync('/bin/sh', ['-c', command, 'sh', ...args], {
    encoding: 'utf8',
    cwd: root,
    // Otherwise each thread that allocates would reserve 64 MiB.
    env: { ...process.env, MALLOC_ARENA_MAX: '1' },
  });
  return { lines: stdout.trim().split('\n'), stderr: stderr.slice(0, 2000) };
}

/** The address space that a child uses before the calls, in KiB. */
function peakOf(given) {
  const { lines } = run({ ...given, calls: [] });
  return Number(/^peak (\d+)$/.exec(lines[0])[1]);
}

describe('a process whose memory is short', { skip }, () => {
  let server;
  let sessions;
  let given;
  before(async () => {
    server = await startRedis();
    const options = { connectionString: server.url, commandTimeout: 120_000, maxDataSize: 2 ** 28 };
    sessions = new SpotsSessions(options);
    const request = { app: 'app', ownerId: 'alice', data: { small: true }, duration: 600 };
    given = { options, app: 'app', small: await sessions.create(request) };
  });
  after(async () => {
    await sessions?.close();
    await server?.stop();
  });

  const SMALL = 'others {"ownerId":"alice","data":{"small":true}}';

  /** Writes a session of this length directly into Redis, because this package would refuse it. */
  async function createLong(length) {
    const redis = server.client();
    const request = { app: 'long', ownerId: 'alice', data: { text: 'MARK' }, duration: 600 };
    const token = await sessions.create(request);
    const [key] = await redis.keys('spots:{*:long}:s:*');
    const [head, tail] = (await redis.get(key)).split('MARK');
    await redis.set(key, head);
    const piece = 'x'.repeat(16 * MIB);
    for (let written = 0; written < length; written += piece.length) await redis.append(key, piece);
    await redis.append(key, tail);
    redis.disconnect();
    return { token, remove: () => sessions.killAll({ app: 'long', ownerId: 'alice' }) };
  }

  test('reads a long session with memory for its reply, its text and its string, and no more', async () => {
    const length = 192 * MIB;
    const { token, remove } = await createLong(length);
    const calls = [['get', { app: 'long', token }]];
    const base = peakOf(given);
    const { lines, stderr } = run({ ...given, calls }, base + Math.round((2.9 * length) / 1024));
    assert.deepEqual(lines.slice(1), [`resolved ${length}`, SMALL], stderr);
    await remove();
  });

  test('rejects only the call whose session is too long for the memory', async () => {
    const length = 192 * MIB;
    const { token, remove } = await createLong(length);
    const [long, small] = [
      ['get', { app: 'long', token }],
      ['get', { app: 'app', token: given.small }],
    ];
    const limit = peakOf(given) + Math.round((1.85 * length) / 1024);
    const { lines, stderr } = run({ ...given, calls: [small, long, small] }, limit);
    assert.deepEqual(
      [lines[1], lines[3], lines[4]],
      ['resolved object', 'resolved object', SMALL],
      stderr,
    );
    const message =
      /^rejected ERR_SESSIONS_OVERLOADED this process has not enough memory for a session of \d+ bytes$/;
    assert.match(lines[2], message);
    await remove();
  });

  test('writes long data with memory for at most 6.5 copies of it', async () => {
    const length = 128 * MIB;
    const written = { ...given, data: length };
    const calls = [['create', { app: 'long', ownerId: 'alice', duration: 600 }]];
    const limit = peakOf(written) + Math.round((6.5 * length) / 1024);
    const { lines, stderr } = run({ ...written, calls }, limit);
    assert.deepEqual(lines.slice(1), ['resolved string', SMALL], stderr);
    await sessions.killAll({ app: 'long', ownerId: 'alice' });
  });
});
