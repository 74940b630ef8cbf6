'use strict';

// The command line as a whole: help, mistakes, exit codes, signals. What each command does is in the other cli-*.test.js.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');
const { EXIT, describeError, exitCodeOf } = require('../lib/cli/errors.js');
const manifest = require('../package.json');
const { runCli, startCli } = require('./support/command-line.js');
const { startFakeServer } = require('./support/fake-server.js');
const { freePort, startRedis, waitUntil } = require('./support/redis-server.js');

const COMMANDS = ['doctor', 'list', 'kill', 'kill-all', 'migrate'];
const OWNER = ['--app', 'shop', '--owner', '42'];
const SECRET = 'hunter2';

/** Checks that it said one line on stderr, nothing on stdout, and how it ended. */
function assertFailed({ code, stdout, stderr }, exitCode, pattern) {
  assert.match(stderr, pattern);
  assert.match(stderr, /^sessions: [^\n]+\n$/);
  assert.equal(stdout, '');
  assert.equal(code, exitCode);
  assert.ok(!stderr.includes(SECRET), stderr);
}

describe('the help', () => {
  test('--help, -h and help name all commands, with an example and the exit codes', async () => {
    const texts = await Promise.all(['--help', '-h', 'help'].map((arg) => runCli([arg])));
    const [{ code, stdout, stderr }] = texts;
    assert.deepEqual([code, stderr], [0, '']);
    for (const name of COMMANDS) assert.match(stdout, new RegExp(`^  ${name} +\\w`, 'm'));
    assert.match(stdout, /^Exit codes: 0 .* 1 .* 2 .* 3 /m);
    assert.match(stdout, /^Example:\n {2}export/m);
    for (const other of texts) assert.equal(other.stdout, stdout);
  });

  for (const name of COMMANDS) {
    test(`of ${name} explains each option, shows an example and fits into 80 columns`, async () => {
      const { code, stdout } = await runCli([name, '--help']);
      assert.equal(code, 0);
      const { options } = require(`../lib/cli/${name}.js`);
      for (const option of [...Object.keys(options), 'prefix', 'ca', 'json', 'help']) {
        assert.match(stdout, new RegExp(`^  (-h, )?--${option} .*[a-z]{3}`, 'm'));
      }
      assert.match(stdout, new RegExp(`^Examples?:\\n  npx @spots-tech/sessions ${name} `, 'm'));
      const long = stdout.split('\n').filter((line) => line.length > 80);
      assert.deepEqual(long, []);
      assert.equal((await runCli(['help', name])).stdout, stdout);
    });
  }

  test('--version and -v print the version', async () => {
    for (const arg of ['--version', '-v']) {
      assert.equal((await runCli([arg])).stdout, `${manifest.version}\n`);
    }
  });
});

