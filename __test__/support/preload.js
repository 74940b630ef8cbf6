'use strict';

// C libraries that replace system functions. Tests load them into processes with `LD_PRELOAD`.

const { join } = require('node:path');
const { spawnSync, temporaryFolder } = require('../../scripts/children.js');

/**
 * Compiles a library, which is removed with the temporary folders. Undefined if this machine cannot.
 *
 * @param {import('node:test').TestContext} _t
 * @param {string} source
 */
function compileLibrary(_t, source) {
  const library = join(temporaryFolder('preload-'), 'library.so');
  const args = ['-shared', '-fPIC', '-xc', '-o', library, '-', '-ldl', '-lpthread'];
  const { status } = spawnSync('cc', args, { input: source, stdio: ['pipe', 'ignore', 'ignore'] });
  return process.platform === 'linux' && status === 0 ? library : undefined;
}

module.exports = { compileLibrary };
