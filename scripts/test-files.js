'use strict';

// Runs test files with Node's test runner.

const { run } = require('./run.js');

/** @param {string[]} files @param {NodeJS.ProcessEnv} env */
async function runTestFiles(files, env) {
  const options = ['--test', '--test-reporter=spec'];
  const [major, minor] = process.versions.node.split('.').map(Number);
  // Node has both options from 20.11 on. Three files run at once, because tests wait for a quarter of their time, and two
  // cores are usual. The timeout is for a file that hangs: the longest file takes three minutes on a busy machine.
  if (major > 20 || minor >= 11) options.push('--test-concurrency=3', '--test-timeout=600000');
  run(process.execPath, [...options, ...files], { env });
}

module.exports = { runTestFiles };
