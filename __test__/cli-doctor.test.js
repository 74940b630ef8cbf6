'use strict';

// `doctor` of the command line on one server: what it finds, and that what it says to do helps.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { describe, test } = require('node:test');
const { SpotsSessions } = require('../index.js');
const { ok } = require('../lib/cli/doctor/finding.js');
const { Report } = require('../lib/cli/doctor/report.js');
const { checkVersion } = require('../lib/cli/doctor/server-checks.js');
const { trySession } = require('../lib/cli/doctor/trial.js');
const { runCli } = require('./support/command-line.js');
const { diagnose, diagnoseInEachForm } = require('./support/doctor.js');
const { hello, startFakeServer } = require('./support/fake-server.js');
const { freePort, startRedis, waitUntil } = require('./support/redis-server.js');

/** Starts a server that ends with the test. @param {import('node:test').TestContext} t @param {Record<string, any>} [config] */
async function startFor(t, config) {
  const server = await startRedis({ config });
  t.after(() => server.stop());
  return server;
}

/** What Redis 5.0.6 says of itself. */
const INFO_OF_REDIS_5 = {
  server: 'redis_version:5.0.6\r\nredis_mode:standalone\r\n',
  replication: 'role:master\r\nconnected_slaves:0\r\n',
  memory: 'maxmemory:0\r\nmaxmemory_policy:noeviction\r\n',
  persistence: 'aof_enabled:1\r\naof_last_write_status:ok\r\n',
};

/** Answers as Redis 5.0.6 does, which has no session. @param {string[]} command */
function answerAsRedis5([name, first]) {
  const bulk = (text) => `$${text.length}\r\n${text}\r\n`;
  if (name === 'HELLO') return '-ERR unknown command `HELLO`, with args beginning with: \r\n';
  if (name === 'INFO') return bulk(INFO_OF_REDIS_5[first]);
  if (name === 'TIME') return `*2\r\n${bulk(String(Math.floor(Date.now() / 1000)))}${bulk('0')}`;
  if (name === 'SCAN') return `*2\r\n${bulk('0')}*0\r\n`;
  return null;
}

/** Runs the command that mends a finding, as redis-cli would. */
const obey = (server, { command }) => server.client().call(...command.split(' '));

