'use strict';

// A test whose process or runner is killed leaves nothing behind. The tests run this file once more,
// in a process with servers and children that never end by themselves, and kill it.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { join, sep } = require('node:path');
const { describe, test } = require('node:test');
const { fork, spawn, temporaryFolder } = require('../scripts/children.js');
const { startRedis, waitUntil } = require('./support/redis-server.js');
const { runScript } = require('./support/scripts.js');

const root = join(__dirname, '..');

/** The file to which the process that is killed writes its ids. Undefined in the process that kills. */
const report = process.env.LEFT_BEHIND_REPORT;

if (report) test('never ends', () => neverEnd(report));
else {
  describe('SIGKILL leaves no process and no temporary folder behind', theTests);

  test('tests and their helpers start programs and make temporary folders only with scripts/children.js', () => {
    const files = fs
      .readdirSync(__dirname, { recursive: true })
      .filter((name) => /\.js$/.test(name));
    assert.ok(files.length > 50);
    const others = files.flatMap((name) => {
      const text = fs.readFileSync(join(__dirname, name), 'utf8');
      // Indented lines are code of a child, and so run in its process group.
      const uses = text.match(/^const .*(child_process|\btmpdir\b).*/gm) ?? [];
      return uses.map((line) => `${name}: ${line}`);
    });
    assert.deepEqual(others, []);
  });
}

/** Starts servers, and children that spin and have children, and spins itself. */
async function neverEnd(file) {
  await startRedis({ unixSocket: true });
  await startRedis({ config: { appendonly: 'yes' } });
  temporaryFolder('kept-');
  const spinning = join(temporaryFolder(), 'spinning.js');
  const code = `
    require('node:child_process').spawn('sleep', ['1000']);
    process.send('spins');
    for (;;);`;
  fs.writeFileSync(spinning, code);
  const forked = fork(spinning);
  await new Promise((resolve) => forked.once('message', resolve));
  // A script with its own server, and so with its own guard.
  const told = join(temporaryFolder(), 'told');
  runScript(
    `require(root + '/__test__/support/redis-server.js').startRedis().then(() => {
      require('node:fs').writeFileSync(given.told, '');
      for (;;);
    });`,
    { given: { told } },
  );
  await waitUntil(() => fs.existsSync(told), 'the other server');
  fs.writeFileSync(`${file}.new`, JSON.stringify({ file: process.pid, runner: process.ppid }));
  fs.renameSync(`${file}.new`, file);
  for (;;);
}

function theTests() {
  const skip = fs.existsSync('/proc/self/environ') ? false : 'only Linux shows it';
  const own = ['--test', __filename];
  const npmTest = [join(root, 'scripts', 'test.js'), '--prebuilt', 'left-behind'];
  for (const { victim, name, args, hangs } of [
    { victim: 'file', name: 'when it hits a test file', args: npmTest },
    { victim: 'runner', name: 'when it hits the runner under npm test', args: npmTest },
    { victim: 'script', name: 'when it hits the script of npm test', args: npmTest },
    { victim: 'file', name: 'when it hits a test file whose runner hangs', args: own, hangs: true },
    { victim: 'runner', name: 'when it hits `node --test`', args: own },
  ]) {
    test(name, { skip }, async () => {
      const folder = temporaryFolder('left-behind-');
      const told = join(temporaryFolder(), 'report');
      const shell = startShell(folder, told, [process.execPath, ...args]);
      try {
        await waitUntil(() => fs.existsSync(told), 'the servers and children', 120_000);
        const pids = JSON.parse(fs.readFileSync(told, 'utf8'));
        const before = living(folder, shell.pid);
        const servers = before.filter(({ program }) => /redis|valkey/.test(program));
        assert.equal(servers.length, 3);
        for (const pid of Object.values(pids)) assert.ok(before.some((each) => each.pid === pid));
        const script = before.find(({ parent }) => parent === shell.pid);
        if (hangs) process.kill(pids.runner, 'SIGSTOP');
        process.kill({ ...pids, script: script.pid }[victim], 'SIGKILL');
        const left = () =>
          living(folder, shell.pid).filter(({ pid }) => !hangs || pid !== pids.runner);
        await waitUntil(() => left().length === 0, 'all to end').catch(() =>
          assert.deepEqual(left(), []),
        );
        assert.deepEqual(fs.readdirSync(folder), []);
      } finally {
        shell.kill('SIGKILL');
        for (const { pid } of living(folder, shell.pid)) end(pid);
      }
    });
  }
}

/**
 * Starts a shell that runs a program, with `folder` for temporary files, and outlives it. If the shell
 * ended first, the rest of its process group would end, too, and the test would see nothing.
 */
function startShell(folder, told, command) {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const apart = ['env', '-u', 'SESSIONS_HOMES', `TMPDIR=${folder}`, `LEFT_BEHIND_REPORT=${told}`];
  return spawn('sh', ['-c', '"$@"; read -r _', 'sh', ...apart, ...command], {
    cwd: root,
    env,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
}

/** All processes except one with this folder in their environment, arguments or working directory. */
function living(folder, except) {
  const ofProcess = (pid) => {
    try {
      const read = (name) => fs.readFileSync(join('/proc', pid, name), 'utf8');
      // A name may hold a blank, but no other closing bracket follows it.
      const [state, parent] = read('stat')
        .replace(/^.*\) /s, '')
        .split(' ');
      const place = fs.readlinkSync(join('/proc', pid, 'cwd')) + sep;
      const is = [read('environ'), read('cmdline'), place].some((text) => text.includes(folder));
      const program = read('comm').trim();
      return is && state !== 'Z' ? [{ pid: Number(pid), parent: Number(parent), program }] : [];
    } catch {
      return []; // The process has ended, or is another user's.
    }
  };
  const pids = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.flatMap(ofProcess).filter(({ pid }) => pid !== except);
}

function end(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
