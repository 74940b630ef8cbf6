// The ioredis client that `sessions.client` returns, on real servers: TCP, unix socket and TLS.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { after, before, describe, it } = require('node:test');
const nodeTls = require('node:tls');
const { Redis } = require('ioredis');
const { createClient } = require('../lib/client.js');
const { readOptions } = require('../lib/options.js');
const { execFile, spawnSync } = require('../scripts/children.js');
const { freePort, startRedis, waitUntil } = require('./support/redis-server.js');

const clients = new Set();
after(() => {
  for (const client of clients) client.disconnect();
});

/** A client of these options, whose errors are kept in `client.errors`. */
function open(options) {
  const client = createClient(readOptions(options));
  client.errors = [];
  client.on('error', (error) => client.errors.push(error));
  clients.add(client);
  return client;
}

describe('client', () => {
  let server;
  before(async () => {
    server = await startRedis({ config: { requirepass: 'p@ss/word' }, unixSocket: true });
    const admin = server.client();
    await admin.acl('SETUSER', 'ann', 'on', '>p:w', '~*', '&*', '+@all');
  });
  after(() => server.stop());

  const at = (login, rest = '') => `redis://${login}@${server.host}:${server.port}${rest}`;

  it('is an ioredis that connects at once', async () => {
    const client = open(server.url);
    assert.ok(client instanceof Redis);
    assert.equal(client.status, 'connecting');
    await once(client, 'ready');
    assert.equal(await client.ping(), 'PONG');
  });

  it('uses the database and the password', async () => {
    const client = open(at(':p%40ss%2Fword', '/3'));
    await client.set('in', 'three');
    assert.match(await client.client('INFO'), / db=3 .*user=default/);
    assert.equal(await server.client({ db: 3 }).get('in'), 'three');
    assert.equal(await server.client().get('in'), null);
  });

  it('uses the user name', async () => {
    assert.equal(await open(at('ann:p%3Aw')).acl('WHOAMI'), 'ann');
    const address = { host: server.host, port: server.port, username: 'ann', password: 'p:w' };
    assert.equal(await open(address).acl('WHOAMI'), 'ann');
  });

  it('connects over a unix socket', async () => {
    const query = `?password=${encodeURIComponent('p@ss/word')}&db=2`;
    for (const beginning of ['', 'unix://', 'redis+unix://']) {
      const client = open(`${beginning}${server.unixSocket}${query}`);
      assert.match(await client.client('INFO'), /addr=\S*redis\.sock:0\S* .* db=2 /);
    }
  });

  it('connects at its first command if the URL says lazyConnect', async () => {
    const client = open(`${server.url}?lazyConnect=true`);
    assert.equal(client.status, 'wait');
    assert.equal(await client.ping(), 'PONG');
    assert.equal(open(`${server.url}?lazyConnect=false`).status, 'connecting');
  });

  it('has connectTimeout and the options of the query, but not commandTimeout', () => {
    const query = '?maxRetriesPerRequest=null&enableReadyCheck=false&commandTimeout=1&keepAlive=7';
    const { options } = open({ connectionString: `${server.url}${query}`, connectTimeout: 1234 });
    assert.equal(options.connectTimeout, 1234);
    assert.equal(options.commandTimeout, undefined);
    assert.equal(options.maxRetriesPerRequest, null);
    assert.equal(options.enableReadyCheck, false);
    assert.equal(options.keepAlive, 7);
  });

  it('reports a server that is absent as ioredis does, and prints nothing', async (t) => {
    const methods = ['log', 'info', 'warn', 'error'].map((name) => t.mock.method(console, name));
    const client = open(`127.0.0.1:${await freePort()}?maxRetriesPerRequest=0`);
    await assert.rejects(client.ping(), { name: 'MaxRetriesPerRequestError' });
    assert.equal(client.errors[0].code, 'ECONNREFUSED');
    await open(server.url).ping();
    assert.deepEqual(
      methods.map((method) => method.mock.callCount()),
      [0, 0, 0, 0],
    );
  });
});

const noOpenssl = spawnSync('openssl', ['version']).status !== 0 && 'openssl is not installed';

