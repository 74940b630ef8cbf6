'use strict';

// The access rights in docs/access-rights.md are enough for all methods, on one server, behind
// Sentinel and on a Cluster, and none of them is superfluous.

const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, describe, test } = require('node:test');
const { SpotsSessions } = require('../index.js');
const foreign = require('../lib/foreign.js');
const { startCluster } = require('./support/cluster.js');
const { SessionStore } = require('../lib/session-store.js');
const { idOf, sessionKey } = require('./support/keys.js');
const { root } = require('./support/packed.js');
const { startRedis, waitUntil } = require('./support/redis-server.js');
const { startSentinels } = require('./support/sentinel.js');

const page = fs.readFileSync(path.join(root, 'docs', 'access-rights.md'), 'utf8');
const frameworks = fs.readFileSync(path.join(root, 'docs', 'frameworks.md'), 'utf8');
const rules = page.match(/(?<=^ {4}ACL )SETUSER spots .*$/gm).map((rule) => rule.split(' '));
const [ON_A_SERVER, BEHIND_SENTINEL, ON_A_CLUSTER, ON_A_SENTINEL] = rules;
const login = { username: 'spots', password: 'password' };
const owner = { app: 'shop', ownerId: '42' };

/** The rights that are not needed: the page says what they are good for. */
const NOT_NEEDED = /^(client(\|setinfo)?|info|pexpiretime)$/;

/**
 * Uses everything that an instance can do.
 *
 * @param {SpotsSessions} sessions
 * @param {import('ioredis').Redis} database where its sessions lie
 * @param {import('ioredis').Redis[]} admins of all servers
 */
async function useAll(sessions, database, admins) {
  const token = await sessions.create({ ...owner, data: { name: 'Ada' } });
  const call = { app: 'shop', token };
  assert.deepEqual(await sessions.get(call), { ownerId: '42', data: { name: 'Ada' } });
  assert.equal(await sessions.refresh({ ...call, duration: 60 }), true);
  assert.equal(await sessions.refresh({ ...call, duration: Infinity }), true);

  const name = 'x'.repeat(5000);
  assert.equal(await sessions.update({ ...call, data: { name } }), true);
  const key = sessionKey('shop', '42', token);
  await waitUntil(
    async () => (await database.strlen(key)) < name.length + 100,
    'the update to be folded',
  );
  assert.deepEqual((await sessions.get(call)).data, { name });

  await Promise.all(admins.map((admin) => admin.script('FLUSH')));
  assert.equal(await sessions.kill(call), true);
  await useLife(sessions, database);
  await sessions.create(owner);
  await sessions.create(owner);
  assert.equal(await sessions.killAll(owner), true);
  await useForeign(sessions);
  await sessions.ping();
  // The pointer to a session is dropped behind the answer.
  await waitUntil(async () => (await database.dbsize()) === 0, 'nothing to be left');
}

/** Uses sessions whose token was not made for their owner, as SessionStore does. @param {SpotsSessions} sessions */
async function useForeign(sessions) {
  const make = async (more) => {
    const token = randomBytes(32).toString('base64url');
    const session = { ...owner, token, data: {}, durationMs: 60_000, replace: true, ...more };
    assert.equal(await foreign.create(sessions, session), true);
    return { app: owner.app, token };
  };
  const call = await make({ ownerId: undefined });
  const patch = { set: { a: null }, deleted: ['b'] };
  const claim = { before: undefined, after: owner.ownerId, durationMs: 60_000 };
  assert.equal(await foreign.claim(sessions, { ...call, ...claim, ...patch }), true);
  assert.equal(await foreign.update(sessions, { ...call, ...patch }), true);
  for (const durationMs of [6e6, Infinity]) {
    assert.equal(await foreign.refresh(sessions, { ...call, durationMs }), true);
  }
  const token = await sessions.rotate(call);
  assert.equal((await foreign.load(sessions, { ...call, token })).ownerId, owner.ownerId);
  await make();
  const [{ id }, ...others] = await sessions.list(owner);
  assert.equal(others.length, 1);
  assert.equal(await sessions.kill({ ...owner, id }), true);
  assert.equal(await sessions.killAll(owner), true);
}

