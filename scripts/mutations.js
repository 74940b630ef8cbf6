'use strict';

// `npm run test:mutations [-- words…]`: plants the bugs of mutations/bugs.txt, one after the other, in a copy of this
// repository. The test that a bug names must then fail. Words select the bugs whose titles contain one of them.

const fs = require('node:fs');
const path = require('node:path');
const { spawnSync, temporaryFolder } = require('./children.js');
const { readBugs } = require('./mutations/read.js');
const { prepare } = require('./prepare.js');
const { requireRedisServer } = require('./redis-binary.js');
const { outputOf, root } = require('./run.js');
const { Stop, runScript } = require('./stop.js');

/** @typedef {import('./mutations/read.js').Bug} Bug */

runScript(async () => {
  await prepare({ build: 'none' }); // the copy is built, not this folder
  const words = process.argv.slice(2);
  const bugs = readBugs().filter(
    ({ title }) => words.length === 0 || words.some((word) => title.includes(word)),
  );
  const env = {
    ...process.env,
    REDIS_SERVER: requireRedisServer().path,
    // The folder is kept from run to run. The builds are optimised little, because they must be quick.
    CARGO_TARGET_DIR: path.join(root, 'target', 'mutations'),
    CARGO_PROFILE_RELEASE_LTO: 'off',
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS: '16',
    CARGO_PROFILE_RELEASE_OPT_LEVEL: '1',
    CARGO_PROFILE_RELEASE_INCREMENTAL: 'true',
  };
  const copy = copyOfRoot();
  const failures = [];
  try {
    build(copy, env);
    for (const bug of bugs) {
      // If the test fails without the bug, its failure with the bug proves nothing.
      if (verdictOf(bug, copy, env) !== 'green')
        failures.push(`${bug.title}: its test does not pass without the bug`);
    }
    for (const bug of bugs) {
      const file = path.join(copy, bug.file);
      const right = fs.readFileSync(file, 'utf8');
      // A function, because `replace` gives some characters of a text a special meaning.
      fs.writeFileSync(
        file,
        right.replace(bug.search, () => bug.replace),
      );
      build(copy, env);
      const verdict = verdictOf(bug, copy, env);
      fs.writeFileSync(file, right);
      console.log(`${verdict.padEnd(5)}  ${bug.title}`);
      if (verdict !== 'red') failures.push(`${bug.title}: its test is ${verdict}, not red`);
    }
  } finally {
    fs.rmSync(copy, { recursive: true });
  }
  if (failures.length > 0) throw new Stop(failures.join('\n'));
  console.log(`\n${bugs.length} bugs were planted, and the tests found all of them`);
});

/** Copies the files of this repository that git does not ignore, with all changes. */
function copyOfRoot() {
  const copy = temporaryFolder('mutations-');
  const listed = outputOf('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard']);
  if (listed === undefined) throw new Stop('This needs git, and a clone of the repository.');
  for (const file of listed.split('\0').filter(Boolean)) {
    const [from, to] = [path.join(root, file), path.join(copy, file)];
    if (fs.existsSync(from)) fs.cpSync(from, to);
  }
  fs.symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'), 'junction');
  return copy;
}

/** @param {string} cwd @param {NodeJS.ProcessEnv} env */
function build(cwd, env) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/build.js'], {
    cwd,
    env,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Stop(`${stdout}${stderr}The copy does not build.`);
}

/** Cargo's options for the tests of a file: `src/…` or `tests/redis/…`. @param {string} file */
function targetOf(file) {
  return file.startsWith('src/') ? ['--lib'] : ['--test', path.basename(path.dirname(file))];
}

/**
 * Runs the test that a bug names.
 *
 * @param {Bug} bug
 * @param {string} cwd
 * @param {NodeJS.ProcessEnv} env
 * @returns {'green' | 'red' | 'unrun'}
 */
function verdictOf({ test, name }, cwd, env) {
  const isCore = test.endsWith('.rs');
  const pattern = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const [command, ...args] = isCore
    ? ['cargo', 'test', '--no-default-features', ...targetOf(test), name]
    : [process.execPath, '--test', '--test-reporter=tap', '--test-timeout=300000'];
  if (!isCore) args.push(`--test-name-pattern=${pattern}`, test);
  const { stdout } = spawnSync(command, args, { cwd, env, encoding: 'utf8', maxBuffer: 2 ** 28 });
  const ends = isCore
    ? [...stdout.matchAll(new RegExp(`^test .*${pattern}.* \\.\\.\\. (ok|FAILED)$`, 'gm'))]
    : [...stdout.matchAll(new RegExp(`^ *(ok|not ok) \\d+ - ${pattern}(?!.*# SKIP)`, 'gm'))];
  if (ends.length === 0) return 'unrun';
  return ends.every(([, end]) => end === 'ok') ? 'green' : 'red';
}