describe('client over TLS', { skip: noOpenssl }, () => {
  let server;
  let url;
  let file;
  let pem;
  before(async () => {
    server = await startRedis();
    file = (name) => join(server.dir, name);
    pem = (name) => readFileSync(file(name), 'utf8');
    makeCertificates(server.dir);
    const port = await freePort();
    const admin = server.client();
    await admin.config(
      'SET',
      'tls-cert-file',
      file('server.pem'),
      'tls-key-file',
      file('server.key'),
    );
    await admin.config('SET', 'tls-ca-cert-file', file('ca.pem'), 'tls-auth-clients', 'optional');
    await admin.config('SET', 'tls-port', port);
    url = `rediss://localhost:${port}`;
  });
  after(() => server.stop());

  it('trusts the ca that it is given', async () => {
    const client = open({ connectionString: url, tls: { ca: pem('ca.pem') } });
    assert.equal(await client.ping(), 'PONG');
    assert.equal(client.stream.authorized, true);
  });

  it('refuses a server that it does not trust, also with #insecure', async () => {
    for (const connectionString of [url, `${url}#insecure`, { ...addressOf(url), tls: true }]) {
      const client = open({ connectionString });
      const error = await waitUntil(() => client.errors[0], 'an error');
      assert.match(error.code, /SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_VERIFY_LEAF_SIGNATURE/);
      client.disconnect();
    }
  });

  it('refuses a certificate for another host name', async () => {
    const tls = { ca: pem('ca.pem'), servername: 'other.example' };
    const client = open({ connectionString: url, tls });
    const error = await waitUntil(() => client.errors[0], 'an error');
    assert.equal(error.code, 'ERR_TLS_CERT_ALTNAME_INVALID');
  });

  it('accepts any certificate if rejectUnauthorized is false', async () => {
    const client = open({ connectionString: url, tls: { rejectUnauthorized: false } });
    assert.equal(await client.ping(), 'PONG');
  });

  it('sends its own certificate', async () => {
    await server.client().config('SET', 'tls-auth-clients', 'yes');
    const tls = { ca: pem('ca.pem'), cert: Buffer.from(pem('server.pem')), key: pem('server.key') };
    assert.equal(await open({ connectionString: url, tls }).ping(), 'PONG');
    await server.client().config('SET', 'tls-auth-clients', 'optional');
  });

  it('trusts what Node trusts, NODE_EXTRA_CA_CERTS included', async () => {
    assert.equal(open(`${url}?lazyConnect=true`).options.tls.ca, undefined);
    const script = `
      const { createClient } = require('./lib/client.js');
      const { readOptions } = require('./lib/options.js');
      const settings = readOptions(process.argv[1]);
      const client = createClient(settings);
      client.on('error', (error) => { console.error(error.code); client.disconnect(); });
      client.ping().then((answer) => {
        console.log(JSON.stringify([answer, settings.server.tls.ca.at(-1).trim()]));
        client.disconnect();
      }, () => {});`;
    const run = (ca) =>
      execFile(process.execPath, ['-e', script, url], {
        cwd: join(__dirname, '..'),
        env: { ...process.env, NODE_EXTRA_CA_CERTS: ca },
      });
    assert.deepEqual(JSON.parse((await run(file('ca.pem'))).stdout), [
      'PONG',
      pem('ca.pem').trim(),
    ]);
    assert.match((await run('')).stderr, /SELF_SIGNED|UNABLE_TO_VERIFY/);
  });

  it('sends the name of the server (SNI)', async (t) => {
    const names = [];
    const certificate = { cert: pem('server.pem'), key: pem('server.key') };
    const listener = nodeTls.createServer(certificate, (socket) => {
      names.push(socket.servername);
      socket.on('error', () => {});
    });
    t.after(() => listener.close());
    await once(listener.listen(0, '127.0.0.1'), 'listening');
    const { port } = listener.address();
    const seen = async (address, tls) => {
      const client = open({ ...address, port, tls: { ca: pem('ca.pem'), ...tls } });
      const count = names.length;
      await waitUntil(() => names.length > count, 'a connection');
      client.disconnect();
      return names[count];
    };
    assert.equal(await seen({ host: 'localhost', family: 4 }), 'localhost');
    assert.equal(await seen({ host: '127.0.0.1' }), false);
    assert.equal(await seen({ host: '127.0.0.1' }, { servername: 'localhost' }), 'localhost');
  });

  it('refuses a key that needs a passphrase or belongs to another certificate', () => {
    for (const key of ['locked.key', 'ca.key']) {
      const tls = { cert: pem('server.pem'), key: pem(key) };
      assert.throws(() => readOptions({ tls }), {
        code: 'ERR_INVALID_ARG_VALUE',
        message: /`tls`/,
      });
    }
  });
});

/** Makes `ca.pem`, and `server.pem` of localhost that it signed, in `folder`. */
function makeCertificates(folder) {
  const openssl = (line) => {
    const { status, stderr } = spawnSync('openssl', line.split(' '), { cwd: folder });
    assert.equal(status, 0, String(stderr));
  };
  const newKey = 'req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2';
  openssl(`${newKey} -x509 -subj /CN=ca -keyout ca.key -out ca.pem`);
  openssl(`${newKey} -subj /CN=localhost -keyout server.key -out server.csr`);
  writeFileSync(join(folder, 'names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1');
  openssl(
    'x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem',
  );
  openssl('ec -in server.key -aes128 -passout pass:secret -out locked.key');
}

function addressOf(url) {
  const { hostname, port } = new URL(url);
  return { host: hostname, port };
}
