'use strict';

// Certificates of every kind. certificates/make.sh makes them anew for each test file that needs them.

const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { spawnSync, temporaryFolder } = require('../../scripts/children.js');

/** Makes the certificates, which are removed when this process ends. If that fails, returns why. */
function makeCertificates() {
  const folder = temporaryFolder('certificates-');
  const script = join(__dirname, '..', 'certificates', 'make.sh');
  const { status, error } = spawnSync('sh', [script, folder], { stdio: 'ignore' });
  return {
    reason: status === 0 && !error ? undefined : 'openssl 3 is needed',
    /** @param {string} name with its ending */
    pem: (name) => readFileSync(join(folder, name), 'utf8'),
  };
}

module.exports = { makeCertificates };
