'use strict';

// What `doctor` says about the way to the server: encryption, time and clocks.

const assert = require('node:assert/strict');
const path = require('node:path');
const { describe, test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { checkEncryption } = require('../lib/cli/doctor/server-checks.js');
const { checkClock, checkRoundTrip } = require('../lib/cli/doctor/timing.js');
const { runCli } = require('./support/command-line.js');
const { freePort, startRedis } = require('./support/redis-server.js');

const file = (name) => path.join(__dirname, 'certificates', name);

describe('doctor with TLS', () => {
  /** Starts a server that also speaks TLS, and returns the URL for that. */
  async function startTls(t, clients) {
    const port = await freePort();
    const tls = { cert: 'server.crt', key: 'server.key', 'ca-cert': 'authority.crt' };
    const files = Object.entries(tls).map(([name, each]) => [`tls-${name}-file`, file(each)]);
    const config = { 'tls-port': port, 'tls-auth-clients': clients, ...Object.fromEntries(files) };
    const server = await startRedis({ config });
    t.after(() => server.stop());
    return `rediss://localhost:${port}`;
  }
  const ca = ['--ca', file('authority.crt')];
  const encryption = ({ stdout }) =>
    stdout.split('\n').find((line) => line.includes('\tencryption'));

  test('is fine if the server is verified by --ca, and names the version', async (t) => {
    const url = await startTls(t, 'no');
    const ended = await runCli(['doctor', url, ...ca]);
    assert.equal(encryption(ended), 'ok\tencryption\tTLSv1.3');
    assert.equal(ended.code, 0);
    const untrusted = await runCli(['doctor', `${url}?commandTimeout=500`]);
    assert.equal(untrusted.code, 3);
    assert.match(untrusted.stdout, /certificate/);
  });

  test('warns if the certificate is not verified', async (t) => {
    const url = await startTls(t, 'no');
    const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0' };
    const ended = await runCli(['doctor', url], { env });
    assert.match(
      encryption(ended),
      /^warning\tencryption\tTLS, but the certificate is not verified/,
    );
    assert.equal(ended.stderr, '');
  });

  test('shows a certificate to a server that asks for one: --cert and --key', async (t) => {
    const url = await startTls(t, 'yes');
    const own = ['--cert', file('client.crt'), '--key', file('client.key')];
    assert.equal((await runCli(['doctor', url, ...ca, ...own])).code, 0);
    const alone = await runCli(['doctor', url, ...ca, ...own.slice(0, 2)]);
    assert.equal(alone.code, 2);
    assert.match(alone.stderr, /^sessions: expected `tls\.key` to be given/);
  });
});

describe('doctor without TLS', () => {
  for (const [address, status] of [
    ['127.0.0.1', 'ok'],
    ['::1', 'ok'],
    ['10.1.2.3', 'ok'],
    ['172.31.0.1', 'ok'],
    ['192.168.1.1', 'ok'],
    ['::ffff:10.1.2.3', 'ok'],
    ['fd00::1', 'ok'],
    ['172.32.0.1', 'warning'],
    ['203.0.113.5', 'warning'],
    ['2001:db8::1', 'warning'],
    ['::ffff:203.0.113.5', 'warning'],
  ]) {
    test(`${status === 'ok' ? 'is fine with' : 'warns of'} a server at ${address}`, async () => {
      const remoteFamily = address.includes(':') ? 'IPv6' : 'IPv4';
      const node = { address, stream: { remoteAddress: address, remoteFamily } };
      const [finding] = await checkEncryption([node], {});
      assert.equal(finding.status, status);
      if (status === 'warning') assert.match(finding.remedy, /rediss:\/\//);
    });
  }

  test('is fine with a Unix socket', async (t) => {
    const server = await startRedis({ unixSocket: true });
    t.after(() => server.stop());
    const { stdout, code } = await runCli(['doctor', `unix://${server.unixSocket}`]);
    assert.match(stdout, /^ok\tencryption\ta Unix socket/m);
    assert.equal(code, 0);
  });
});

describe('doctor about time', () => {
  /** A server whose clock is so many seconds ahead. @param {number} seconds */
  const ahead = (seconds) => ({
    address: `a ${seconds}`,
    ask: async () => [String(Math.floor(Date.now() / 1000) + seconds), '0'],
  });

  test('warns of a clock that is ahead or behind, and of no other', async () => {
    const findings = await checkClock([ahead(0), ahead(3600), ahead(-60)]);
    assert.deepEqual(
      findings.map(({ status }) => status),
      ['ok', 'warning', 'warning'],
    );
    assert.match(findings[1].says, /^(3600|3599) s ahead of this machine's \(at a 3600\)$/);
    assert.match(findings[2].says, /^(60|61) s behind this machine's/);
    assert.match(findings[1].remedy, /NTP/);
  });

  test('warns of a server that is far away', async () => {
    const far = { address: 'far', ask: () => sleep(15) };
    const [{ status, says }] = await checkRoundTrip([far]);
    assert.equal(status, 'warning');
    assert.match(says, /^\d+ ms \(median of 9\): each call waits for it$/);
  });
});