/** Uses `info`, `list`, `rotate`, `kill` by id, and what `create` takes besides. */
async function useLife(sessions, database, prefix = 'spots:') {
  const limits = { sliding: true, lifetime: 3600, maxSessions: 2 };
  const token = await sessions.create({ ...owner, ...limits });
  const key = sessionKey('shop', '42', token).replace('spots:', prefix);
  await database.pexpire(key, 100_000);
  assert.ok(await sessions.get({ app: 'shop', token }));
  await waitUntil(async () => (await database.pttl(key)) > 100_000, 'it to be extended');
  const rotated = await sessions.rotate({ app: 'shop', token });
  assert.equal(await sessions.refresh({ app: 'shop', token: rotated, duration: 60 }), true);
  const last = await sessions.create({ ...owner, ...limits });
  const { id, expiresAt } = await sessions.info({ app: 'shop', token: last });
  const listed = await sessions.list({ ...owner, token: last });
  const current = listed.find((session) => session.current);
  assert.ok(Math.abs(current.expiresAt - expiresAt) <= 1);
  assert.equal(await sessions.kill({ ...owner, id }), true);
  await sessions.create(owner);
  assert.equal(await sessions.killAll({ ...owner, except: rotated }), true);
  assert.equal(idOf(last), id);
}

/** The rights that a rule gives: commands, and channels. @param {string[]} rule */
function rightsOf(rule) {
  return rule.filter((word) => /^[+&]/.test(word));
}

/** What servers have refused, and why they logged it. @param {import('ioredis').Redis[]} admins */
async function refusedBy(admins) {
  const logs = await Promise.all(admins.map((admin) => admin.call('ACL', 'LOG')));
  return logs
    .flat()
    .map((entry) => entry[entry.indexOf('object') + 1])
    .filter((object) => !NOT_NEEDED.test(object));
}

/** Whether a refusal is due to this missing right. Redis 6.2 names the command without its subcommand. */
function isFor(right, object) {
  const name = right.slice(1);
  return object === name || object === name.split('|')[0];
}

describe('a user with the rights that docs/access-rights.md names', () => {
  /** @type {Awaited<ReturnType<typeof startRedis>>} */
  let server;
  /** @type {import('ioredis').Redis} */
  let admin;
  before(async () => {
    server = await startRedis();
    admin = server.client();
    await admin.call('ACL', ...ON_A_SERVER);
  });
  after(() => server?.stop());

  test('can call all methods, and has no right that they do not use', async () => {
    await admin.config('RESETSTAT');
    const sessions = new SpotsSessions({ host: server.host, port: server.port, db: 1, ...login });
    await useAll(sessions, server.client({ db: 1 }), [admin]);
    await sessions.close();

    const used = Object.keys(await server.commandStats());
    const isUsed = (right) => used.some((name) => isFor(right, name));
    assert.deepEqual(
      rightsOf(ON_A_SERVER).filter((right) => !isUsed(right)),
      [],
    );
    assert.deepEqual(await refusedBy([admin]), []);
  });

  test('lists and clears all sessions of a store with the right that docs/frameworks.md adds, and not without it', async (t) => {
    const [, added] = frameworks.match(/Besides\s+the \[rights of the methods\].* needs `(\+\w+)`/);
    const give = (rights) => admin.call('ACL', 'SETUSER', 'admin', 'reset', ...rights);
    await give(ON_A_SERVER.slice(3));
    const { host, port } = server;
    // It connects at once, so its user must be there.
    const sessions = new SpotsSessions({ host, port, db: 3, ...login, username: 'admin' });
    t.after(() => sessions.close());
    const store = new SessionStore({ sessions, app: 'shop', ownerId: ({ user }) => user });
    /** @type {[string, (result: any) => unknown][]} */
    const calls = [
      ['ids', ({ length }) => assert.equal(length, 2)],
      ['length', (length) => assert.equal(length, 2)],
      ['all', ({ length }) => assert.equal(length, 2)],
      ['clear', async () => assert.equal(await store.length(), 0)],
    ];
    for (const user of [undefined, '42']) await store.set(`of ${user}`, { cookie: {}, user });
    for (const [name] of calls) {
      await assert.rejects(store[name](), /NOPERM/, name);
    }
    await give([...ON_A_SERVER.slice(3), added]);
    await admin.call('ACL', 'LOG', 'RESET');
    for (const [name, check] of calls) await check(await store[name]());
    assert.deepEqual(await refusedBy([admin]), []);
  });

  test('of one prefix can call all methods with that prefix', async (t) => {
    const rights = ON_A_SERVER.slice(3).map((word) => (word === '~spots:*' ? '~team:*' : word));
    assert.ok(rights.includes('~team:*'));
    await admin.call('ACL', 'SETUSER', 'team', 'reset', ...rights);
    await admin.call('ACL', 'LOG', 'RESET');
    const { host, port } = server;
    const options = { host, port, db: 2, ...login, username: 'team', prefix: 'team:' };
    const sessions = new SpotsSessions(options);
    t.after(() => sessions.close());
    await useLife(sessions, server.client({ db: 2 }), 'team:');
    await sessions.killAll(owner);
    await useForeign(sessions);
    assert.deepEqual(await refusedBy([admin]), []);
  });

  test('can do nothing else', async () => {
    await admin.set('mine', 'secret');
    const user = server.client({ ...login, enableReadyCheck: false });
    for (const command of [['get', 'mine'], ['keys', '*'], ['flushall'], ['config', 'get', '*']]) {
      await assert.rejects(user.call(...command), /NOPERM/, command.join(' '));
    }
    assert.equal(await admin.get('mine'), 'secret');
  });

  test('of one app gets NOPERM for calls on another app, and all other calls keep their order', async () => {
    const name = 'clerk';
    await admin.call('ACL', 'SETUSER', name, 'on', '>password', '+@all', '~spots:{*:shop}:*');
    const { host, port } = server;
    const sessions = new SpotsSessions({ host, port, username: name, password: 'password' });
    const create = (app, ownerId) => sessions.create({ app, ownerId });
    const token = await create('shop', 'ann');
    const update = (app, n) => sessions.update({ app, token, data: { n } });
    // They cross in batches of 1, 1, 2 and 4 calls.
    const filled = Array.from({ length: 4 }, (_, n) => create('shop', `${n}`));
    const updates = [update('shop', 1), update('other', 2), sessions.get({ app: 'shop', token })];
    const ends = await Promise.allSettled([...filled, ...updates, update('shop', 3)]);
    assert.deepEqual(
      ends.slice(4).map(({ value, reason }) => value?.data ?? value ?? reason.redisCode),
      [true, 'NOPERM', { n: 1 }, true],
    );
    assert.equal((await sessions.get({ app: 'shop', token })).data.n, 3);

    const more = Array.from({ length: 4 }, (_, n) => create('shop', `${n}`));
    const [mine, , gone] = await Promise.allSettled([
      create('shop', 'me'),
      create('other', 'me'),
      sessions.killAll({ app: 'shop', ownerId: 'me' }),
      ...more,
    ]);
    assert.equal(gone.value, true);
    assert.equal(await sessions.get({ app: 'shop', token: mine.value }), undefined);
    await sessions.close();
  });
});

