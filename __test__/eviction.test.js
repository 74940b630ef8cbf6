'use strict';

// The warning about a server that may evict sessions: when it comes, that it comes once, and how to
// silence it. Each test has a process of its own, because a process is warned of a server only once.

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { test } = require('node:test');
const { faultyServer } = require('./support/faults.js');
const { runScript } = require('./support/scripts.js');
const { waitUntil } = require('./support/wait-until.js');

/** Uses an instance until a warning comes, or for a while, and prints the warnings. */
const USE = `
  const warnings = [];
  process.on('warning', ({ name, code, message }) => warnings.push({ name, code, message }));
  const sessions = new SpotsSessions(given.url);
  (async () => {
    const until = Date.now() + given.patience;
    for (let n = 0; (n < 100 || Date.now() < until) && warnings.length === 0; n++) {
      await sessions.create({ app: 'app', ownerId: 'ann', duration: 60 });
    }
    console.log(JSON.stringify(warnings));
  })();`;

/**
 * @param {string} url
 * @param {{ warns?: boolean, flags?: string[] }} [options] whether a warning is waited for
 * @returns {Promise<{ warnings: any[], stderr: string }>}
 */
async function use(url, { warns = false, flags } = {}) {
  const given = { url, patience: warns ? 30_000 : 0 };
  const { code, stdout, stderr } = await runScript(USE, { given, flags });
  assert.equal(code, 0, stderr);
  return { warnings: JSON.parse(stdout), stderr };
}

const ROWS = [
  ['allkeys-lru', '100mb', true],
  ['volatile-lru', '100mb', true],
  ['volatile-ttl', '100mb', true],
  ['noeviction', '100mb', false],
  ['allkeys-lru', '0', false],
];
for (const [policy, maxmemory, warns] of ROWS) {
  test(`${policy} with maxmemory ${maxmemory}: ${warns ? 'one warning' : 'no warning'}`, async (t) => {
    const { server } = await faultyServer(t, { config: { maxmemory, 'maxmemory-policy': policy } });
    const { warnings, stderr } = await use(server.url, { warns });
    if (!warns) {
      assert.deepEqual({ warnings, stderr }, { warnings: [], stderr: '' });
      return;
    }
    assert.deepEqual(
      warnings.map(({ name, code }) => [name, code]),
      [['SpotsSessionsWarning', 'SPOTS_SESSIONS_EVICTION']],
    );
    const where = `redis at 127.0.0.1:${server.port} may evict sessions`;
    assert.ok(warnings[0].message.startsWith(where), warnings[0].message);
    assert.match(
      warnings[0].message,
      new RegExp(`maxmemory-policy ${policy}.*killAll.*noeviction`),
    );
    assert.ok(stderr.includes(warnings[0].message));
  });
}

const evicting = { config: { maxmemory: '100mb', 'maxmemory-policy': 'allkeys-lru' } };

test('Node’s flags for warnings silence the warning', async (t) => {
  const { server } = await faultyServer(t, evicting);
  for (const flag of ['--disable-warning=SPOTS_SESSIONS_EVICTION', '--no-warnings']) {
    assert.equal((await use(server.url, { flags: [flag] })).stderr, '', flag);
  }
});

test('a user without the right to ask is not warned, and its calls work', async (t) => {
  const { server, redis } = await faultyServer(t, evicting);
  const page = readFileSync(join(__dirname, '..', 'docs', 'access-rights.md'), 'utf8');
  const [, rule] = /^ {4}ACL (SETUSER spots .*)$/m.exec(page);
  await redis.call('ACL', ...rule.split(' '));
  const url = server.url.replace('//', '//spots:password@');
  assert.deepEqual(await use(url), { warnings: [], stderr: '' });

  await redis.call('ACL', 'SETUSER', 'spots', '+info');
  assert.equal((await use(url, { warns: true })).warnings.length, 1);
});

test('a server is asked once for its policy, however many instances and connections there are', async (t) => {
  const { server, open, app, redis } = await faultyServer(t, evicting);
  const warnings = [];
  const onWarning = (warning) => warnings.push(warning.code);
  process.on('warning', onWarning);
  t.after(() => process.off('warning', onWarning));
  const monitor = await server.monitor();
  const call = (sessions) => sessions.killAll({ app, ownerId: 'nobody' });

  const first = open();
  await call(first);
  await waitUntil(() => warnings.length > 0, 'the warning');
  const lines = (await redis.client('LIST')).split('\n');
  const [, id] = /id=(\d+) .*cmd=evalsha/.exec(lines.find((line) => line.includes('evalsha')));
  await redis.client('KILL', 'ID', id);
  await call(first);
  for (let n = 0; n < 10; n++) {
    const another = open();
    for (let m = 0; m < 10; m++) await call(another);
  }
  assert.deepEqual(warnings, ['SPOTS_SESSIONS_EVICTION']);
  const shown = await monitor.stop();
  assert.deepEqual(shown.match(/"INFO" "memory"/g), ['"INFO" "memory"']);
});
