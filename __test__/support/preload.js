'use strict';

// Libraries in C that take the place of functions of the system, in processes that tests start with
// `LD_PRELOAD`.

const { spawnSync } = require('node:child_process');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

/**
 * Compiles a library; it is removed after the test. Nothing where this machine cannot.
 *
 * @param {import('node:test').TestContext} t
 * @param {string} source
 */
function compileLibrary(t, source) {
  const folder = mkdtempSync(join(tmpdir(), 'sessions-preload-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const library = join(folder, 'library.so');
  const args = ['-shared', '-fPIC', '-xc', '-o', library, '-', '-ldl', '-lpthread'];
  const { status } = spawnSync('cc', args, { input: source, stdio: ['pipe', 'ignore', 'ignore'] });
  return process.platform === 'linux' && status === 0 ? library : undefined;
}

module.exports = { compileLibrary };
