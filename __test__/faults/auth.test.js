'use strict';

// A server that does not let us in, or no longer: passwords, users, certificates.

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

/** Asserts that every method is refused by this name, at once and without the secret. */
async function assertRefused(sessions, app, redisCode) {
  // What was under way when the connection ended may have acted, and says that instead.
  const end = () => settled(sessions.killAll({ app, ownerId: 'nobody' }), 20_000);
  await waitUntil(async () => (await end()).error?.redisCode === redisCode, redisCode);
  for (const { error } of await endsOfAll(sessions, app, 20_000)) {
    assert.equal(error?.code, 'ERR_SESSIONS_REDIS');
    assert.equal(error.redisCode, redisCode, error.message);
  }
}

/** Closes the connections of all but those that ask. */
const disconnect = (redis) => redis.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');

test('R29 a password that is changed: what is connected goes on, a new connection is refused until it is right', async (t) => {
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

test('R29 a user that is disabled and enabled again, and loses a right and gets it back', async (t) => {
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

test('R29 a server that refuses us is not hammered, however many calls there are', async (t) => {
  const { proxy, open, app } = await faultyServer(t, {
    proxy: true,
    config: { requirepass: 's3cret' },
  });
  const sessions = open({ commandTimeout: 20_000 });
  const begun = Date.now();
  let calls = 0;
  for (; Date.now() < begun + 2000; calls++) await assertRefused(sessions, app, 'NOAUTH');
  // 50 ms, doubling to 1 s, half of it random: 8 at the most in 2 s, and then 2 a second.
  const most = 12 + Math.floor((Date.now() - begun - 2000) / 500);
  assert.ok(calls > 0 && proxy.connections <= most, `${proxy.connections} connections`);
});

test('R30 a password for a server that needs none is no failure; a user name for one that has none is', async (t) => {
  const { server, open, app, redis } = await faultyServer(t);
  const url = (login) => server.url.replace('//', `//${login}@`);
  await recovers(open({ connectionString: url(':s3cret') }), app);

  await redis.config('SET', 'requirepass', 's3cret');
  await assertRefused(open({ connectionString: url('h:s3cret') }), app, 'WRONGPASS');
  await recovers(open({ connectionString: url('default:s3cret') }), app);
  const ignored = `${url('h:s3cret')}?allowUsernameInURI=false`;
  await recovers(open({ connectionString: ignored }), app);
});

test('R33 a certificate that is replaced by a good one: the same instance works, without a restart', async (t) => {
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
