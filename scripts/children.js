'use strict';

// Starts programs and makes temporary folders that do not outlive this process, even if it is killed by SIGKILL. The
// programs that these programs start end too. Tests start programs only in this way. So do benchmarks and scripts,
// except for commands that they wait for. Windows has no process groups, so there the programs are not guarded.
//
// Each program leads a process group. A shell (children.sh) guards this process: when the process ends, the guard kills
// the groups and removes the folders.

const childProcess = require('node:child_process');
const { randomBytes } = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const script = path.join(__dirname, 'children.sh');
const isWindows = process.platform === 'win32';

/** The folder of this process. It holds all temporary files, and the ids of the process groups of its children. */
let home = '';

/** Returns the folder of this process. The first call creates it and starts the guard. */
function ownHome() {
  if (home) return home;
  // The folder is beside those of the parent processes and not inside one, because each guard removes its own folder.
  home = path.join(rootOfHomes(), `sessions-${randomBytes(6).toString('hex')}`);
  if (!isWindows) {
    const guard = childProcess.spawn('sh', [script, 'guard', home, ...runner()], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true, // so that Ctrl-C does not end it too early
    });
    guard.on('error', () => {});
    guard.unref();
    /** @type {import('node:net').Socket} */ (guard.stdin).unref();
  }
  // Made after the guard was started, so that nothing is left if this process is killed in between.
  fs.mkdirSync(path.join(home, 'children'), { recursive: true });
  if (isWindows) process.once('exit', () => fs.rmSync(home, { recursive: true, force: true }));
  return home;
}

function rootOfHomes() {
  return process.env.SESSIONS_HOMES ?? os.tmpdir();
}

/** For a test file: the ids of its process and of the test runner. Without its runner, the file would keep running. */
function runner() {
  const isRun = process.env.NODE_TEST_CONTEXT && process.argv[1]?.endsWith('.test.js');
  return isRun ? [String(process.pid), String(process.ppid)] : [];
}

/** Makes a new, empty folder. @param {string} [prefix] the prefix of its name @returns {string} its path */
function temporaryFolder(prefix = 'folder-') {
  return fs.mkdtempSync(path.join(ownHome(), prefix));
}

/**
 * Returns the command, the arguments and the options that start a program under the guard.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv }} options
 */
function guarded(command, args, { env = process.env }) {
  const own = ownHome();
  // The program makes its temporary files here too, so that they are removed with this process.
  const temporary = { TMPDIR: own, SESSIONS_HOMES: rootOfHomes() };
  return {
    command: isWindows ? command : 'sh',
    args: isWindows ? args : [script, 'run', own, command, ...args],
    options: { env: { ...env, ...(!isWindows && temporary) }, detached: !isWindows },
  };
}

/**
 * Kills the processes that an ended child has left behind, and removes the child's group from the list.
 *
 * @param {number | undefined} pid
 */
function forget(pid) {
  if (!pid || isWindows) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Usually none is left.
  }
  fs.rmSync(path.join(home, 'children', String(pid)), { force: true });
}

/**
 * Like `child_process.spawn`.
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
 * Like `child_process.spawnSync`.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnSyncOptions} [options]
 * @returns {import('node:child_process').SpawnSyncReturns<any>} with strings if an encoding is given
 */
function spawnSync(command, args, options = {}) {
  const start = guarded(command, args, options);
  const end = childProcess.spawnSync(start.command, start.args, { ...options, ...start.options });
  forget(end.pid);
  return end;
}

/**
 * Like `child_process.fork`.
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
 * Runs a program and resolves to its output, like a promisified `child_process.execFile`.
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
