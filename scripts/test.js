'use strict';

// `npm test [-- names…]`: installs, builds, and runs all tests, on a real server and on `memory:`.
//
// Names select test files (`npm test -- contract package`), `faults/` selects a folder, and `core` selects the tests of
// the Rust core without Node. Named files run on the debug addon (`npm run build -- --debug`) if it was built from the
// current sources. Everything else runs on the release addon, and so do named files with `--release`. `--prebuilt` uses
// the addon that is there and needs no Rust.

const fs = require('node:fs');
const path = require('node:path');
const { findDebugAddon, prepare } = require('./prepare.js');
const { requireRedisServer } = require('./redis-binary.js');
const { root, run, runLong } = require('./run.js');
const { Stop, runScript } = require('./stop.js');
const { runTestFiles } = require('./test-files.js');
const { requireRust } = require('./toolchain.js');

const folders = ['__test__', '__test__/faults'];
const flags = ['--prebuilt', '--release'];
/**
 * The suites that never run on the debug addon. `package` looks at the files that are published. Jest loads the addon of
 * another package too, and the variable that names our debug addon would replace that one.
 */
const ofRelease = ['__test__/jest.test.js', '__test__/package.test.js'];
const core = ['test', '--no-default-features', ...(process.env.CI ? ['--locked'] : [])];

runScript(async () => {
  const args = process.argv.slice(2);
  const names = args.filter((arg) => !arg.startsWith('-'));
  const unknown = args.filter((arg) => arg.startsWith('-') && !flags.includes(arg));
  if (unknown.length > 0) {
    throw new Stop(
      `unknown option: ${unknown.join(' ')}. It is \`npm test [-- [${flags.join(' | ')}] names…]\`.`,
    );
  }
  const prebuilt = args.includes('--prebuilt');
  const files = select(names);
  const withCore = !prebuilt && (names.length === 0 || names.includes('core'));

  const forRelease =
    names.length === 0 ||
    args.includes('--release') ||
    files.some((file) => ofRelease.includes(file)) ||
    Boolean(process.env.CI);
  const addon = chooseAddon({ prebuilt, forRelease });
  if (files.length > 0) console.log(`tests run on ${addon.words}`);
  await prepare({ build: addon.build });
  const server = requireRedisServer();
  const env = { ...process.env, ...addon.env, REDIS_SERVER: server.path };

  // Both run, even if the first one fails, so that the log shows all failures.
  /** @type {Error[]} */
  const failures = [];
  if (withCore) await testCore(env).catch((error) => failures.push(error));
  if (files.length > 0) await runTestFiles(files, env).catch((error) => failures.push(error));
  if (failures.length > 0) throw new Stop(failures.map(({ message }) => message).join('\n'));

  const parts = [
    withCore && 'the Rust core without Node',
    files.length > 0 &&
      `${files.length} ${files.length === 1 ? 'file' : 'files'} of tests on Node ${process.versions.node}`,
    `${server.name} ${server.version}`,
  ];
  console.log(`\npassed: ${parts.filter(Boolean).join(' · ')}`);
});

/**
 * Which addon the tests run on, in words; what is to be built for that, and what makes programs load it.
 *
 * @param {{ prebuilt: boolean, forRelease: boolean }} asked
 * @returns {{ words: string, build: 'release' | 'none', env?: Record<string, string> }}
 */
function chooseAddon({ prebuilt, forRelease }) {
  if (prebuilt) return { words: 'the addon that is there', build: 'none' };
  const debug = forRelease ? undefined : findDebugAddon();
  if (debug?.isCurrent) return { words: 'the debug build', build: 'none', env: debug.env };
  const why = debug ? ' (the debug build is of other sources: npm run build -- --debug)' : '';
  return { words: `the release build${why}`, build: 'release' };
}

/** @param {string[]} names parts of files' paths; none means all @returns {string[]} */
function select(names) {
  const all = folders.flatMap((folder) =>
    fs
      .readdirSync(path.join(root, folder))
      .filter((name) => name.endsWith('.test.js'))
      .map((name) => path.posix.join(folder, name)),
  );
  const unknown = names.filter(
    (name) => name !== 'core' && !all.some((file) => file.includes(name)),
  );
  if (unknown.length > 0)
    throw new Stop(`no test file has this in its path: ${unknown.join(', ')}`);
  const chosen =
    names.length === 0 ? all : all.filter((file) => names.some((name) => file.includes(name)));
  return chosen.sort();
}

/** @param {NodeJS.ProcessEnv} env */
async function testCore(env) {
  requireRust();
  await runLong('building the tests of the core', 'cargo', [...core, '--no-run']);
  run('cargo', [...core, '--quiet'], { env });
}
