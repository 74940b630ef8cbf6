'use strict';

// TLS in Node's own terms, turned into texts that both ioredis and the engine understand. The
// engine knows nothing of Node's trust, so it is told what Node trusts; ioredis knows by itself.

const { X509Certificate } = require('node:crypto');
const { readFileSync } = require('node:fs');
const { isIP } = require('node:net');
const tls = require('node:tls');
const { typeError, valueError } = require('./errors.js');

/** What the option `tls` may hold, as in `tls.connect`. */
const TLS_NAMES = ['ca', 'cert', 'key', 'servername', 'rejectUnauthorized'];

/**
 * @typedef {object} TlsSettings
 * @property {readonly string[]} ca PEM texts of whom to trust, each one or more certificates
 * @property {string} [cert] PEM
 * @property {string} [key] PEM
 * @property {string} [servername] for SNI and for the certificate's name; left out: the host
 * @property {boolean} rejectUnauthorized
 */

/**
 * Checks the option `tls`, without looking up what is not in it.
 *
 * @param {Record<string, unknown>} given its properties, read already
 * @param {string} [name] of the option, for errors
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
    // A secure context takes any text for a list of trust; given one, it does not load Node's.
    for (const text of ca ?? []) new X509Certificate(text);
    if (ca || cert) tls.createSecureContext({ ...own, ca: [...(ca ?? [])] });
  } catch (cause) {
    const what = 'settings that OpenSSL can read, whose key belongs to cert and has no passphrase';
    throw valueError(name, what, given, { cause });
  }

  const { servername, rejectUnauthorized } = given;
  if (!isLeftOut(servername) && (typeof servername !== 'string' || servername === '')) {
    throw typeError(`${name}.servername`, 'a non-empty string', servername);
  }
  if (!isLeftOut(rejectUnauthorized) && typeof rejectUnauthorized !== 'boolean') {
    throw typeError(`${name}.rejectUnauthorized`, 'true or false', rejectUnauthorized);
  }
  return {
    ...own,
    servername: servername ?? undefined,
    rejectUnauthorized: rejectUnauthorized ?? undefined,
  };
}

/**
 * Completes checked settings with Node's defaults. The list of what Node trusts is large and one
 * for all: the same frozen array each time.
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
 * The settings as options of `tls.connect`.
 *
 * @param {TlsSettings} settings
 * @param {string} [host] left out where there are several, known by and by
 * @returns {import('node:tls').ConnectionOptions}
 */
function tlsOfClient({ ca, servername, ...settings }, host) {
  return {
    ...settings,
    ...(ca !== nodesTrust && { ca: [...ca] }),
    // Node sends no server name of its own accord, and servers behind a proxy are found by it.
    servername: servername ?? (host === undefined || isIP(host) ? undefined : host),
  };
}

/** @type {readonly string[] | undefined} */
let nodesTrust;

/** What Node trusts, `NODE_EXTRA_CA_CERTS` included. */
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
    // Node warns of it and goes on.
    return [];
  }
}

/** @param {string} name @param {unknown} value @param {string} label of the PEM text */
function readPem(name, value, label) {
  const texts = readPems(name, value, label);
  if (texts && texts.length > 1) throw valueError(name, 'one PEM text', value);
  return texts?.[0];
}

/** @param {string} name @param {unknown} value @param {string} label */
function readPems(name, value, label) {
  if (isLeftOut(value)) return undefined;
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
function isLeftOut(value) {
  return value === undefined || value === null;
}

module.exports = { TLS_NAMES, readTls, completeTls, tlsOfClient };
