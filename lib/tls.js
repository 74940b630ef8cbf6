'use strict';

// Reads the option `tls`, which has the names of Node's `tls.connect`, and turns its certificates and its key into text
// for ioredis and for the engine. The engine does not know which certificates Node trusts, so it gets a list of them.
// ioredis needs no list, because it uses Node's own TLS.

const { X509Certificate } = require('node:crypto');
const { readFileSync } = require('node:fs');
const { isIP } = require('node:net');
const tls = require('node:tls');
const { typeError, valueError } = require('./errors.js');

/** What the option `tls` may hold, as in `tls.connect`. */
const TLS_NAMES = ['ca', 'cert', 'key', 'servername', 'rejectUnauthorized'];

/**
 * @typedef {object} TlsSettings
 * @property {readonly string[]} ca the certificates to trust: PEM texts of one or more each
 * @property {string} [cert] PEM
 * @property {string} [key] PEM
 * @property {string} [servername] for SNI and the check of the certificate's name; if left out, the host
 * @property {boolean} rejectUnauthorized
 */

/**
 * Checks the option `tls`. Adds no defaults.
 *
 * @param {Record<string, unknown>} given the properties of the option
 * @param {string} [name] the name of the option in errors
 * @returns {Partial<TlsSettings>}
 * @throws {TypeError}
 */
function readTls(given, name = 'tls') {
  const ca = readPems(`${name}.ca`, given.ca, 'CERTIFICATE');
  const cert = readPem(`${name}.cert`, given.cert, 'CERTIFICATE');
  const key = readPem(`${name}.key`, given.key, 'PRIVATE KEY');
  const own = { ca, cert, key };
  if ((cert === undefined) !== (key === undefined)) {
    const missing = cert === undefined ? 'cert' : 'key';
    throw valueError(
      `${name}.${missing}`,
      'given, because cert and key belong together',
      undefined,
    );
  }
  try {
    // createSecureContext accepts any text as `ca`, so each text is parsed. With a `ca` it does not load Node's list.
    for (const text of ca ?? []) new X509Certificate(text);
    if (ca || cert) tls.createSecureContext({ ...own, ca: [...(ca ?? [])] });
  } catch (cause) {
    const what = 'settings that OpenSSL can read, whose key belongs to cert and has no passphrase';
    throw valueError(name, what, given, { cause });
  }

  const { servername, rejectUnauthorized } = given;
  if (!isNullish(servername) && (typeof servername !== 'string' || servername === '')) {
    throw typeError(`${name}.servername`, 'a non-empty string', servername);
  }
  if (!isNullish(rejectUnauthorized) && typeof rejectUnauthorized !== 'boolean') {
    throw typeError(`${name}.rejectUnauthorized`, 'true or false', rejectUnauthorized);
  }
  return {
    ...own,
    servername: servername ?? undefined,
    rejectUnauthorized: rejectUnauthorized ?? undefined,
  };
}

/**
 * Completes checked settings with Node's defaults. The list of the certificates that Node trusts is large, so all
 * settings share one frozen array.
 *
 * @param {Partial<TlsSettings>} own
 * @returns {Readonly<TlsSettings>}
 */
function completeTls(own) {
  return Object.freeze({
    ...own,
    ca: own.ca ?? trustOfNode(),
    rejectUnauthorized: own.rejectUnauthorized ?? process.env.NODE_TLS_REJECT_UNAUTHORIZED !== '0',
  });
}

/**
 * Returns the settings as options of `tls.connect`.
 *
 * @param {TlsSettings} settings
 * @param {string} [host] left out if there are several hosts
 * @returns {import('node:tls').ConnectionOptions}
 */
function tlsOfClient({ ca, servername, ...settings }, host) {
  return {
    ...settings,
    ...(ca !== nodesTrust && { ca: [...ca] }),
    // Node sends a server name only if it is set. A proxy may need the name to find the server.
    servername: servername ?? (host === undefined || isIP(host) ? undefined : host),
  };
}

/** @type {readonly string[] | undefined} */
let nodesTrust;

/** Returns the certificates that Node trusts, including `NODE_EXTRA_CA_CERTS`. */
function trustOfNode() {
  nodesTrust ??= Object.freeze(
    typeof tls.getCACertificates === 'function'
      ? [...tls.getCACertificates('default')]
      : [...tls.rootCertificates, ...extraCertificates(process.env.NODE_EXTRA_CA_CERTS)],
  );
  return nodesTrust;
}

/** @param {string | undefined} file */
function extraCertificates(file) {
  if (!file) return [];
  try {
    const pem = readFileSync(file, 'latin1');
    return pem.match(/-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----/gs) ?? [];
  } catch {
    // Node itself only warns about a file that it cannot read.
    return [];
  }
}

/** @param {string} name @param {unknown} value @param {string} label the label of the PEM text */
function readPem(name, value, label) {
  const texts = readPems(name, value, label);
  if (texts && texts.length > 1) throw valueError(name, 'one PEM text', value);
  return texts?.[0];
}

/** @param {string} name @param {unknown} value @param {string} label */
function readPems(name, value, label) {
  if (isNullish(value)) return undefined;
  const what = `PEM text with a ${label}: a string, a Buffer or an array of them`;
  let texts;
  try {
    texts = [value].flat().map(toText);
  } catch (cause) {
    throw typeError(name, what, value, { cause });
  }
  if (texts.includes(undefined)) throw typeError(name, what, value);
  const begin = new RegExp(`-----BEGIN [A-Z ]*${label}-----`);
  if (texts.length === 0 || !texts.every((text) => begin.test(text))) {
    throw valueError(name, what, value);
  }
  return Object.freeze(texts);
}

/** @param {unknown} value */
function toText(value) {
  if (typeof value === 'string') return value;
  if (!ArrayBuffer.isView(value)) return undefined;
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1');
}

/** @param {unknown} value */
function isNullish(value) {
  return value === undefined || value === null;
}

module.exports = { TLS_NAMES, readTls, completeTls, tlsOfClient };
