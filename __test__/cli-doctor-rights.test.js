'use strict';

// The access rights that `doctor` misses: the same as in docs/access-rights.md, each found, and granted by the command
// that it prints.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, describe, test } = require('node:test');
const { FOR_REPLICAS, MORE, ON_A_SENTINEL, ON_A_SERVER } = require('../lib/cli/doctor/rights.js');
const { startCluster } = require('./support/cluster.js');
const {
  TELLS_REPLICAS_SOON,
  diagnose,
  diagnoseInEachForm,
  replicasToBeTold,
} = require('./support/doctor.js');
const { root } = require('./support/packed.js');
const { startRedis } = require('./support/redis-server.js');
const { startSentinels } = require('./support/sentinel.js');

const page = fs.readFileSync(path.join(root, 'docs', 'access-rights.md'), 'utf8');
const [SERVER, SENTINEL, CLUSTER, ON_SENTINELS] = page
  .match(/(?<=^ {4}ACL )SETUSER spots .*$/gm)
  .map((rule) => rule.split(' '));
const rightsOf = (rule) => rule.filter((word) => word.startsWith('+'));
const asLogin = (url) => url.replace(/:\/\/(.*@)?/, '://spots:password@');

test('doctor tries exactly the rights that docs/access-rights.md names', () => {
  const tried = (rows) => new Set(rows.map(([right]) => `+${right}`));
  assert.deepEqual(tried(ON_A_SERVER), new Set(rightsOf(SERVER)));
  assert.deepEqual(tried(MORE.sentinel), new Set(rightsOf(SENTINEL)));
  // `doctor` itself uses the last one, and so does readFrom: 'replica'.
  assert.deepEqual(
    tried([...ON_A_SENTINEL, ['sentinel|replicas']]),
    new Set(rightsOf(ON_SENTINELS)),
  );
  assert.deepEqual(tried([...MORE.cluster, ...FOR_REPLICAS]), new Set(rightsOf(CLUSTER)));
});

describe('doctor on one server', () => {
  /** @type {Awaited<ReturnType<typeof startRedis>>} */
  let server;
  /** @type {import('ioredis').Redis} */
  let admin;
  before(async () => {
    server = await startRedis();
    admin = server.client();
  });
  after(() => server?.stop());

  /** @param {...string} words */
  const acl = (...words) => admin.call('ACL', ...words);
  const url = () => asLogin(`${server.url}/1`);

  test('finds that a user with the documented rights has them all, and leaves no key', async () => {
    await acl(...SERVER);
    const { code, of } = await diagnose(url());
    assert.equal(of('rights').message, 'user spots may do all that the methods need');
    assert.equal(of('rights').status, 'ok');
    assert.equal(of('trial').status, 'ok');
    assert.equal(code, 0);
    assert.equal(await server.client({ db: 1 }).dbsize(), 0);
  });

  for (const right of rightsOf(SERVER)) {
    test(`misses ${right}, and the command that it prints gives it`, async () => {
      await acl(...SERVER.filter((word) => word !== right));
      const { code, of } = await diagnose(url());
      assert.equal(of('rights').status, 'problem');
      assert.equal(code, 1);
      assert.equal(of('rights').command, `ACL SETUSER spots ${right}`);
      await acl(...of('rights').command.split(' ').slice(1));
      assert.equal((await diagnose(url())).code, 0);
    });
  }

  test('misses the rights to the keys, also under a prefix', async () => {
    await acl(...SERVER, 'resetkeys', '~other:*');
    assert.equal((await diagnose(url())).of('rights').command, 'ACL SETUSER spots ~spots:*');
    const { code, of } = await diagnose(url(), '--prefix', 'team*:');
    assert.match(of('rights').message, /may not touch the keys team\*:\*$/);
    assert.equal(of('rights').command, 'ACL SETUSER spots ~team\\*:*');
    assert.equal(code, 1);
    assert.equal((await diagnose(url(), '--prefix', 'other:')).code, 0);
  });

  test('gives a user who may do nothing all that it needs, in one command', async () => {
    await acl('SETUSER', 'spots', 'reset', 'on', '>password');
    const before = await diagnoseInEachForm(asLogin(server.url));
    assert.equal(before.code, 1);
    assert.equal(await admin.dbsize(), 0);
    await acl(...before.of('rights').command.split(' ').slice(1));
    const after = await diagnose(asLogin(server.url));
    assert.deepEqual([after.code, after.of('rights').status], [0, 'ok']);
  });

  test('says what to leave out for a user who may use all keys already', async () => {
    await acl('SETUSER', 'spots', 'reset', 'on', '>password', '~*');
    await grantWithoutNames(admin, (await diagnose(asLogin(server.url))).of('rights'));
    assert.equal((await diagnose(asLogin(server.url))).code, 0);
  });
});

