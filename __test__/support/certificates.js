'use strict';

// Certificates of every kind, made anew by certificates/make.sh for the test file that asks for them.

const { spawnSync } = require('node:child_process');
const { mkdtempSync, readFileSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

/** Makes them; they are removed when this process ends. Why not, if this machine cannot. */
function makeCertificates() {
  const folder = mkdtempSync(join(tmpdir(), 'sessions-certificates-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const script = join(__dirname, '..', 'certificates', 'make.sh');
  const { status, error } = spawnSync('sh', [script, folder], { stdio: 'ignore' });
  return {
    reason: status === 0 && !error ? undefined : 'openssl 3 is needed',
    /** @param {string} name with its ending */
    pem: (name) => readFileSync(join(folder, name), 'utf8'),
  };
}

module.exports = { makeCertificates };
