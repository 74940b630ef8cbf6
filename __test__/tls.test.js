'use strict';

// Sessions over TLS: which servers are trusted, which are refused, and that the error has the reason.

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { after, before, describe, test } = require('node:test');
const { SpotsSessions } = require('..');
const { execFile } = require('../scripts/children.js');
const { freePort, startRedis } = require('./support/redis-server.js');
const { rejection } = require('./support/rejection.js');

const file = (name) => join(__dirname, 'certificates', name);
const pem = (name) => readFileSync(file(name), 'utf8');
const TRUSTED = { ca: pem('authority.crt') };
const IDENTITY = { cert: pem('client.crt'), key: pem('client.key') };

/** Starts a server with this certificate, and returns its URL for TLS. */
async function startTls(certificate, config = {}) {
  const port = await freePort();
  const server = await startRedis({
    config: {
      'tls-port': port,
      'tls-cert-file': file(`${certificate}.crt`),
      'tls-key-file': file(`${certificate}.key`),
      'tls-ca-cert-file': file('authority.crt'),
      'tls-auth-clients': 'no',
      ...config,
    },
  });
  return { server, url: `rediss://localhost:${port}`, port };
}

/** Creates a session and gets it, by the engine and by `client`. */
async function useSessions(connectionString, options) {
  const sessions = new SpotsSessions({ connectionString, ...options });
  try {
    const data = { text: 'x'.repeat(100_000) };
    const token = await sessions.create({ app: 'tls', ownerId: 'alice', data });
    const found = await Promise.all(
      Array.from({ length: 100 }, () => sessions.get({ app: 'tls', token })),
    );
    for (const session of found) assert.deepEqual(session, { ownerId: 'alice', data });
    assert.equal(await sessions.client.ping(), 'PONG');
  } finally {
    await sessions.close();
  }
}

async function refusal(connectionString, tls) {
  const error = await rejection(() =>
    new SpotsSessions({ connectionString, tls, commandTimeout: 1000 }).get({
      app: 'a',
      token: 'the token of nobody',
    }),
  );
  assert.equal(error.code, 'ERR_SESSIONS_CONNECTION');
  return error.message;
}

describe('a server with a certificate of a private authority', () => {
  let tls;
  before(async () => {
    tls = await startTls('server');
  });
  after(() => tls.server.stop());

  test('is used when that authority is trusted', () => useSessions(tls.url, { tls: TRUSTED }));

  test('is used by its address if the certificate names the address', () =>
    useSessions(`rediss://127.0.0.1:${tls.port}`, { tls: TRUSTED }));

  test('is used with `tls` in place of rediss', () =>
    useSessions(`redis://localhost:${tls.port}`, { tls: TRUSTED }));

  test('is used when NODE_EXTRA_CA_CERTS names that authority', async () => {
    const code = `const { SpotsSessions } = require(${JSON.stringify(join(__dirname, '..'))});
      const sessions = new SpotsSessions(${JSON.stringify(tls.url)});
      sessions.create({ app: 'a', ownerId: 'b' }).then(() => console.log('created'));`;
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: file('authority.crt') };
    const { stdout } = await execFile(process.execPath, ['-e', code], { env });
    assert.equal(stdout, 'created\n');
  });

  test('is used without verification when rejectUnauthorized is false', () =>
    useSessions(tls.url, { tls: { rejectUnauthorized: false } }));

  test('is refused when its authority is not trusted', async () => {
    const nobody = /TLS failed: nobody who is trusted has issued the server's certificate \(give/;
    assert.match(await refusal(tls.url, true), nobody);
    assert.match(await refusal(tls.url, { ca: pem('stranger.crt') }), nobody);
  });

  test('is refused whatever a fragment of the URL says', async () => {
    assert.match(await refusal(`${tls.url}#insecure`), /TLS failed: nobody who is trusted/);
  });

  test('is refused under another name', async () => {
    const message = await refusal(tls.url, { ...TRUSTED, servername: 'elsewhere.example' });
    assert.match(
      message,
      /TLS failed: .*is for localhost, 127\.0\.0\.1, not for elsewhere\.example/,
    );
  });

  test('is used again after it was restarted', async () => {
    const sessions = new SpotsSessions({ connectionString: tls.url, tls: TRUSTED });
    await sessions.create({ app: 'a', ownerId: 'b' });
    await tls.server.restart();
    assert.equal(typeof (await sessions.create({ app: 'a', ownerId: 'b' })), 'string');
    await sessions.close();
  });
});

for (const [certificate, why] of [
  ['expired', /TLS failed: .*expired/],
  ['elsewhere', /TLS failed: .*is for elsewhere\.example, not for localhost/],
]) {
  test(`a certificate that is for ${certificate} is refused with the reason`, async (t) => {
    const { server, url } = await startTls(certificate);
    t.after(() => server.stop());
    assert.match(await refusal(url, TRUSTED), why);
  });
}

test('a server that asks for a certificate accepts ours, and refuses calls without one', async (t) => {
  const { server, url } = await startTls('server', { 'tls-auth-clients': 'yes' });
  t.after(() => server.stop());
  await useSessions(url, { tls: { ...TRUSTED, ...IDENTITY } });
  assert.match(await refusal(url, TRUSTED), /asks for a client's certificate/);
});

for (const version of ['TLSv1.2', 'TLSv1.3']) {
  test(`a server with ${version} alone is used`, async (t) => {
    const { server, url } = await startTls('server', { 'tls-protocols': version });
    t.after(() => server.stop());
    await useSessions(url, { tls: TRUSTED });
  });
}

test('a server that does not speak TLS is refused with that reason', async (t) => {
  const server = await startRedis();
  t.after(() => server.stop());
  const message = await refusal(`rediss://localhost:${server.port}`, TRUSTED);
  assert.match(message, /no answer within 1000 ms \(does it speak TLS\?\)/);
});

test('a server that speaks only TLS is refused with that reason', async (t) => {
  const { server, port } = await startTls('server');
  t.after(() => server.stop());
  assert.match(await refusal(`redis://localhost:${port}`), /closed .*\(does it ask for TLS\?\)/);
});