/** Grants what a finding prints for a user who may use all names already, as the finding says. */
async function grantWithoutNames(redis, { remedy, command }) {
  const words = command.split(' ').slice(1);
  await assert.rejects(redis.call('ACL', ...words), /is not valid/);
  assert.match(remedy, /without the last word if the user may use all (keys|channels) already:$/);
  await redis.call('ACL', ...words.slice(0, -1));
}

for (const [name, start, rule] of [
  [
    'behind Sentinel',
    () => startSentinels({ replicas: 1, sentinels: 3, downAfter: 60_000 }),
    SENTINEL,
  ],
  [
    'on a Cluster',
    () =>
      startCluster({ primaries: 3, replicas: 1, downAfter: 60_000, config: TELLS_REPLICAS_SOON }),
    CLUSTER,
  ],
]) {
  test(`doctor ${name} finds the server that lacks the user's rights`, async (t) => {
    const servers = await start();
    t.after(() => servers.stop());
    if (servers.slotOf) await replicasToBeTold(servers);
    const admins = servers.nodes.map((node) => node.client());
    const words = [...SERVER, ...rightsOf(rule)];
    await Promise.all(admins.map((admin) => admin.call('ACL', ...words)));
    const before = await diagnose(asLogin(servers.url));
    assert.equal(before.of('rights').status, 'ok', JSON.stringify(before.checks));
    assert.equal(before.code, 0);

    const [last] = servers.nodes.slice(-1);
    await last.client().call('ACL', ...words.filter((word) => word !== '+append'));
    const { code, checks } = await diagnose(asLogin(servers.url));
    const rights = checks.filter(({ check, status }) => check === 'rights' && status === 'problem');
    assert.deepEqual(
      rights.map(({ message, command }) => [message, command]),
      [[`user spots may not call append (at 127.0.0.1:${last.port})`, 'ACL SETUSER spots +append']],
    );
    assert.equal(code, 1);
  });
}

test('doctor finds what the user of the sentinels lacks, and the command that it prints gives it', async (t) => {
  const group = await startSentinels({ replicas: 1, sentinels: 1, downAfter: 60_000 });
  t.after(() => group.stop());
  const [sentinel] = group.sentinels;
  const admin = sentinel.client();
  const url = `${group.url}&sentinelUsername=spots&sentinelPassword=password`;
  for (const missing of ['+subscribe', '&+switch-master']) {
    await admin.call('ACL', ...ON_SENTINELS.filter((word) => word !== missing));
    const { code, checks } = await diagnose(url);
    const [found] = checks.filter(
      ({ check, status }) => check === 'rights' && status === 'problem',
    );
    assert.equal(code, 1);
    assert.match(found.message, /^user spots of the sentinels may not/);
    assert.ok(found.command.includes(missing));
    await admin.call('ACL', ...found.command.split(' ').slice(1));
    assert.equal((await diagnose(url)).code, 0);
  }

  const mute = ON_SENTINELS.filter((word) => word !== '+subscribe');
  await admin.call('ACL', ...mute, 'allchannels');
  const { checks } = await diagnose(url);
  const [found] = checks.filter(({ check, status }) => check === 'rights' && status === 'problem');
  await grantWithoutNames(admin, found);
  assert.equal((await diagnose(url)).code, 0);
});
