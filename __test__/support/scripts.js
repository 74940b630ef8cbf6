'use strict';

// Runs small scripts in separate processes, because only another process can see how a process ends.

const { writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { spawn, temporaryFolder } = require('../../scripts/children.js');

/** The time after which a script counts as hanging. No script takes nearly as long. */
const HANG_MS = 120_000;

const root = join(__dirname, '..', '..');

let folder;
let written = 0;

/**
 * Runs a script in which `SpotsSessions` and `given` are defined. Resolves when it has ended.
 *
 * @param {string} code CommonJS, or a module if `module` says so
 * @param {{ given?: object, module?: boolean, flags?: string[], within?: string[], env?: object }} [options]
 *   `within`: a command that runs the command that follows it
 * @returns {Promise<{ code: number | null, signal: string | null, stdout: string, stderr: string }>}
 */
function runScript(code, { given = {}, module = false, flags = [], within = [], env = {} } = {}) {
  const file = write(code, given, module);
  return new Promise((resolve, reject) => {
    const [command, ...args] = [...within, process.execPath, ...flags, file];
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: HANG_MS,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

function write(code, given, module) {
  folder ??= temporaryFolder('scripts-');
  const head = module
    ? 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);'
    : '"use strict";';
  const file = join(folder, `script-${written++}.${module ? 'mjs' : 'cjs'}`);
  writeFileSync(
    file,
    `${head}
const root = ${JSON.stringify(root)};
const { SpotsSessions } = require(root);
const given = ${JSON.stringify(given)};
${code}`,
  );
  return file;
}

/**
 * Runs tasks, some of them at once. After a failure no task begins, and running ones end first,
 * because they would wait for a server that is stopped.
 *
 * @param {number} count
 * @param {number} atOnce
 * @param {(n: number) => Promise<unknown>} task
 */
async function repeat(count, atOnce, task) {
  let next = 0;
  const worker = async () => {
    try {
      while (next < count) await task(next++);
    } finally {
      next = count;
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: atOnce }, worker));
  const failed = ends.find(({ status }) => status === 'rejected');
  if (failed) throw failed.reason;
}

module.exports = { runScript, repeat };
