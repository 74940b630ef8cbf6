'use strict';

// `sessions.client` with a function that gives the password: on one server, behind sentinels, and on a cluster.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { after, before, describe, it } = require('node:test');
const { Cluster, Redis } = require('ioredis');
const { createClient } = require('../lib/client.js');
const { readOptions } = require('../lib/options.js');
const { startCluster } = require('./support/cluster.js');
const { freePort, startRedis } = require('./support/redis-server.js');
const { startSentinels } = require('./support/sentinel.js');
const { waitUntil } = require('./support/wait-until.js');

const certificate = (name) => join(__dirname, 'certificates', name);
const clients = new Set();
after(() => {
  for (const client of clients) client.disconnect();
});

/** A client of these options, whose errors are kept in `client.errors`. @param {object} options @returns {any} */
function open(options) {
  const client = createClient(readOptions(options));
  const errors = [];
  client.on('error', (error) => errors.push(error));
  clients.add(client);
  return Object.assign(client, { errors });
}

/** A function that gives a password or fails, and counts. */
function source(text) {
  const ask = async () => {
    ask.asked++;
    if (ask.error) throw ask.error;
    return ask.text;
  };
  return Object.assign(ask, { text, asked: 0, error: undefined });
}

/** Closes all other connections. */
const disconnect = (redis) => redis.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');

describe('client with a function that gives the password', () => {
  /** @type {Awaited<ReturnType<typeof startRedis>>} */
  let server;
  let admin;
  before(async () => {
    server = await startRedis({ unixSocket: true });
    admin = server.client();
    await setPassword('first');
  });
  after(() => server.stop());

  const setPassword = (password) =>
    admin.acl('SETUSER', 'ann', 'resetpass', 'on', `>${password}`, '~*', '&*', '+@all');
  const at = (password, more) =>
    open({ host: server.host, port: server.port, username: 'ann', password, ...more });

  for (const protocol of [2, 3]) {
    it(`asks once for each attempt to connect, with RESP${protocol}`, async () => {
      await setPassword('first');
      const password = source('first');
      const client = at(password, { protocol });
      assert.ok(client instanceof Redis);
      assert.equal(client.status, 'connecting');
      assert.equal(await client.acl('WHOAMI'), 'ann');
      for (let n = 0; n < 20; n++) await client.ping();
      assert.equal(password.asked, 1);

      password.text = 'second';
      await setPassword('second');
      await disconnect(admin);
      assert.equal(await client.acl('WHOAMI'), 'ann');
      assert.equal(password.asked, 2);
      assert.deepEqual(client.errors, []);
    });
  }

  it('asks over a unix socket, and for a copy of the client', async () => {
    await setPassword('first');
    const password = source('first');
    const client = open({ path: server.unixSocket, username: 'ann', password, db: 2 });
    assert.match(await client.client('INFO'), /addr=\S*redis\.sock:0\S* .* db=2 /);
    const copy = client.duplicate();
    assert.equal(await copy.acl('WHOAMI'), 'ann');
    assert.equal(password.asked, 2);
    copy.disconnect();
  });

  it('asks over TLS', async () => {
    await setPassword('first');
    const port = await freePort();
    await admin.config(
      'SET',
      ...['tls-cert-file', certificate('server.crt'), 'tls-key-file', certificate('server.key')],
      ...['tls-ca-cert-file', certificate('authority.crt'), 'tls-auth-clients', 'no'],
      ...['tls-port', String(port)],
    );
    const password = source('first');
    const tls = { ca: readFileSync(certificate('authority.crt'), 'utf8') };
    const client = at(password, { host: 'localhost', port, tls });
    assert.equal(await client.acl('WHOAMI'), 'ann');
    assert.equal(password.asked, 1);
  });

  it('connects at its first command if lazyConnect says so', async () => {
    await setPassword('first');
    const password = source('first');
    const client = at(password, { lazyConnect: true });
    assert.deepEqual([client.status, password.asked], ['wait', 0]);
    assert.equal(await client.acl('WHOAMI'), 'ann');
    assert.equal(password.asked, 1);
  });

  it('reports a function that fails, with the cause, and asks it again', async () => {
    await setPassword('first');
    const password = source('first');
    password.error = new Error('s3cret: no token');
    const client = at(password);
    await waitUntil(() => client.errors.length >= 2, 'it to be asked again');
    for (const error of client.errors) {
      assert.equal(error.code, 'ERR_SESSIONS_CONNECTION');
      assert.match(error.message, /^cannot connect to redis: the function `password` failed/);
      assert.equal(error.cause, password.error);
      assert.ok(!error.stack.includes('s3cret'));
    }
    password.error = undefined;
    assert.equal(await client.acl('WHOAMI'), 'ann');
  });

  it('reports a function that does not answer within connectTimeout', async () => {
    await setPassword('first');
    let works = false;
    const password = () => (works ? 'first' : new Promise(() => {}));
    const client = at(password, { connectTimeout: 300 });
    await waitUntil(() => client.errors.length > 0, 'the attempt to fail');
    assert.match(client.errors[0].message, /`password` gave no answer within 300 ms/);
    works = true;
    assert.equal(await client.acl('WHOAMI'), 'ann');
  });

  it('ends at once while the function is asked', async () => {
    const client = at(() => new Promise(() => {}), { connectTimeout: 2 ** 31 - 1 });
    const call = client.ping().catch((error) => error);
    await new Promise((resolve) => setImmediate(resolve));
    client.disconnect();
    await once(client, 'end');
    assert.match((await call).message, /Connection is closed/);
    assert.deepEqual(client.errors, []);
  });

  it('reports a server that is absent as without a function', async () => {
    const client = open({ port: 1, password: source('first'), maxRetriesPerRequest: 0 });
    await assert.rejects(client.ping(), { name: 'MaxRetriesPerRequestError' });
    assert.equal(client.errors[0].code, 'ECONNREFUSED');
  });
});

