// The option `tls`: which values it may have, and which certificates TLS trusts.

const assert = require('node:assert/strict');
const { join } = require('node:path');
const { describe, it } = require('node:test');
const tls = require('node:tls');
const { readOptions } = require('../lib/options.js');
const { spawnSync } = require('../scripts/children.js');
const { refuses } = require('./support/refuses.js');

const CERTIFICATE = tls.rootCertificates[0];

describe('tls', () => {
  it('is off unless it is asked for', () => {
    assert.equal(readOptions('h').server.tls, undefined);
    assert.equal(readOptions({ tls: false }).server.tls, undefined);
    assert.equal(readOptions({ connectionString: 'memory:', tls: true }).server, null);
  });

  it('trusts what Node trusts, with one list for all instances', () => {
    const { ca, ...rest } = readOptions({ connectionString: 'h', tls: true }).server.tls;
    assert.deepEqual({ ...rest }, { rejectUnauthorized: true });
    assert.ok(ca.includes(CERTIFICATE));
    for (const options of ['rediss://h', { tls: {} }, { connectionString: { tls: true } }]) {
      assert.equal(readOptions(options).server.tls.ca, ca);
    }
  });

  it('takes texts, Buffers and arrays of them', () => {
    for (const ca of [CERTIFICATE, Buffer.from(CERTIFICATE), [Buffer.from(CERTIFICATE)]]) {
      assert.deepEqual(readOptions({ tls: { ca } }).server.tls.ca, [CERTIFICATE]);
    }
    const { server } = readOptions({ tls: { servername: 's', rejectUnauthorized: false } });
    assert.deepEqual([server.tls.servername, server.tls.rejectUnauthorized], ['s', false]);
  });

  const broken = CERTIFICATE.replace(/\n.{8}/, '\nAAAAAAAA');
  const refused = [
    ['a text', 'yes', 'TYPE', '`tls`'],
    ['an array', [], 'TYPE', '`tls`'],
    ['a key of Node that is not one of ours', { pfx: 'x' }, 'VALUE', 'unknown option `tls.pfx`'],
    ['ca without a certificate', { ca: 'file.pem' }, 'VALUE', '`tls.ca`'],
    ['an empty list of trust', { ca: [] }, 'VALUE', '`tls.ca`'],
    ['a number for ca', { ca: [CERTIFICATE, 5] }, 'TYPE', '`tls.ca`'],
    ['a certificate that is damaged', { ca: broken }, 'VALUE', '`tls`.*OpenSSL'],
    ['cert without key', { cert: CERTIFICATE }, 'VALUE', '`tls.key`'],
    ['several certs', { cert: [CERTIFICATE, CERTIFICATE] }, 'VALUE', '`tls.cert`'],
    ['an empty servername', { servername: '' }, 'TYPE', '`tls.servername`'],
    ['a text for rejectUnauthorized', { rejectUnauthorized: '0' }, 'TYPE', 'rejectUnauthorized'],
  ];
  for (const [what, option, kind, message] of refused) {
    it(`refuses ${what}`, () => refuses({ tls: option }, `ERR_INVALID_ARG_${kind}`, message));
  }

  it('set to true beside an address keeps the TLS settings of the address', () => {
    const connectionString = { host: 'h', tls: { ca: CERTIFICATE, servername: 's' } };
    const within = readOptions({ connectionString }).server.tls;
    assert.deepEqual([within.ca, within.servername], [[CERTIFICATE], 's']);
    assert.deepEqual(readOptions({ connectionString, tls: true }).server.tls, within);
    const beside = readOptions({ connectionString, tls: { servername: 't' } }).server.tls;
    assert.deepEqual([beside.ca.length > 1, beside.servername], [true, 't']);
    const wrong = { connectionString: { tls: { ca: 5 } }, tls: true };
    refuses(wrong, 'ERR_INVALID_ARG_TYPE', '`connectionString.tls.ca`');
  });

  it('cannot be switched off if the URL asks for it, nor on for a unix socket', () => {
    const secure = { connectionString: 'rediss://h', tls: false };
    refuses(secure, 'ERR_INVALID_ARG_VALUE', '`tls`');
    const onSocket = [
      [{ path: '/x.sock', tls: true }, '`tls` .*unix socket, got a boolean$'],
      [{ path: '/x.sock', tls: {} }, '`tls` .*unix socket, got an object$'],
      ['rediss://h?path=/x', '`connectionString` .*unix socket, got a string of 18 characters$'],
      [{ connectionString: { path: '/x', tls: true } }, '`connectionString.tls` .*got a boolean$'],
    ];
    for (const [options, message] of onSocket) {
      refuses(options, 'ERR_INVALID_ARG_VALUE', message);
    }
  });

  it('follows the environment as Node does', () => {
    const read = (environment, options) => {
      const script = `const { readOptions } = require(${JSON.stringify(join(__dirname, '../lib/options.js'))});
        const { ca, rejectUnauthorized } = readOptions(${JSON.stringify(options)}).server.tls;
        console.log(JSON.stringify({ ca: ca.length, last: ca.at(-1), rejectUnauthorized }));`;
      const env = { ...process.env, ...environment };
      const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], { env });
      assert.notEqual(stdout.toString(), '', stderr.toString());
      return JSON.parse(stdout);
    };
    const normal = read({ NODE_EXTRA_CA_CERTS: '' }, 'rediss://h');
    assert.equal(normal.rejectUnauthorized, true);
    const missing = read({ NODE_EXTRA_CA_CERTS: '/nowhere/ca.pem' }, 'rediss://h');
    assert.deepEqual(missing, normal);

    const off = { NODE_TLS_REJECT_UNAUTHORIZED: '0', NODE_EXTRA_CA_CERTS: '' };
    assert.deepEqual(read(off, 'rediss://h'), { ...normal, rejectUnauthorized: false });
    assert.equal(read(off, { tls: { rejectUnauthorized: true } }).rejectUnauthorized, true);
  });
});