describe('doctor', () => {
  test('finds nothing wrong with a healthy server, and leaves nothing there', async (t) => {
    const server = await startFor(t, { appendonly: 'yes' });
    const replica = await startFor(t, { replicaof: [server.host, String(server.port)] });
    const redis = server.client();
    await waitUntil(
      async () => /connected_slaves:1/.test(await redis.info('replication')),
      'the replica to be connected',
    );
    const { code, ok, checks } = await diagnoseInEachForm(server.url);
    const names = ['connection', 'version', 'encryption', 'rights', 'eviction', 'persistence'];
    names.push('replicas', 'clock', 'round trip', 'sessions', 'trial');
    assert.deepEqual(
      checks.map(({ check, status }) => [check, status]),
      names.map((name) => [name, 'ok']),
    );
    assert.deepEqual([code, ok], [0, true]);
    assert.equal(await redis.dbsize(), 0);

    const { stdout, stderr } = await runCli(['doctor', server.url]);
    const lines = stdout.trimEnd().split('\n');
    assert.deepEqual(
      lines.map((line) => line.split('\t').slice(0, 2)),
      names.map((name) => ['ok', name]),
    );
    assert.equal(stderr, '');
    await replica.stop();
  });

  test('ends with 3 if there is no server', async () => {
    const { code, checks } = await diagnoseInEachForm(
      `redis://127.0.0.1:${await freePort()}?commandTimeout=500`,
    );
    assert.equal(code, 3);
    assert.deepEqual(
      checks.map(({ check, status }) => [check, status]),
      [['connection', 'problem']],
    );
    assert.match(checks[0].message, /connection refused \(is it running\?\)/);
  });

  test('ends with 3 if the password is wrong or missing, and does not show it', async (t) => {
    const { host, port } = await startFor(t, { requirepass: 'right' });
    for (const [login, message, remedy] of [
      [':hunter2@', /WRONGPASS/, /check the user and the password/],
      ['ann:hunter2@', /WRONGPASS/, /check the user and the password/],
      ['', /NOAUTH/, /set REDIS_URL to one with a password/],
    ]) {
      // Without a password, a terminal asks for one: cli-terminal.test.js.
      const run = login ? diagnoseInEachForm : diagnose;
      const { code, checks, stdout } = await run(`redis://${login}${host}:${port}`);
      assert.equal(code, 3);
      assert.match(checks[0].message, message);
      assert.match(checks[0].remedy, remedy);
      assert.ok(!stdout.includes('hunter2'));
    }
  });

  test('shows no control characters that a server says', () => {
    const lines = [];
    const terminal = { isTerminal: false, print: (line) => lines.push(line) };
    new Report(terminal, false).add('version', [ok('Redis 7\x1b[2J\tx\u202ey')]);
    assert.deepEqual(lines, ['ok\tversion\tRedis 7 [2J x y']);
  });

  test('ends with 1 if the server is too old', async (t) => {
    const server = await startFakeServer(t, ([name]) =>
      name === 'HELLO' ? hello({ version: '6.0.16' }) : null,
    );
    const { code, of } = await diagnoseInEachForm(server.url);
    assert.equal(code, 1);
    assert.match(
      of('connection').message,
      /needs Redis 6\.2 or Valkey 7\.2, this is Redis 6\.0\.16/,
    );
    assert.equal(of('connection').remedy, 'upgrade the server');
  });

  test('finds a server too old that does not know HELLO, as Redis 5', async (t) => {
    const server = await startFakeServer(t, answerAsRedis5);
    const { code, checks, of } = await diagnoseInEachForm(server.url);
    assert.equal(code, 1);
    assert.deepEqual(
      checks.filter(({ status }) => status !== 'ok').map(({ check, status }) => [check, status]),
      [
        ['version', 'problem'],
        ['replicas', 'warning'],
      ],
    );
    assert.equal(of('version').message, 'Redis 5.0.6 is too old');
    assert.match(of('version').remedy, /^upgrade it to Redis 6\.2 or later$/);
    assert.match(of('replicas').message, /^none: /);
  });

  for (const [login, words, remedy] of [
    [':hunter2@', 'ERR invalid password', /^check the user and the password/],
    [
      'ann:hunter2@',
      "ERR wrong number of arguments for 'auth' command",
      /^upgrade the server: it has no users/,
    ],
  ]) {
    test(`ends with 3 if Redis 5 refuses the login: ${words}`, async (t) => {
      const server = await startFakeServer(t, ([name, ...args]) =>
        name === 'AUTH' ? `-${words}\r\n` : answerAsRedis5([name, ...args]),
      );
      const { code, checks, stdout } = await diagnose(server.url.replace('//', `//${login}`));
      assert.equal(code, 3);
      assert.deepEqual(
        checks.map(({ check, message }) => [check, message]),
        [['connection', `redis refused: ${words}`]],
      );
      assert.match(checks[0].remedy, remedy);
      assert.ok(!stdout.includes('hunter2'));
    });
  }

  test('knows the version of a server that is configured without HELLO', async (t) => {
    const [usual, without] = await Promise.all([
      startFor(t),
      startFor(t, { 'rename-command': ['HELLO', ''] }),
    ]);
    const [expected, found] = [await diagnose(usual.url), await diagnose(without.url)];
    assert.deepEqual(found.of('version'), expected.of('version'));
    assert.deepEqual(found.of('replicas'), expected.of('replicas'));
    assert.equal(found.code, 0);

    const redis = without.client();
    await redis.call('ACL', 'SETUSER', 'ann', 'on', '>pw', '~*', '+@all', '-info');
    const { of } = await diagnose(without.url.replace('//', '//ann:pw@'));
    assert.equal(of('version').status, 'unknown');
    assert.equal(of('version').command, 'ACL SETUSER ann +info');
  });

  test('prints nothing else about a password that the server does not need', async (t) => {
    const { host, port } = await startFor(t);
    const { code, stdout } = await diagnoseInEachForm(`redis://:hunter2@${host}:${port}`);
    assert.equal(code, 0);
    assert.ok(!stdout.includes('hunter2'));
  });

  test('says how to stop a server from evicting, and that helps', async (t) => {
    const server = await startFor(t, { maxmemory: '100mb', 'maxmemory-policy': 'volatile-lru' });
    const { code, of } = await diagnoseInEachForm(server.url);
    assert.equal(code, 1);
    assert.equal(of('eviction').status, 'problem');
    assert.match(of('eviction').message, /^volatile-lru: .* killAll may miss/);
    assert.equal(of('trial'), undefined);

    await obey(server, of('eviction'));
    const after = await diagnose(server.url);
    assert.deepEqual([after.code, after.of('eviction').status], [0, 'ok']);
  });

  test('warns of a policy that does nothing yet', async (t) => {
    const server = await startFor(t, { 'maxmemory-policy': 'allkeys-lru' });
    const { code, of } = await diagnose(server.url);
    assert.deepEqual([code, of('eviction').status], [0, 'warning']);
  });

  test('warns of no persistence and of snapshots, and what it says helps', async (t) => {
    const server = await startFor(t);
    const none = await diagnoseInEachForm(server.url);
    assert.equal(none.code, 0);
    assert.equal(none.of('persistence').status, 'warning');
    assert.match(
      none.of('persistence').message,
      /^none: a restart of the server ends all sessions/,
    );

    await server.client().config('SET', 'save', '3600 1');
    const snapshots = await diagnose(server.url);
    assert.match(snapshots.of('persistence').message, /^snapshots: /);

    await obey(server, snapshots.of('persistence'));
    assert.equal((await diagnose(server.url)).of('persistence').status, 'ok');
  });

  test('says so if the last attempt to save failed', async (t) => {
    const server = await startFor(t, { appendonly: 'yes' });
    const redis = server.client();
    fs.rmSync(server.dir, { recursive: true });
    await redis.bgsave();
    const hasFailed = async () =>
      /rdb_last_bgsave_status:err/.test(await redis.info('persistence'));
    await waitUntil(hasFailed, 'the attempt to fail');
    const { code, of } = await diagnose(server.url);
    assert.equal(code, 1);
    assert.equal(of('persistence').status, 'problem');
    assert.match(of('persistence').message, /^the last attempt to save failed/);
    assert.match(of('persistence').remedy, /the server's log/);
  });

  test('says so if the server refuses a new session', async (t) => {
    const server = await startFor(t, { 'min-replicas-to-write': 1 });
    const { code, checks, of } = await diagnose(server.url);
    assert.equal(code, 1);
    assert.deepEqual(
      checks.filter(({ status }) => status === 'problem').map(({ check }) => check),
      ['trial'],
    );
    assert.match(of('trial').message, /^a session cannot be created: .*NOREPLICAS/);
  });

  for (const [name, says, methods] of [
    ['is not found', /a new session was not found/, { get: async () => undefined }],
    ['is that of another', /a new session was not found/, { get: async () => ({ ownerId: '1' }) }],
    ['cannot be read', /^a session cannot be read: no$/, { get: () => Promise.reject('no') }],
    ['cannot be ended', /^a session cannot be ended: no$/, { kill: () => Promise.reject('no') }],
    ['was not there to be ended', /a new session was not found/, { kill: async () => false }],
  ]) {
    test(`says so if its session ${name}`, async (t) => {
      const sessions = new SpotsSessions('memory:');
      t.after(() => sessions.close());
      assert.equal((await trySession(sessions))[0].status, 'ok');
      const [{ status, says: message }] = await trySession(Object.assign(sessions, methods));
      assert.equal(status, 'problem');
      assert.match(message, says);
    });
  }

  for (const [server, version, status] of [
    ['redis', '6.0.16', 'problem'],
    ['redis', '5.9.9', 'problem'],
    ['redis', '6.2.0', 'ok'],
    ['redis', '7.0.15', 'ok'],
    ['valkey', '7.1.9', 'problem'],
    ['valkey', '7.2.0', 'ok'],
    ['another', '0.1.0', 'ok'],
  ]) {
    test(`${status === 'ok' ? 'takes' : 'finds too old'} ${server} ${version} of several servers`, async () => {
      const node = (version) => ({ address: version, hello: async () => ({ server, version }) });
      const [finding, other] = await checkVersion([node(version), node('8.0.0')]);
      assert.equal(finding.status, status);
      assert.equal(other.status, 'ok');
      const words = status === 'ok' ? ` (at ${version})` : ` is too old (at ${version})`;
      assert.ok(finding.says.endsWith(`${version}${words}`), finding.says);
      const oldest = { redis: 'Redis 6.2', valkey: 'Valkey 7.2' }[server];
      assert.equal(
        finding.remedy,
        status === 'ok' ? undefined : `upgrade it to ${oldest} or later`,
      );
    });
  }

  test('says so if CONFIG or INFO is refused, as by a managed service', async (t) => {
    const server = await startFor(t);
    const redis = server.client();
    await redis.call('ACL', 'SETUSER', 'ann', 'on', '>pw', '~*', '+@all', '-config');
    const url = server.url.replace('//', '//ann:pw@');
    const noConfig = await diagnose(url);
    assert.equal(noConfig.code, 0);
    assert.equal(noConfig.of('persistence').status, 'unknown');
    assert.match(noConfig.of('persistence').message, /only CONFIG tells, which is refused/);

    await redis.call('ACL', 'SETUSER', 'ann', '-info', '-scan');
    const { code, of } = await diagnose(url);
    assert.equal(code, 0);
    for (const [check, right] of [
      ['eviction', 'info'],
      ['persistence', 'info'],
      ['replicas', 'info'],
      ['sessions', 'scan'],
    ]) {
      assert.equal(of(check).status, 'unknown', check);
      assert.match(of(check).message, /cannot be checked: this user may not call (INFO|SCAN)/);
      assert.equal(of(check).command, `ACL SETUSER ann +${right}`);
      await obey(server, of(check));
    }
    assert.notEqual((await diagnose(url)).of('eviction').status, 'unknown');
  });

  test('knows a replica, and names its primary', async (t) => {
    const primary = await startFor(t);
    const replica = await startFor(t, { replicaof: [primary.host, String(primary.port)] });
    await waitUntil(
      async () => /master_link_status:up/.test(await replica.client().info('replication')),
      'the replica to be connected',
    );
    const { code, of } = await diagnoseInEachForm(replica.url);
    assert.equal(code, 1);
    assert.equal(of('replicas').status, 'problem');
    assert.equal(of('replicas').remedy, `use its primary, 127.0.0.1:${primary.port}, or Sentinel`);
  });

  test('counts sessions, and not other keys', async (t) => {
    const server = await startFor(t);
    const sessions = new SpotsSessions(server.url);
    t.after(() => sessions.close());
    const create = (_, n) => sessions.create({ app: 'shop', ownerId: `${n}` });
    await Promise.all(Array.from({ length: 1200 }, create));
    await server.client().mset({ 'spots:{x}': '1', other: '2' });
    assert.equal((await diagnose(server.url)).of('sessions').message, '1,200 under spots:*');

    const pipeline = server.client().pipeline();
    for (let n = 0; n < 20_000; n++) pipeline.set(`other-${n}`, '');
    await pipeline.exec();
    const { message } = (await diagnose(server.url)).of('sessions');
    const [, count] = /^about ([\d,]+) \(a sample\) under spots:\*$/.exec(message);
    const number = Number(count.replace(',', ''));
    assert.ok(number > 600 && number < 2400, message);
  });

  test('shows nothing of a session', async (t) => {
    const server = await startFor(t);
    const sessions = new SpotsSessions(server.url);
    t.after(() => sessions.close());
    const token = await sessions.create({ app: 'shop', ownerId: 'ann', data: { name: 'Ada' } });
    const { stdout } = await diagnose(server.url);
    for (const secret of ['ann', 'Ada', token]) assert.ok(!stdout.includes(secret));
  });
});