/**
 * A setup with several servers, each with its own user.
 *
 * @typedef {object} Place
 * @property {() => Promise<any>} start
 * @property {(servers: any) => object} address as the constructor takes it
 * @property {(servers: any) => [any[], string[][]][]} grants servers, and the rules that make their user
 * @property {string[]} added the rights that one server alone does not ask for
 * @property {(servers: any) => [any[], string[]][]} ofStore servers, and the rights that the lists of a store add
 * @property {string} [tried] a right that is used if it is there, and not needed
 * @property {(servers: any, sessions: SpotsSessions) => Promise<void>} [more] that is to be done there
 */

/** @type {Record<string, Place>} */
const PLACES = {
  'behind Sentinel': {
    start: () => startSentinels({ replicas: 1, sentinels: 3, downAfter: 60_000 }),
    address: ({ sentinels, name }) => ({
      sentinels: sentinels.map(({ host, port }) => ({ host, port })),
      ...{ name, sentinelUsername: login.username, sentinelPassword: login.password },
    }),
    grants: ({ nodes, sentinels }) => [
      [nodes, [ON_A_SERVER, BEHIND_SENTINEL]],
      [sentinels, [ON_A_SENTINEL]],
    ],
    added: [BEHIND_SENTINEL, ON_A_SENTINEL].flatMap(rightsOf),
    ofStore: ({ nodes, sentinels }) => [
      [nodes, ['+scan']],
      [sentinels, ['+sentinel|sentinels']],
    ],
    tried: '+readonly',
  },
  'on a Cluster': {
    start: () => startCluster({ primaries: 3, replicas: 1, downAfter: 60_000 }),
    address: ({ nodes }) => ({ cluster: nodes.map(({ host, port }) => ({ host, port })) }),
    grants: ({ nodes }) => [[nodes, [ON_A_SERVER, ON_A_CLUSTER]]],
    added: rightsOf(ON_A_CLUSTER),
    ofStore: ({ nodes }) => [[nodes, ['+scan', '+cluster|info']]],
    // A slot that moves, so that the old node answers with ASK.
    more: async (cluster, sessions) => {
      const token = await sessions.create(owner);
      assert.equal(await sessions.killAll(owner), true);
      const slot = await cluster.slotOf(sessionKey('shop', '42', token));
      const from = await cluster.slotOwner(slot);
      const to = (await cluster.primaries()).find((node) => node !== from);
      const begun = () => sessions.get({ app: 'shop', token });
      await cluster.reshard([slot], from, to, { begun });
    },
  },
};

