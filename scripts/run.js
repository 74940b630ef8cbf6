'use strict';

// Runs other programs: on this terminal, or, if they take long, with messages about their progress.

const path = require('node:path');
const { spawn, spawnSync } = require('./children.js');
const { Stop } = require('./stop.js');

const root = path.join(__dirname, '..');
const secondsBetweenSigns = 5;

/**
 * Returns a program's output, or undefined if the program is not installed or fails.
 *
 * @param {string} command
 * @param {string[]} args
 */
function outputOf(command, args) {
  const { status, stdout } = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  return status === 0 ? stdout : undefined;
}

/**
 * Runs a program on this terminal, and stops the script if the program fails.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ env?: NodeJS.ProcessEnv }} [options]
 */
function run(command, args, { env = process.env } = {}) {
  /** @type {import('node:child_process').StdioOptions} */
  const stdio = ['ignore', 'inherit', 'inherit'];
  const { status, signal, error } = spawnSync(command, args, { cwd: root, env, stdio });
  if (error) throw new Stop(`cannot run ${command}: ${error.message}`);
  if (status !== 0)
    throw new Stop(`failed (${signal ?? `exit ${status}`}): ${inWords(command, args)}`);
}

/**
 * Runs a program that takes long. On a terminal the program shows its own progress. Otherwise a line every five seconds
 * says that it still runs, and its output is printed only if it fails.
 *
 * @param {string} title what it does: "building the addon"
 * @param {string} command
 * @param {string[]} args
 */
async function runLong(title, command, args) {
  console.log(`${title} …`);
  const start = Date.now();
  const seconds = () => Math.round((Date.now() - start) / 1000);
  const quiet = !process.stderr.isTTY;
  const child = spawn(command, args, {
    cwd: root,
    stdio: ['ignore', quiet ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit'],
  });

  let written = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text) => {
      written += text;
    });
  }
  const compiled = () => {
    const crates = written.match(/^\s*Compiling /gm)?.length ?? 0;
    return crates === 0 ? '' : `, ${crates} crates so far`;
  };
  const signs = setInterval(() => {
    if (quiet) console.log(`  still ${title}: ${seconds()} s${compiled()}`);
  }, secondsBetweenSigns * 1000);

  const outcome = await new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) =>
      resolve(code === 0 ? 'done' : (signal ?? `exit ${code}`)),
    );
  });
  clearInterval(signs);
  if (outcome !== 'done') {
    process.stderr.write(written);
    throw new Stop(`failed (${outcome}): ${inWords(command, args)}`);
  }
  console.log(`  done in ${seconds()} s`);
}

/**
 * Returns the name of a program and its first argument. Further arguments may hold a password.
 *
 * @param {string} command
 * @param {string[]} args
 */
function inWords(command, [script = '']) {
  const isNode = command === process.execPath;
  const name = path.isAbsolute(script) ? path.relative(root, script) : script;
  return `${isNode ? 'node' : command} ${name}`.trimEnd();
}

module.exports = { outputOf, root, run, runLong };