describe('wrong usage ends with 2 and one line', () => {
  const url = `redis://user:${SECRET}@127.0.0.1:1`;
  for (const [name, args, pattern] of [
    ['no command', [], /expected a command first: .*list, kill/],
    ['a URL before the command', [url, 'list'], /expected a command first/],
    ['an unknown command', ['lsit'], /unknown command lsit \(did you mean list\?\)/],
    [
      'a command that is like none',
      ['frobnicate'],
      /unknown command frobnicate \(expected .*list, /,
    ],
    [
      'an unknown option',
      ['list', '--onwer', SECRET],
      /unknown option --onwer \(did you mean --owner\?\)/,
    ],
    [
      'an option that is like none',
      ['list', `--secrets=${SECRET}`],
      /--secrets \(list --help lists them\)/,
    ],
    ['an option of another command', ['list', url, ...OWNER, '--yes'], /unknown option --yes/],
    ['a value where none belongs', ['list', `--json=${SECRET}`], /--json takes no value/],
    ['an option without its value', ['list', url, '--app'], /--app needs a value: --app <name>/],
    [
      'an option in place of a value',
      ['list', url, '--app', '--owner', '4'],
      /--app needs a value/,
    ],
    [
      'an option that is missing',
      ['list', url, '--app', 'shop'],
      /list needs --owner: list \[url\]/,
    ],
    ['an option that is empty', ['list', url, '--app', '', '--owner', '4'], /expected `app` to be/],
    [
      'no URL',
      ['list', ...OWNER],
      /which server\? set REDIS_URL, or give a URL: npx .* list redis:/,
    ],
    ['two URLs', ['list', url, url, ...OWNER], /at most one argument, the URL/],
    [
      'a URL of another kind',
      ['list', `http://u:${SECRET}@h`, ...OWNER],
      /a URL that begins with redis:/,
    ],
    ['memory:', ['list', 'memory:', ...OWNER], /expected the URL of a server: memory: has none/],
    [
      'a user without a password',
      ['list', 'redis://u@h', ...OWNER],
      /a user without a password: set REDIS_URL/,
    ],
    [
      'a limit that is no number',
      ['list', url, ...OWNER, '--limit', 'x'],
      /--limit needs an integer/,
    ],
    [
      'a limit out of range',
      ['list', url, ...OWNER, '--limit', '1001'],
      /`limit` to be an integer from 1 to 1000/,
    ],
    ['a prefix with braces', ['list', url, ...OWNER, '--prefix', '{x}'], /expected `prefix` to be/],
    [
      'a file that is not there',
      ['list', url, ...OWNER, '--ca', '/none'],
      /cannot read the file of --ca: ENOENT/,
    ],
    ['kill without --id', ['kill', url, ...OWNER], /kill needs --id/],
    ['kill-all that nobody confirms', ['kill-all', url, ...OWNER], /confirm with --yes/],
  ]) {
    test(name, async () => assertFailed(await runCli(args), 2, pattern));
  }

  test('an empty REDIS_URL is no localhost', async () => {
    const ended = await runCli(['list', ...OWNER], { env: { REDIS_URL: '' } });
    assertFailed(ended, 2, /expected `connectionString` to be a connection string/);
  });
});

describe('a server that cannot be used ends with 3 and one line', () => {
  test('no server: it says where, why and what to do', async () => {
    const port = await freePort();
    const url = `redis://user:${SECRET}@127.0.0.1:${port}?commandTimeout=500`;
    const ended = await runCli(['list', ...OWNER], { env: { REDIS_URL: url } });
    assertFailed(ended, 3, new RegExp(`127\\.0\\.0\\.1:${port}.*refused.*\\(is it running\\?\\)`));
  });

  test('a wrong password, and none where one is needed', async (t) => {
    const server = await startRedis({ config: { requirepass: 'right' } });
    t.after(() => server.stop());
    const at = `127.0.0.1:${server.port}`;
    assertFailed(await runCli(['list', `redis://:${SECRET}@${at}`, ...OWNER]), 3, /WRONGPASS/);
    assertFailed(await runCli(['list', `redis://${at}`, ...OWNER]), 3, /NOAUTH/);
  });
});

test('SIGINT ends it at once with 130, although a call is pending', async (t) => {
  const server = await startFakeServer(t, () => '');
  const { child, ended } = startCli(['kill-all', '--yes', server.url, ...OWNER]);
  await waitUntil(() => server.commands.length > 0, 'it to ask the server');
  child.kill('SIGINT');
  const { code, stdout, stderr } = await ended;
  assert.deepEqual({ code, stdout, stderr }, { code: 130, stdout: '', stderr: '' });
});

test('an error of a server does not show the keys of a command that it does not know', () => {
  const message = `ERR unknown command 'scan', with args beginning with: '0' 'sess:${SECRET}' `;
  assert.equal(describeError(new Error(message)), "ERR unknown command 'scan'");
});

test('a server that is lost while its keys are read cannot be reached', () => {
  const { MaxRetriesPerRequestError } = require('ioredis/built/errors');
  assert.equal(exitCodeOf(new MaxRetriesPerRequestError(3)), EXIT.unreachable);
});

test('a reader that closes stderr does not end it', async () => {
  const { child, ended } = startCli(['list', 'redis://127.0.0.1:1', ...OWNER]);
  child.stderr.destroy();
  assert.equal((await ended).code, EXIT.unreachable);
});

const noPs = process.platform !== 'linux' && 'only Linux lets a process change what ps shows';
test('ps does not show a password that stands in the URL', { skip: noPs }, async (t) => {
  const { execFile } = require('../scripts/children.js');
  const server = await startFakeServer(t, () => '');
  const url = `redis://user:${SECRET}@127.0.0.1:${server.port}`;
  const { child, ended } = startCli(['kill-all', '--yes', url, ...OWNER]);
  await waitUntil(() => server.commands.length > 0, 'it to ask the server');
  const { stdout } = await execFile('ps', ['-o', 'args=', '-p', String(child.pid)]);
  assert.match(stdout, /^sessions kill-all/);
  assert.ok(!stdout.includes(SECRET), stdout);
  child.kill('SIGINT');
  await ended;
});

test('a reader that closes the pipe ends it quietly', async () => {
  const { child, ended } = startCli(['--help']);
  child.stdout.destroy();
  const { code, stderr } = await ended;
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
});