for (const [name, place] of Object.entries(PLACES)) {
  const { start, address, grants, added, ofStore, tried = '', more } = place;
  describe(`users with the rights that docs/access-rights.md names ${name}`, () => {
    let servers;
    /** @type {Map<any, import('ioredis').Redis>} */
    let admins;
    const all = () => [...admins.values()];
    const primaries = async () => {
      const nodes = servers.primaries ? await servers.primaries() : [await servers.primary()];
      return nodes.map((node) => admins.get(node));
    };
    before(async () => {
      servers = await start();
      admins = new Map(grants(servers).flatMap(([of]) => of.map((node) => [node, node.client()])));
    });
    after(() => servers?.stop());

    /** Gives each server's user its rights, but for `withheld`. @param {string} [withheld] @param {string} [prefix] */
    async function grant(withheld, prefix = 'spots:') {
      for (const [nodes, rules] of grants(servers)) {
        // The rule begins with reset, which takes all earlier rights away.
        const [first, ...more] = rules;
        const words = [...first, ...more.flatMap(rightsOf)]
          .filter((word) => word !== withheld)
          .map((word) => (word === '~spots:*' ? `~${prefix}*` : word));
        for (const node of nodes) {
          await admins.get(node).call('ACL', ...words);
          await admins.get(node).call('ACL', 'LOG', 'RESET');
        }
      }
    }

    /** @param {'primary' | 'replica'} readFrom @param {object} [options] */
    const open = (readFrom, options) =>
      new SpotsSessions({ ...address(servers), ...login, readFrom, ...options });

    async function assertNothingRefused() {
      const refused = await refusedBy(all());
      assert.deepEqual(
        refused.filter((object) => !isFor(tried, object)),
        [],
      );
    }

    test('can call all methods', async (t) => {
      await grant();
      const sessions = open('primary');
      t.after(() => sessions.close());
      await useAll(sessions, servers.client(), await primaries());
      await more?.(servers, sessions);
      await assertNothingRefused();
    });

    test('lists and clears all sessions of a store with the rights that docs/frameworks.md adds', async (t) => {
      await grant();
      const sessions = open('primary');
      t.after(() => sessions.close());
      const store = new SessionStore({ sessions, app: 'shop', ownerId: ({ user }) => user });
      const users = Array.from({ length: 20 }, (_, n) => `user-${n}`);
      await Promise.all(users.map((user) => store.set(`the id of ${user}`, { cookie: {}, user })));
      for (const [nodes, rights] of ofStore(servers)) {
        for (const right of rights) assert.ok(frameworks.includes(`\`${right}\``), right);
        const add = (node) => admins.get(node).call('ACL', 'SETUSER', login.username, ...rights);
        await Promise.all(nodes.map(add));
      }
      assert.equal((await store.all()).length, users.length);
      assert.equal((await store.ids()).length, users.length);
      await store.clear();
      assert.equal(await store.length(), 0);
    });

    test('of one prefix can call all methods with that prefix, and none with another', async (t) => {
      await grant(undefined, 'team:');
      const sessions = open('primary', { prefix: 'team:' });
      const strange = open('primary');
      t.after(() => Promise.all([sessions.close(), strange.close()]));
      await useLife(sessions, servers.client(), 'team:');
      await sessions.killAll(owner);
      await useForeign(sessions);
      await sessions.ping();
      await more?.(servers, sessions);
      await assertNothingRefused();
      await assert.rejects(strange.create(owner), { redisCode: 'NOPERM' });
    });

    test("can read from replicas, with readFrom: 'replica'", async (t) => {
      await grant();
      const writer = open('primary');
      const reader = open('replica');
      t.after(() => Promise.all([writer.close(), reader.close()]));
      const owners = Array.from({ length: 20 }, (_, n) => ({ app: 'shop', ownerId: `${n}` }));
      const tokens = await Promise.all(owners.map((each) => writer.create(each)));
      const replicas = (await servers.replicas()).map((node) => admins.get(node));
      await Promise.all(replicas.map((admin) => admin.config('RESETSTAT')));
      await waitUntil(async () => {
        const found = await Promise.all(tokens.map((token) => reader.get({ app: 'shop', token })));
        assert.ok(found.every((session) => session !== undefined));
        await assertNothingRefused();
        const stats = await Promise.all(replicas.map((admin) => admin.info('commandstats')));
        return stats.some((text) => text.includes('cmdstat_get:'));
      }, 'a replica to be read from');
    });

    for (const right of added) {
      test(`need ${right}`, async (t) => {
        await grant(right);
        const sessions = open('replica', { commandTimeout: 1000 });
        t.after(() => sessions.close());
        await waitUntil(async () => {
          await sessions.create(owner).catch(() => {});
          if (right === '+asking') await more(servers, sessions).catch(() => {});
          return (await refusedBy(all())).some((object) => isFor(right, object));
        }, `the servers to miss ${right}`);
      });
    }
  });
}
