'use strict';

// A server that refuses the login, from the start or later: passwords, users, certificates.

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { test } = require('node:test');
const {
  assertOutage,
  endsOfAll,
  faultyServer,
  recovers,
  settled,
} = require('../support/faults.js');
const { freePort } = require('../support/redis-server.js');
const { waitUntil } = require('../support/wait-until.js');

const certificate = (name) => join(__dirname, '..', 'certificates', name);

/** Asserts that every method rejects with this code, at once. */
async function assertRefused(sessions, app, redisCode) {
  // A call that was in flight when the connection ended may reject with a timeout instead.
  const end = () => settled(sessions.killAll({ app, ownerId: 'nobody' }), 20_000);
  await waitUntil(async () => (await end()).error?.redisCode === redisCode, redisCode);
  for (const { error } of await endsOfAll(sessions, app, 20_000)) {
    assert.equal(error?.code, 'ERR_SESSIONS_REDIS');
    assert.equal(error.redisCode, redisCode, error.message);
  }
}

/** Closes all connections except the one that asks. */
const disconnect = (redis) => redis.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');

test('R29 after the password is changed, an open connection works on, and a new one is refused until the password is right', async (t) => {
  const { server, open, app, redis } = await faultyServer(t);
  const connectionString = server.url.replace('//', '//:s3cret@');
  await redis.config('SET', 'requirepass', 's3cret');
  const sessions = open({ connectionString, commandTimeout: 20_000 });
  const token = await sessions.create({ app, ownerId: 'ann', data: { n: 1 } });

  await redis.config('SET', 'requirepass', 'another');
  assert.deepEqual((await sessions.get({ app, token })).data, { n: 1 });
  await disconnect(redis);
  await assertRefused(sessions, app, 'WRONGPASS');
  await assertRefused(open(), app, 'NOAUTH');

  await redis.config('SET', 'requirepass', 's3cret');
  await recovers(sessions, app);
  assert.deepEqual((await sessions.get({ app, token })).data, { n: 1 });
});

test('R29 a user is refused while it is disabled, deleted or without a right, and works again afterwards', async (t) => {
  const { server, open, app, redis } = await faultyServer(t);
  const acl = (...rule) => redis.call('ACL', 'SETUSER', 'shop', ...rule);
  await acl('on', '>s3cret', '~spots:*', '+@all');
  const connectionString = server.url.replace('//', '//shop:s3cret@');
  const sessions = open({ connectionString, commandTimeout: 20_000 });
  const token = await sessions.create({ app, ownerId: 'ann', data: { n: 1 } });

  await acl('off');
  await disconnect(redis);
  await assertRefused(sessions, app, 'WRONGPASS');
  await acl('on');
  await recovers(sessions, app);

  await acl('-get');
  const { error } = await settled(sessions.get({ app, token }), 20_000);
  assert.equal(error.redisCode, 'NOPERM');
  assert.equal(await sessions.refresh({ app, token, duration: 60 }), true, 'the others work');
  await acl('+get');
  assert.deepEqual((await sessions.get({ app, token })).data, { n: 1 });

  await redis.call('ACL', 'DELUSER', 'shop');
  await assertRefused(sessions, app, 'WRONGPASS');
  await acl('on', '>s3cret', '~spots:*', '+@all');
  await recovers(sessions, app);
});

test('R29 few attempts are made to connect to a server that refuses the login, however many calls there are', async (t) => {
  const { proxy, open, app } = await faultyServer(t, {
    proxy: true,
    config: { requirepass: 's3cret' },
  });
  const sessions = open({ commandTimeout: 20_000 });
  const begun = Date.now();
  let calls = 0;
  for (; Date.now() < begun + 2000; calls++) await assertRefused(sessions, app, 'NOAUTH');
  // Pauses of 50 ms, doubling to 1 s, half of them random: at most 8 attempts in 2 s, then 2 a second.
  const most = 12 + Math.floor((Date.now() - begun - 2000) / 500);
  assert.ok(calls > 0 && proxy.connections <= most, `${proxy.connections} connections`);
});

test('R30 an unneeded password does no harm; an unknown user name is refused, unless allowUsernameInURI=false drops it', async (t) => {
  const { server, open, app, redis } = await faultyServer(t);
  const url = (login) => server.url.replace('//', `//${login}@`);
  await recovers(open({ connectionString: url(':s3cret') }), app);

  await redis.config('SET', 'requirepass', 's3cret');
  await assertRefused(open({ connectionString: url('h:s3cret') }), app, 'WRONGPASS');
  await recovers(open({ connectionString: url('default:s3cret') }), app);
  const ignored = `${url('h:s3cret')}?allowUsernameInURI=false`;
  await recovers(open({ connectionString: ignored }), app);
});

test('R33 once an expired certificate is replaced, the same instance works, without a restart', async (t) => {
  const port = await freePort();
  const config = {
    'tls-port': port,
    'tls-cert-file': certificate('expired.crt'),
    'tls-key-file': certificate('expired.key'),
    'tls-ca-cert-file': certificate('authority.crt'),
    'tls-auth-clients': 'no',
  };
  const { server, open, app } = await faultyServer(t, { config });
  const tls = { ca: readFileSync(certificate('authority.crt'), 'utf8') };
  const sessions = open({
    connectionString: `rediss://localhost:${port}`,
    tls,
    commandTimeout: 500,
  });
  await assertOutage(sessions, app, 500, /^ERR_SESSIONS_CONNECTION$/);
  const { error } = await settled(sessions.create({ app, ownerId: 'ann' }), 500);
  assert.match(error.message, /TLS failed: .*expired/);

  Object.assign(config, {
    'tls-cert-file': certificate('server.crt'),
    'tls-key-file': certificate('server.key'),
  });
  await server.restart();
  await recovers(sessions, app);
});
