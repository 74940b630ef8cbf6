'use strict';

// The peer is not the server that was expected: it is too old, needs a password, is another service,
// or is full. Each case has its own message, which says what to do.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const net = require('node:net');
const { test } = require('node:test');
const { SpotsSessions } = require('../..');
const { startCluster } = require('../support/cluster.js');
const { hello, startFakeServer } = require('../support/fake-server.js');
const { faultyServer, recovers, settled } = require('../support/faults.js');
const { waitUntil } = require('../support/wait-until.js');

const app = 'shop';
const token = 'a'.repeat(40);

/** @param {import('node:test').TestContext} t @param {object} options */
function open(t, options) {
  const sessions = new SpotsSessions({ commandTimeout: 20_000, ...options });
  t.after(() => sessions.close());
  return sessions;
}

/** The error of a call, which must not wait for its deadline. */
async function refused(sessions) {
  const { error } = await settled(sessions.get({ app, token }), 0);
  assert.equal(error?.code, 'ERR_SESSIONS_REDIS', error?.message);
  return error;
}

const TOO_OLD = [
  [{ version: '6.0.16' }, 'this is Redis 6.0.16'],
  [{ version: '6.0.0' }, 'this is Redis 6.0.0'],
  [{ version: '6.1.240' }, 'this is Redis 6.1.240'],
  [{ version: '6.0.20-debian' }, 'this is Redis 6.0'],
  [{ server: 'valkey', version: '7.0.15' }, 'this is Valkey 7.0.15'],
];

for (const [fields, says] of TOO_OLD) {
  test(`R70 a server that reports ${Object.values(fields).join(' ')} is refused at once, and the error names the versions it needs`, async (t) => {
    let changed = fields;
    const fake = await startFakeServer(t, ([name]) => (name === 'HELLO' ? hello(changed) : null));
    const sessions = open(t, { connectionString: fake.url });
    const told = once(sessions, 'error');
    for (let n = 0; n < 3; n++) {
      const { message } = await refused(sessions);
      assert.ok(message.endsWith(`needs Redis 6.2 or Valkey 7.2, ${says}`), message);
    }
    assert.ok((await told)[0].message.endsWith(says), 'listeners are told');
    assert.ok(!fake.commands.some(([name]) => name === 'GET'), 'it is asked for no session');
    // Now the server is upgraded.
    changed = {};
    await waitUntil(
      () =>
        sessions.get({ app, token }).then(
          () => true,
          () => false,
        ),
      'the upgraded server to be used',
    );
  });
}

test('R70 a cluster node, or a primary behind sentinels, that is too old is refused, too', async (t) => {
  const fake = await startFakeServer(t, ([name]) => {
    if (name === 'HELLO') return hello({ version: '6.0.16' });
    if (name === 'ROLE') return '*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n';
    const address = `$9\r\n127.0.0.1\r\n`;
    if (name === 'CLUSTER') return `*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n${address}:${fake.port}\r\n`;
    if (name === 'SENTINEL') return `*2\r\n${address}$5\r\n${fake.port}\r\n`;
    return null;
  });
  const at = { host: fake.host, port: fake.port };
  for (const options of [{ cluster: [at] }, { sentinels: [at], name: 'mymaster' }]) {
    const { message } = await refused(open(t, options));
    assert.ok(message.endsWith('needs Redis 6.2 or Valkey 7.2, this is Redis 6.0.16'), message);
  }
});

test('R70 a server that is new enough, reports no version, or is not Redis is used', async (t) => {
  for (const fields of [
    { version: '6.2.0' },
    { version: '7.0.15' },
    { version: '10.1.2' },
    { version: '255.255.255' },
    { server: 'valkey', version: '7.2.4' },
    { server: 'valkey', version: '9.1.2' },
    { server: 'dragonfly', version: '1.2.3' },
    { server: 'garnet', version: '1.0.5' },
    { version: '4.0.0' }, // Kvrocks: HELLO is younger than this
    { version: undefined },
    { server: undefined },
    { version: '' },
    { version: 'six' },
    { version: 7 },
  ]) {
    const fake = await startFakeServer(t, ([name]) => (name === 'HELLO' ? hello(fields) : null));
    const sessions = open(t, { connectionString: fake.url });
    assert.equal(await sessions.get({ app, token }), undefined, JSON.stringify(fields));
  }
  for (const said of ['-ERR unknown command\r\n', '+OK\r\n', '*-1\r\n', '*1\r\n:1\r\n']) {
    const fake = await startFakeServer(t, ([name]) => (name === 'HELLO' ? said : null));
    const sessions = open(t, { connectionString: fake.url });
    assert.equal(await sessions.get({ app, token }), undefined, said);
  }
});

test('R70 if a server that does not know HELLO refuses a script, the error asks for its version', async (t) => {
  const fake = await startFakeServer(t, ([name]) => {
    if (name === 'HELLO') return '-ERR unknown command `HELLO`, with args beginning with: \r\n';
    const inScript =
      'ERR Error running script (call to f_8d6e): @user_script:3: @user_script: 3: ERR';
    return name.startsWith('EVAL') ? `-${inScript} syntax error\r\n` : null;
  });
  const sessions = open(t, { connectionString: fake.url });
  const { error } = await settled(sessions.create({ app, ownerId: 'ann' }), 0);
  assert.equal(
    error.message,
    'redis refused: ERR syntax error (does it run Redis 6.2 or Valkey 7.2, or later?)',
  );
});

