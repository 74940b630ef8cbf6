'use strict';

// Runs the command line as a person or a script does: on pipes, or in a terminal.

const path = require('node:path');
const { spawn, spawnSync } = require('../../scripts/children.js');

const CLI = path.join(__dirname, '..', '..', 'lib', 'cli', 'index.js');

/**
 * @typedef {object} Ended
 * @property {number | null} code
 * @property {string | null} signal
 * @property {string} stdout
 * @property {string} stderr
 */

/**
 * Starts it on pipes.
 *
 * @param {string[]} args
 * @param {{ env?: Record<string, string | undefined>, hook?: string }} [options] `env`: `undefined`: not set; `hook`: a
 *   module that its process runs first
 */
function startCli(args, { env, hook } = {}) {
  const url = hook && `data:text/javascript,${encodeURIComponent(hook)}`;
  const flags = url === undefined ? [] : ['--import', url];
  return start(process.execPath, [...flags, CLI, ...args], env);
}

/** Runs it on pipes, and resolves when it has ended. @param {string[]} args @param {Parameters<typeof startCli>[1]} [options] */
function runCli(args, options) {
  return startCli(args, options).ended;
}

/** Why there can be no terminal, or false. `script` of util-linux makes one. */
const noTerminal = (() => {
  const { stdout = '' } = spawnSync('script', ['--version'], { encoding: 'utf8' });
  return !/util-linux/.test(stdout ?? '') && 'there is no `script` of util-linux';
})();

/**
 * Starts it in a terminal. What it prints there, on stdout and stderr, is `stdout`.
 *
 * @param {string[]} args
 * @param {{ env?: Record<string, string | undefined>, columns?: number }} [options]
 */
function startInTerminal(args, { env, columns = 80 } = {}) {
  const words = [process.execPath, CLI, ...args].map(
    (word) => `'${word.replaceAll("'", "'\\''")}'`,
  );
  const command = `stty cols ${columns} rows 24; exec ${words.join(' ')}`;
  const variables = { TERM: 'xterm-256color', NO_COLOR: undefined, ...env };
  return start('script', ['-qec', command, '/dev/null'], { SHELL: '/bin/sh', ...variables });
}

/**
 * Runs it in a terminal, and types each answer when its question has been asked.
 *
 * @param {string[]} args
 * @param {Parameters<typeof startInTerminal>[1] & { answers?: [question: string, answer: string][] }} [options]
 */
async function runInTerminal(args, { answers = [], ...options } = {}) {
  const { ended, type, shows } = startInTerminal(args, options);
  for (const [question, answer] of answers) {
    await Promise.race([shows(question), ended]);
    type(answer);
  }
  return ended;
}

/** @param {string} command @param {string[]} args @param {Record<string, string | undefined>} [env] */
function start(command, args, env) {
  const given = { ...process.env, REDIS_URL: undefined, ...env };
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  const child = spawn(command, args, { env: Object.fromEntries(set), stdio: 'pipe' });
  const said = { stdout: '', stderr: '' };
  /** @type {Set<() => void>} */
  const watchers = new Set();
  for (const name of /** @type {const} */ (['stdout', 'stderr'])) {
    child[name].setEncoding('utf8').on('data', (text) => {
      said[name] += text;
      for (const look of watchers) look();
    });
  }
  child.stdin.on('error', () => {});
  return {
    child,
    /** @param {string} text */
    type: (text) => child.stdin.write(text),
    /** Resolves when it has printed a text. @param {string} text */
    shows: (text) =>
      new Promise((resolve) => {
        const look = () => (said.stdout + said.stderr).includes(text) && resolve(undefined);
        watchers.add(look);
        look();
      }),
    /** @type {Promise<Ended>} */
    ended: new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve({ code, signal, ...said }));
    }),
  };
}

module.exports = { noTerminal, runCli, runInTerminal, startCli, startInTerminal };
