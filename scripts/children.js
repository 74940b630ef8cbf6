'use strict';

// Programs that end when this process does, however it ends (SIGKILL included), with all that they
// started themselves; and temporary folders that go with it, too. Tests, benchmarks and scripts start
// nothing in another way. On Windows, which has no process groups, programs are merely started.
//
// Each program is the leader of a process group. A shell (children.sh) is the guard of this process: it
// notices its end, kills the groups and removes the folders.

const childProcess = require('node:child_process');
const { randomBytes } = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const script = path.join(__dirname, 'children.sh');
const isWindows = process.platform === 'win32';

/** The folder of this process: everything temporary, and the names of its children's groups. */
let home = '';

/** Starts the guard, when it is needed first. */
function ownHome() {
  if (home) return home;
  // Beside those of our parents, and not inside: each guard removes its own when it has done its work.
  home = path.join(rootOfHomes(), `sessions-${randomBytes(6).toString('hex')}`);
  if (!isWindows) {
    const guard = childProcess.spawn('sh', [script, 'guard', home, ...runner()], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true, // so that Ctrl-C does not end it before its work
    });
    guard.on('error', () => {});
    guard.unref();
    /** @type {import('node:net').Socket} */ (guard.stdin).unref();
  }
  // After the guard has been started: nothing is left of a process that is killed in between.
  fs.mkdirSync(path.join(home, 'children'), { recursive: true });
  if (isWindows) process.once('exit', () => fs.rmSync(home, { recursive: true, force: true }));
  return home;
}

function rootOfHomes() {
  return process.env.SESSIONS_HOMES ?? os.tmpdir();
}

/** For a file of tests: itself, and the test runner, without which it would go on with its tests. */
function runner() {
  const isRun = process.env.NODE_TEST_CONTEXT && process.argv[1]?.endsWith('.test.js');
  return isRun ? [String(process.pid), String(process.ppid)] : [];
}

/** @param {string} [prefix] of its name @returns {string} the path of a new, empty folder */
function temporaryFolder(prefix = 'folder-') {
  return fs.mkdtempSync(path.join(ownHome(), prefix));
}

/**
 * What starts a program as a child that is guarded.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv }} options
 */
function guarded(command, args, { env = process.env }) {
  const own = ownHome();
  // What it keeps in temporary folders goes with this process, even if it is killed.
  const temporary = { TMPDIR: own, SESSIONS_HOMES: rootOfHomes() };
  return {
    command: isWindows ? command : 'sh',
    args: isWindows ? args : [script, 'run', own, command, ...args],
    options: { env: { ...env, ...(!isWindows && temporary) }, detached: !isWindows },
  };
}

/**
 * Kills what a child that has ended has left behind, and forgets it.
 *
 * @param {number | undefined} pid
 */
function forget(pid) {
  if (!pid || isWindows) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // There is nobody: the usual case.
  }
  fs.rmSync(path.join(home, 'children', String(pid)), { force: true });
}

/**
 * As `child_process.spawn`.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnOptions} [options]
 */
function spawn(command, args, options = {}) {
  const start = guarded(command, args, options);
  const child = childProcess.spawn(start.command, start.args, { ...options, ...start.options });
  child.once('exit', () => forget(child.pid));
  return child;
}

/**
 * As `child_process.spawnSync`.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnSyncOptions} [options]
 * @returns {import('node:child_process').SpawnSyncReturns<any>} strings, if an encoding is given
 */
function spawnSync(command, args, options = {}) {
  const start = guarded(command, args, options);
  const end = childProcess.spawnSync(start.command, start.args, { ...options, ...start.options });
  forget(end.pid);
  return end;
}

/**
 * As `child_process.fork`.
 *
 * @param {string} file
 * @param {readonly string[]} [args]
 * @param {import('node:child_process').ForkOptions} [options]
 */
function fork(file, args = [], { execArgv = process.execArgv, ...options } = {}) {
  const start = guarded(process.execPath, execArgv, options);
  const child = childProcess.fork(file, args, {
    ...options,
    ...start.options,
    execPath: start.command,
    execArgv: [...start.args],
  });
  child.once('exit', () => forget(child.pid));
  return child;
}

/**
 * Runs a program and resolves to what it printed; as a promise of `child_process.execFile`.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnOptions} [options]
 * @returns {Promise<{ stdout: string, stderr: string }>}
 */
function execFile(command, args, options = {}) {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const printed = { stdout: '', stderr: '' };
  for (const name of /** @type {const} */ (['stdout', 'stderr'])) {
    /** @type {import('node:stream').Readable} */ (child[name])
      .setEncoding('utf8')
      .on('data', (text) => {
        printed[name] += text;
      });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) return resolve(printed);
      const error = new Error(`${command} failed: ${signal ?? `exit ${code}`}\n${printed.stderr}`);
      reject(Object.assign(error, { code, signal, ...printed }));
    });
  });
}

module.exports = { execFile, fork, spawn, spawnSync, temporaryFolder };