describe('client behind sentinels with functions that give the passwords', () => {
  /** @type {Awaited<ReturnType<typeof startSentinels>>} */
  let group;
  before(async () => {
    const config = { requirepass: 'of-servers' };
    group = await startSentinels({ replicas: 1, config, sentinelPassword: 'of-sentinels' });
  });
  after(() => group?.stop());

  const where = () => ({
    sentinels: group.sentinels.map(({ host, port }) => ({ host, port })),
    name: group.name,
  });

  it('asks for each connection, and follows the primary', async () => {
    const [password, sentinelPassword] = [source('of-servers'), source('of-sentinels')];
    const client = open({ ...where(), password, sentinelPassword });
    assert.equal((await client.role())[0], 'master');
    assert.deepEqual([password.asked, sentinelPassword.asked], [1, 1]);
    await group.failover();
    await disconnect((await group.replicas())[0].client());
    await waitUntil(() => client.set('a', '2').catch(() => false), 'the client to follow');
    assert.ok(password.asked > 1 && sentinelPassword.asked > 1);
  });

  it('takes a function for the one and a text for the other', async () => {
    for (const passwords of [
      { password: 'of-servers', sentinelPassword: source('of-sentinels') },
      { password: source('of-servers'), sentinelPassword: 'of-sentinels' },
    ]) {
      assert.equal((await open({ ...where(), ...passwords }).role())[0], 'master');
    }
  });

  it('tries again after a function has failed', async () => {
    for (const name of ['password', 'sentinelPassword']) {
      const given = { password: source('of-servers'), sentinelPassword: source('of-sentinels') };
      given[name].error = new Error('no token');
      const client = open({ ...where(), ...given });
      await waitUntil(() => given[name].asked > 1, 'it to be asked again');
      assert.ok(client.errors.length > 0);
      given[name].error = undefined;
      assert.equal((await client.role())[0], 'master');
    }
  });
});

describe('client of a cluster with a function that gives the password', () => {
  /** @type {Awaited<ReturnType<typeof startCluster>>} */
  let cluster;
  before(async () => {
    cluster = await startCluster({ replicas: 0, config: { requirepass: 'of-nodes' } });
    const user = ['on', '~*', '&*', '+@all'];
    await Promise.all(
      cluster.nodes.map(({ redis }) => redis.acl('SETUSER', 'ann', '>first', ...user)),
    );
  });
  after(() => cluster?.stop());

  const names = Array.from({ length: 50 }, (_, n) => `name-${n}`);
  const worksEverywhere = async (client) => {
    await Promise.all(names.map((name) => client.set(name, name)));
    assert.deepEqual(await Promise.all(names.map((name) => client.get(name))), names);
  };

  it('asks for each connection, and again after the password was changed', async () => {
    const password = source('first');
    const nodes = cluster.nodes.map(({ host, port }) => ({ host, port }));
    const client = open({ cluster: nodes, username: 'ann', password });
    assert.ok(client instanceof Cluster);
    await worksEverywhere(client);
    const { asked } = password;
    assert.ok(asked >= nodes.length, `${asked}`);
    await worksEverywhere(client);

    const messages = [];
    client.on('message', (_channel, message) => messages.push(message));
    await client.subscribe('news');
    password.text = 'second';
    for (const { redis } of cluster.nodes) {
      await redis.acl('SETUSER', 'ann', 'resetpass', '>second');
      await redis.client('KILL', 'USER', 'ann');
    }
    const works = () =>
      worksEverywhere(client).then(
        () => true,
        () => false,
      );
    await waitUntil(works, 'the client to connect again');
    assert.ok(password.asked > asked);

    // The subscriber has no connector: it is given the last password, and has the function asked for the next time.
    password.text = 'third';
    for (const { redis } of cluster.nodes) {
      await redis.acl('SETUSER', 'ann', 'resetpass', '>third');
      await redis.client('KILL', 'TYPE', 'pubsub');
    }
    messages.length = 0;
    const isHeard = async () => {
      await client.publish('news', 'heard').catch(() => {});
      return messages.includes('heard');
    };
    await waitUntil(isHeard, 'the subscriber to connect again');
  });
});
