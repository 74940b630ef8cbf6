'use strict';

// Which certificates we trust, compared with Node: `tls.connect` and an instance ask the same server,
// with the same certificate and the same `ca`. Where the two differ, docs/tls.md has a row with our
// message.

const assert = require('node:assert/strict');
const { X509Certificate } = require('node:crypto');
const { once } = require('node:events');
const { readFileSync } = require('node:fs');
const net = require('node:net');
const { join } = require('node:path');
const { after, before, describe, test } = require('node:test');
const tls = require('node:tls');
const { SpotsSessions } = require('..');
const { makeCertificates } = require('./support/certificates.js');
const { startRedis } = require('./support/redis-server.js');

const { reason, pem } = makeCertificates();
const skip = reason ?? false;
const named = (name) => (reason ? `${name} (skipped: ${reason})` : name);
const documented = readFileSync(join(__dirname, '..', 'docs', 'tls.md'), 'utf8').replace(
  /\s+/g,
  ' ',
);

/** How Rust prints its values for debugging. */
const OF_RUST = /[A-Z][a-z]+[A-Z]\w+|\w\(["\w]|::|\{|Some|Other|Error/;

let redis;
const closed = [];
before(async () => {
  redis = await startRedis();
});
after(async () => {
  await Promise.all(closed.map((close) => close()));
  await redis.stop();
});

/**
 * Starts a server with this certificate and with Redis behind it.
 *
 * @param {string} name of the certificate
 * @param {tls.TlsOptions & { chain?: string }} [options]
 */
async function startServer(name, { chain = name, ...options } = {}) {
  const sockets = new Set();
  const server = tls.createServer(
    { cert: pem(`${chain}.crt`), key: pem(`${name}.key`), ...options },
    (socket) => {
      const behind = net.connect(redis.port, redis.host);
      for (const [one, other] of [
        [socket, behind],
        [behind, socket],
      ]) {
        sockets.add(one);
        one.on('error', () => {}).once('close', () => other.destroy());
        one.pipe(other);
      }
    },
  );
  server.on('connection', (socket) => sockets.add(socket.on('error', () => {})));
  server.on('tlsClientError', () => {});
  server.listen(0, 'localhost');
  await once(server, 'listening');
  closed.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return server.address().port;
}

/** The code of Node's error, or undefined if Node accepts the certificate. */
async function askNode(port, options) {
  const { host = 'localhost', ...given } = options;
  const socket = tls.connect({ host, port, ...given });
  try {
    await once(socket, 'secureConnect');
    return undefined;
  } catch (error) {
    return error.code ?? error.message;
  } finally {
    socket.destroy();
  }
}

/** Keeps instances, because one without calls may be collected and then emits no event. */
const asked = new Set();

/** Our error message after the address, or undefined if we accept the certificate. */
async function askUs(port, { host = 'localhost', ...options }) {
  const sessions = new SpotsSessions({ host, port, tls: options });
  asked.add(sessions);
  try {
    // An event, because the instance connects at once, and a call would wait for another attempt.
    const error = await new Promise((resolve) =>
      sessions.once('error', resolve).once('ready', () => resolve(undefined)),
    );
    if (error === undefined) {
      assert.equal(typeof (await sessions.create({ app: 'tls', ownerId: 'ann' })), 'string');
      return undefined;
    }
    assert.equal(error.code, 'ERR_SESSIONS_CONNECTION', error.message);
    const [, words] = error.message.match(/^cannot reach redis at \S+: TLS failed: (.*)$/) ?? [];
    assert.ok(words, error.message);
    assert.doesNotMatch(words, OF_RUST);
    assert.match(words, /\(.+\)$/, 'it says what to do');
    return words;
  } finally {
    await sessions.close();
  }
}

const TLS_1_2 = { maxVersion: 'TLSv1.2' };
/** Ciphers and signatures that OpenSSL refuses by default. */
const WEAK = 'DEFAULT@SECLEVEL=0';

const ca = (...names) => ({ ca: names.map((name) => pem(`${name}.crt`)) });
const ours = () => ca('authority');
const itself = (name) => ca(name);

describe(named('a certificate that Node accepts is accepted'), { skip }, () => {
  /** @type {[string, string, object?, object?][]} */
  const rows = [
    ['an authority’s leaf', 'server'],
    ['a key of RSA', 'rsa'],
    ['a key of ECDSA P-384', 'p384'],
    ['a key of Ed25519', 'ed25519'],
    ['a pinned certificate of `openssl req -x509`, which says CA:TRUE', 'pinned', itself],
    ['a pinned certificate with a CN and without a SAN', 'pinned-cn', itself],
    ['a pinned certificate that says CA:FALSE', 'pinned-leaf', itself],
    ['a pinned certificate of X.509 version 1', 'pinned-version-1', itself],
    [
      'a pinned certificate among others',
      'pinned',
      () => ca('authority', 'pinned-elsewhere', 'pinned'),
    ],
    ['a CN and no SAN', 'cn'],
    ['several CNs and no SAN', 'cn-of-several'],
    ['a CN, and a SAN with an address alone', 'cn-beside-address'],
    [
      'the address of a SAN with an address alone',
      'cn-beside-address',
      () => ({ ...ours(), host: '127.0.0.1' }),
    ],
    ['a CN, and a SAN with a mail address alone', 'cn-beside-mail'],
    ['a CN with a wildcard', 'cn-wildcard', () => ({ ...ours(), servername: 'one.nodes.example' })],
    ['a chain with an intermediate authority', 'of-middle', ours, { chain: 'of-middle-whole' }],
  ];
  for (const [label, name, trust = ours, options] of rows) {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3']) {
      test(`R65 ${label}, with ${maxVersion}`, async () => {
        const port = await startServer(name, { ...options, maxVersion, minVersion: maxVersion });
        const given = trust(name);
        assert.equal(await askNode(port, given), undefined, 'Node');
        assert.equal(await askUs(port, given), undefined);
      });
    }
  }
});

describe(named('a certificate that Node refuses is refused, with the reason'), {
  skip,
}, () => {
  /** @type {[string, string, object | undefined, RegExp, object?][]} */
  const rows = [
    ['R65 a self-signed certificate that is not pinned', 'pinned', ours, /signed by itself/],
    [
      'R65 a self-signed certificate, when another one of the same name is pinned',
      'pinned',
      () => ca('pinned-twin'),
      /signed by itself/,
    ],
    [
      'R65 a certificate of an authority that is not trusted',
      'server',
      () => ca('stranger'),
      /nobody who is trusted/,
    ],
    [
      'R65 a pinned certificate for another host',
      'pinned-elsewhere',
      itself,
      /for elsewhere\.example, not for localhost/,
    ],
    [
      'R65 a pinned certificate that has expired',
      'pinned-expired',
      itself,
      /expired on 2021-01-01/,
    ],
    [
      'R65 a pinned certificate that is not yet valid',
      'pinned-future',
      itself,
      /not valid until 2090-01-01/,
    ],
    [
      'R65 a pinned certificate that is not for servers',
      'pinned-no-server',
      itself,
      /not for servers/,
    ],
    ['R65 a pinned certificate that is not for TLS', 'pinned-no-tls', itself, /not for servers/],
    [
      'R65 a pinned certificate with an unknown critical extension',
      'pinned-critical',
      itself,
      /critical extension/,
    ],
    ['R65 an authority’s leaf that has expired', 'expired', ours, /expired on 2021-01-01/],
    [
      'R65 an authority’s leaf for another host',
      'elsewhere',
      ours,
      /for elsewhere\.example, not for localhost/,
    ],
    ['R65 an authority’s leaf that is not for servers', 'no-server', ours, /not for servers/],
    ['R65 an authority’s leaf that is not for TLS', 'no-tls', ours, /not for servers/],
    [
      'R65 an authority’s leaf with an unknown critical extension',
      'critical',
      ours,
      /critical extension/,
    ],
    ['R65 a CN of another host', 'cn-elsewhere', ours, /for elsewhere\.example, not for localhost/],
    [
      'R65 a CN, and a SAN of another host',
      'cn-beside-name',
      ours,
      /for elsewhere\.example, not for localhost/,
    ],
    [
      'R65 a CN that is an address',
      'cn-address',
      () => ({ ...ours(), host: '127.0.0.1' }),
      /for 127\.0\.0\.1, not for 127\.0\.0\.1/,
    ],
    [
      'R65 a CN with a wildcard, and a host with one more label',
      'cn-wildcard',
      () => ({ ...ours(), servername: 'a.one.nodes.example' }),
      /for \*\.nodes\.example, not for a\.one/,
    ],
    [
      'R65 a leaf of an authority that has expired',
      'of-old',
      () => ca('old'),
      /authority .* has expired/,
    ],
    ['R65 a chain with a link missing', 'of-middle', ours, /nobody who is trusted/],
    [
      'R65 a signature with SHA-1',
      'sha1',
      ours,
      /signed in a way that is not supported/,
      { ciphers: WEAK },
    ],
  ];
  for (const [label, name, trust = ours, words, options] of rows) {
    test(label, async () => {
      const port = await startServer(name, options);
      const given = trust(name);
      const said = await askUs(port, given);
      assert.match(said ?? 'it was taken', words);
      assert.notEqual(await askNode(port, given), undefined, 'Node');
      const blind = { ...given, rejectUnauthorized: false };
      assert.equal(await askUs(port, blind), undefined, 'without verification');
    });
  }
});

describe(named('a certificate that only we may refuse is in docs/tls.md, with our message'), {
  skip,
}, () => {
  /** Whether Node 20 accepts it, and whether it works without verification.
   * @type {[string, string, boolean, boolean, object?][]} */
  const rows = [
    ['X.509 version 1', 'version-1', true, true],
    ['a leaf that says CA:TRUE, of an authority', 'of-authority', true, true],
    ['RSA of fewer than 2048 bits', 'rsa-short', true, false],
    ['ECDSA P-521', 'p521', true, false],
    ['ECDSA secp256k1', 'secp256k1', false, false],
    ['Ed448', 'ed448', true, false],
    ['RSA-PSS', 'rsa-pss', true, false],
    ['RSA key exchange', 'rsa', true, false, { ...TLS_1_2, ciphers: 'AES128-GCM-SHA256' }],
    ['CBC', 'rsa', true, false, { ...TLS_1_2, ciphers: 'ECDHE-RSA-AES128-SHA256' }],
    ['P-521 alone for the key exchange', 'rsa', true, false, { ecdhCurve: 'P-521' }],
    ['TLS 1.1', 'rsa', false, false, { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: WEAK }],
  ];
  for (const [label, name, nodeTakesIt, helps, options] of rows) {
    test(`R65 ${label}`, async (t) => {
      if (
        label.includes('version 1') &&
        new X509Certificate(pem('version-1.crt')).keyUsage !== undefined
      )
        return t.skip('this openssl makes no version 1');
      const port = await startServer(name, options);
      const node = await askNode(port, ours());
      // Newer versions of Node have another OpenSSL.
      if (process.versions.openssl.startsWith('3.0.'))
        assert.equal(node === undefined, nodeTakesIt, `Node: ${node}`);
      const said = await askUs(port, ours());
      assert.ok(said, 'it was taken');
      assert.ok(documented.includes(`${said} |`), `in docs/tls.md: ${said}`);
      const row = documented.split('| ').find((cell) => cell.startsWith(label));
      assert.ok(row, `a row of docs/tls.md: ${label}`);
      const blind = await askUs(port, { ...ours(), rejectUnauthorized: false });
      assert.equal(blind === undefined, helps, `without verification: ${blind}`);
    });
  }

  test('R65 an intermediate authority, pinned alone, is enough for us, and not for Node', async () => {
    const port = await startServer('of-middle');
    assert.notEqual(await askNode(port, ca('middle')), undefined);
    assert.equal(await askUs(port, ca('middle')), undefined);
  });
});

test(named('R65 the constructor refuses a client’s key that cannot be used'), {
  skip,
}, () => {
  for (const name of ['p521', 'rsa-short', 'ed448']) {
    const identity = { cert: pem(`${name}.crt`), key: pem(`${name}.key`) };
    assert.throws(
      () => new SpotsSessions({ connectionString: 'rediss://localhost', tls: identity }),
      ({ cause }) => /its key must be RSA of 2048 bits or more/.test(cause.message),
    );
  }
});