test('R68 the error says that no password was given, for servers, sentinels and clusters', async (t) => {
  const { server } = await faultyServer(t, { config: { requirepass: 's3cret' } });
  const at = { host: server.host, port: server.port };
  const password = 'redis refused: NOAUTH authentication required (no password was given)';
  const says = () => '-NOAUTH Authentication required.\r\n';
  const sentinel = await startFakeServer(t, says);
  const older = await startFakeServer(t, says);
  for (const [options, message] of [
    [at, password],
    [{ cluster: [at] }, password],
    [{ connectionString: older.url }, password],
    [
      { sentinels: [{ host: sentinel.host, port: sentinel.port }], name: 'mymaster' },
      password.replace('password', 'sentinelPassword'),
    ],
  ]) {
    const error = await refused(open(t, options));
    assert.deepEqual([error.redisCode, error.message], ['NOAUTH', message]);
  }
});

/** Starts a service that is not Redis. It sends `greets` at first, and `answers` in reply. */
async function startService(t, { greets, answers = '' }) {
  const sockets = new Set();
  const listener = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    if (greets) socket.write(greets, 'latin1');
    socket.once('data', () => socket.end(answers, 'latin1'));
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => listener.close(resolve));
  });
  return listener.address().port;
}

const SERVICES = {
  'a web server': { answers: 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n' },
  'a web server of HTTP/2': { greets: '\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80' },
  SSH: { greets: 'SSH-2.0-OpenSSH_9.7\r\n', answers: 'Invalid SSH identification string.\r\n' },
  MySQL: {
    greets: 'J\0\0\0\n8.0.36\0\x08\0\0\0',
    answers: '!\0\0\x01\xff\x10\x04Got packets out of order',
  },
  PostgreSQL: { answers: 'E\0\0\0\x20SFATAL\0C0A000\0Mno\0\0' },
  SMTP: { greets: '220 mail.example ESMTP\r\n' },
  memcached: { answers: 'ERROR\r\nERROR\r\n' },
  AMQP: { answers: 'AMQP\0\0\x09\x01' },
};

test('R68 the error says that another service may be at the port, and does not ask about TLS', async (t) => {
  for (const [name, said] of Object.entries(SERVICES)) {
    const port = await startService(t, said);
    const at = { host: '127.0.0.1', port };
    for (const options of [at, { cluster: [at] }, { sentinels: [at], name: 'mymaster' }]) {
      const sessions = open(t, { ...options, commandTimeout: 300 });
      const { error } = await settled(sessions.get({ app, token }), 300);
      assert.equal(error?.code, 'ERR_SESSIONS_CONNECTION', name);
      assert.equal(
        error.message,
        `cannot reach redis at 127.0.0.1:${port}: it does not speak Redis' protocol (is it the port of another service?)`,
        name,
      );
    }
  }
});

test('R68 the error says to use TLS after a TLS alert, and asks about TLS if the server never answered', async (t) => {
  const message = async (said, options) => {
    const port = await startService(t, said);
    const sessions = open(t, { host: '127.0.0.1', port, commandTimeout: 300, ...options });
    const { error } = await settled(sessions.get({ app, token }), 300);
    return error.message.replace(String(port), 'port');
  };
  const at = 'cannot reach redis at 127.0.0.1:port:';
  assert.equal(
    await message({ answers: '\x15\x03\x01\0\x02\x02\x46' }),
    `${at} it asks for TLS (use rediss:// or the option \`tls\`)`,
  );
  assert.equal(await message({}), `${at} it closed the connection (does it ask for TLS?)`);
  const fake = await startFakeServer(t, ([name]) => (name === 'AUTH' ? null : undefined));
  const url = fake.url.replace('//', '//:s3cret@');
  const sessions = open(t, { connectionString: `${url}/2`, commandTimeout: 300 });
  const { error } = await settled(sessions.get({ app, token }), 300);
  assert.match(error.message, /it closed the connection$/, 'it has answered');
});

test('R68 the error does not ask about TLS if the server has answered before', async (t) => {
  let closes = false;
  const fake = await startFakeServer(t, () => (closes ? undefined : null));
  const sessions = open(t, { connectionString: fake.url, commandTimeout: 500 });
  assert.equal(await sessions.get({ app, token }), undefined);
  closes = true;
  fake.sever();
  const end = async () => (await settled(sessions.get({ app, token }), 500)).error;
  await waitUntil(
    async () => /it closed the connection$/.test((await end())?.message),
    'the reason',
  );
});

test('R68 the error says so if the nodes of a cluster have too many clients, and calls work once there is room', async (t) => {
  const cluster = await startCluster({ primaries: 3, replicas: 0 });
  t.after(() => cluster.stop());
  const limit = (clients) =>
    Promise.all(cluster.nodes.map(({ redis }) => redis.config('SET', 'maxclients', clients)));
  await limit('1');
  const sessions = open(t, { connectionString: cluster.url, commandTimeout: 700 });
  for (let n = 0; n < 10; n++) {
    const { error } = await settled(sessions.create({ app, ownerId: `owner ${n}` }), 700);
    assert.equal(error?.code, 'ERR_SESSIONS_CONNECTION');
    assert.match(error.message, /max number of clients/);
  }
  await limit('1000');
  await recovers(sessions, app);
});
