'use strict';

// `npm test [-- names…]`: installs, builds, and runs all tests, on a real server and on `memory:`.
//
// Names select test files (`npm test -- contract package`), `faults/` selects a folder, and `core` selects the tests of
// the Rust core without Node. `--prebuilt` uses the addon that is there and needs no Rust.

const fs = require('node:fs');
const path = require('node:path');
const { prepare } = require('./prepare.js');
const { requireRedisServer } = require('./redis-binary.js');
const { root, run, runLong } = require('./run.js');
const { Stop, runScript } = require('./stop.js');
const { requireRust } = require('./toolchain.js');

const folders = ['__test__', '__test__/faults'];
const core = ['test', '--no-default-features', ...(process.env.CI ? ['--locked'] : [])];

runScript(async () => {
  const args = process.argv.slice(2);
  const prebuilt = args.includes('--prebuilt');
  const names = args.filter((arg) => arg !== '--prebuilt');
  const files = select(names);
  const withCore = !prebuilt && (names.length === 0 || names.includes('core'));

  await prepare({ prebuilt });
  const server = requireRedisServer();
  const env = { ...process.env, REDIS_SERVER: server.path };

  // Both run, even if the first one fails, so that the log shows all failures.
  /** @type {Error[]} */
  const failures = [];
  if (withCore) await testCore(env).catch((error) => failures.push(error));
  if (files.length > 0) await testPackage(files, env).catch((error) => failures.push(error));
  if (failures.length > 0) throw new Stop(failures.map(({ message }) => message).join('\n'));

  const parts = [
    withCore && 'the Rust core without Node',
    files.length > 0 &&
      `${files.length} ${files.length === 1 ? 'file' : 'files'} of tests on Node ${process.versions.node}`,
    `${server.name} ${server.version}`,
  ];
  console.log(`\npassed: ${parts.filter(Boolean).join(' · ')}`);
});

/** @param {string[]} names parts of the paths of test files; without names all @returns {string[]} */
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

/** @param {string[]} files @param {NodeJS.ProcessEnv} env */
async function testPackage(files, env) {
  const options = ['--test', '--test-reporter=spec'];
  const [major, minor] = process.versions.node.split('.').map(Number);
  // Node has both options from 20.11 on. Two files run at once: more would only compete for two cores. The timeout is for
  // a file that hangs: the longest file takes three minutes on a busy machine.
  if (major > 20 || minor >= 11) options.push('--test-concurrency=2', '--test-timeout=600000');
  run(process.execPath, [...options, ...files], { env });
}
