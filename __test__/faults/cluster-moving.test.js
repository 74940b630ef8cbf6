'use strict';

// Slots that move from node to node, step by step and under load: the calls on their sessions succeed.

const assert = require('node:assert/strict');
const { after, before, beforeEach, describe, test } = require('node:test');
const { SpotsSessions } = require('../../index.js');
const { startCluster } = require('../support/cluster.js');
const { faultyCluster, patience } = require('../support/faulty-cluster.js');
const { idOf, indexKey, sessionKey } = require('../support/keys.js');
const { startLoad } = require('../support/load.js');
const { freshName } = require('../support/targets.js');
const { waitUntil } = require('../support/wait-until.js');

const times = (count, make) => Array.from({ length: count }, (_, n) => make(n));

/** How often a node has carried out or refused a command. */
async function asked(node, command) {
  const text = await node.redis.info('commandstats');
  const line = text.match(new RegExp(`^cmdstat_${command}:(.*)$`, 'm'))?.[1] ?? '';
  return [...line.matchAll(/(?:^|,|_)calls=(\d+)/g)].reduce((sum, [, n]) => sum + Number(n), 0);
}

describe('R36 while a slot moves', () => {
  const SESSIONS = 250; // Three steps of killAll.
  /** @type {Awaited<ReturnType<typeof startCluster>>} */
  let cluster;
  /** @type {SpotsSessions} */
  let sessions;
  let client;
  before(async () => {
    cluster = await startCluster({ primaries: 3, replicas: 0, downAfter: 60_000 });
    sessions = new SpotsSessions({ connectionString: cluster.url, commandTimeout: patience });
    client = cluster.client();
  });
  after(async () => {
    await sessions?.close();
    await cluster?.stop();
  });

  const ownerId = 'ann';
  let app;
  let tokens;
  let owner;
  beforeEach(async () => {
    app = freshName();
    tokens = await Promise.all(
      times(SESSIONS, (n) => sessions.create({ app, ownerId, data: { n }, duration: 600 })),
    );
    const slot = await cluster.slotOf(indexKey(app, ownerId));
    const from = await cluster.slotOwner(slot);
    const to = cluster.nodes.find((node) => node !== from);
    owner = { slot, from, to };
  });

  const index = () => indexKey(app, ownerId);
  const keysOf = (some) => some.map((token) => sessionKey(app, ownerId, token));

  /** Each state of a slot that moves: which of its keys have left the old node. */
  const STATES = [
    { state: 'no key has left', leave: () => [] },
    { state: 'half of the sessions have left', leave: () => keysOf(tokens.slice(0, 125)) },
    { state: 'the last sessions have left', leave: () => keysOf(tokens.slice(-50)) },
    { state: 'all sessions have left, the index has not', leave: () => keysOf(tokens) },
    { state: 'the index has left, no session has', leave: () => [index()] },
    {
      state: 'the index has left, with half of the sessions',
      leave: () => [index(), ...keysOf(tokens.slice(0, 125))],
    },
    {
      state: 'all keys have left, and the slot is not assigned yet',
      leave: () => [index(), ...keysOf(tokens)],
    },
  ];

  /** Moves the slot, and calls `act` when the keys of `leave` have left. */
  async function halfway(leave, act) {
    const { slot, from, to } = owner;
    const begun = async () => {
      const keys = leave();
      if (keys.length)
        await from.redis.call('MIGRATE', to.host, to.port, '', 0, 5000, 'KEYS', ...keys);
      await act();
    };
    await cluster.reshard([slot], from, to, { begun });
  }

  /** Makes calls, and resolves when the nodes have seen so many more commands, answered or not. */
  async function areAsked(command, act, more) {
    const count = async () =>
      (await Promise.all([owner.from, owner.to].map((node) => asked(node, command)))).reduce(
        (sum, n) => sum + n,
      );
    const until = (await count()) + more;
    const calls = act();
    await waitUntil(async () => (await count()) >= until, 'the nodes to be asked');
    return calls;
  }

  for (const { state, leave } of STATES) {
    test(`killAll ends all sessions and resolves to true when ${state}`, async () => {
      let killed;
      await halfway(leave, async () => {
        [killed] = await areAsked('evalsha', () => [sessions.killAll({ app, ownerId })], 2);
      });
      assert.equal(await killed, true);
      const found = await Promise.all(tokens.map((token) => sessions.get({ app, token })));
      assert.deepEqual(found, Array(SESSIONS).fill(undefined));
      assert.deepEqual(await client.keys(`*:${app}}*`), []);
    });

    test(`the other methods act once, and each session stays in its index, when ${state}`, async () => {
      let calls;
      const [first, second, third, ...rest] = [tokens[0], tokens[60], tokens[249], tokens[130]];
      await halfway(leave, async () => {
        const act = () => [
          ...[first, second, third].map((token) => sessions.update({ app, token, data: { a: 1 } })),
          ...[first, second, third].map((token) => sessions.refresh({ app, token, duration: 900 })),
          ...rest.map((token) => sessions.kill({ app, token })),
          sessions.create({ app, ownerId, data: { n: 'new' }, duration: 600 }),
        ];
        calls = await areAsked('evalsha', act, 8);
        // A read does not wait: the session is found on either node.
        const found = await Promise.all(
          tokens.slice(0, 125).map((token) => sessions.get({ app, token })),
        );
        assert.deepEqual(
          found.map((session) => session?.data.n),
          times(125, (n) => n),
        );
      });
      const answers = await Promise.all(calls);
      const created = answers.pop();
      assert.deepEqual(answers, Array(7).fill(true));
      assert.deepEqual((await sessions.get({ app, token: third })).data, { n: 249, a: 1 });
      assert.deepEqual((await sessions.get({ app, token: created })).data, { n: 'new' });
      const live = [...tokens.filter((token) => !rest.includes(token)), created];
      const ids = await client.zrange(index(), 0, -1);
      assert.deepEqual(ids.sort(), live.map(idOf).sort());
      assert.equal(await sessions.killAll({ app, ownerId }), true);
      assert.deepEqual(await client.keys(`*:${app}}*`), []);
    });
  }

  for (const method of ['kill', 'killAll']) {
    test(`${method} of an owner’s only session resolves to true at once when no key has left`, async () => {
      await sessions.killAll({ app, ownerId });
      const token = await sessions.create({ app, ownerId });
      const request = { kill: { app, token }, killAll: { app, ownerId } }[method];
      // The script deletes the index, too. While a slot moves, its node redirects commands on absent keys.
      await halfway(
        () => [],
        async () => assert.equal(await sessions[method](request), true),
      );
      assert.equal(await sessions[method](request), false);
    });
  }

  test('killAll ends an owner’s only session when the index has left, and the session has not', async () => {
    await sessions.killAll({ app, ownerId });
    const token = await sessions.create({ app, ownerId });
    let killed;
    await halfway(
      () => [index()],
      async () => {
        [killed] = await areAsked('evalsha', () => [sessions.killAll({ app, ownerId })], 2);
      },
    );
    assert.equal(await killed, true);
    assert.equal(await sessions.get({ app, token }), undefined);
    assert.deepEqual(await client.keys(`*:${app}}*`), []);
  });

  test('killAll of an owner without sessions resolves to false once the slot has moved', async () => {
    await sessions.killAll({ app, ownerId });
    let killed;
    await halfway(
      () => [],
      async () => {
        [killed] = await areAsked('evalsha', () => [sessions.killAll({ app, ownerId })], 2);
      },
    );
    assert.equal(await killed, false);
  });
});

test('R36 no call fails while slots move to a new node and back, under load, and few connections are opened', async (t) => {
  const { cluster, open, app } = await faultyCluster(t, {
    primaries: 3,
    replicas: 0,
    downAfter: 60_000,
  });
  const owners = times(12, (n) => `owner-${n}`);
  const slots = await Promise.all(owners.map((owner) => cluster.slotOf(indexKey(app, owner))));
  const sessions = open();
  const load = startLoad(t, sessions, {
    app,
    commandTimeout: patience,
    ownerOf: (worker) => owners[worker],
  });
  await load.goesOn();
  const added = await cluster.addNode();
  const homes = await Promise.all(slots.map((slot) => cluster.slotOwner(slot)));
  const connections = async () =>
    Number((await added.redis.info('stats')).match(/total_connections_received:(\d+)/)[1]);
  const before = await connections();

  /** Waits until a node has redirected calls by `ASK`, because the keys had left it. */
  const sendsOn =
    (from, calls = 3) =>
    async () => {
      const sent = async () =>
        Number(
          (await from.redis.info('errorstats')).match(/^errorstat_ASK:count=(\d+)/m)?.[1] ?? 0,
        );
      const until = (await sent()) + calls;
      await load.sees(async () => (await sent()) >= until, 'calls to be redirected');
    };
  for (const [n, slot] of slots.entries())
    await cluster.reshard([slot], homes[n], added, { moved: sendsOn(homes[n], n === 0 ? 30 : 3) });
  await load.goesOn();
  // One of the instance, one of each node that sends keys, and some of the harness.
  const made = (await connections()) - before;
  assert.ok(made < 15, `${made} connections to the new node`);

  for (const [n, slot] of slots.entries())
    await cluster.reshard([slot], added, homes[n], { moved: sendsOn(added) });
  await cluster.removeNode(added);
  await load.goesOn();
  await load.stop();
  assert.deepEqual(load.errors, {});
});

test('R36 a node without a host name is found by its address, in a cluster that prefers host names', async (t) => {
  const { cluster, open, app } = await faultyCluster(t, {
    primaries: 3,
    replicas: 0,
    downAfter: 60_000,
  });
  const byName = ({ redis }) => redis.config('SET', 'cluster-preferred-endpoint-type', 'hostname');
  const isKnown = await Promise.all(cluster.nodes.map(byName)).catch(() => false);
  if (!isKnown) return t.skip('Redis 6 has no names of nodes');
  const sessions = open();
  const heard = [];
  sessions.on('error', ({ message }) => heard.push(message));
  const token = await sessions.create({ app, ownerId: 'ann' });
  const slot = await cluster.slotOf(indexKey(app, 'ann'));
  const from = await cluster.slotOwner(slot);
  const to = cluster.nodes.find((node) => node !== from);
  let found;
  const moved = async () => {
    const before = await asked(from, 'get');
    found = sessions.get({ app, token });
    await waitUntil(async () => (await asked(from, 'get')) > before, 'ASK ?');
  };
  await cluster.reshard([slot], from, to, { moved });
  assert.ok(await found);
  await cluster.reshard([slot], to, from);
  assert.ok(await sessions.get({ app, token }));
  assert.deepEqual(heard, []);
});

test('R36 calls go on while topology refreshes fail, and events report the failure and its end', async (t) => {
  const { cluster, open, app } = await faultyCluster(t, {
    primaries: 3,
    replicas: 0,
    downAfter: 60_000,
  });
  const sessions = open();
  const heard = [];
  for (const event of ['ready', 'error']) sessions.on(event, () => heard.push(event));
  const errors = () => heard.filter((event) => event === 'error').length;
  /** A session on each node, so that each is connected. */
  const onNodes = new Map();
  for (let n = 0; onNodes.size < 3; n++) {
    const slot = await cluster.slotOf(indexKey(app, `${n}`));
    const token = await sessions.create({ app, ownerId: `${n}` });
    onNodes.set(await cluster.slotOwner(slot), { slot, token });
  }
  const [from, to, slow] = onNodes.keys();
  const { slot, token } = onNodes.get(from);
  const isFound = async () => assert.ok(await sessions.get({ app, token }));

  // Open connections stay. They suffice to follow a slot that moves between known nodes.
  const takeNoMore = (most) =>
    Promise.all(cluster.nodes.map(({ redis }) => redis.config('SET', 'maxclients', most)));
  await cluster.reshard([slot], from, to, { moved: () => takeNoMore(1) });
  await isFound();

  // A call that is not answered for a second starts a topology refresh.
  await slow.redis.client('PAUSE', 60_000, 'WRITE');
  const waits = sessions.kill({ app, token: onNodes.get(slow).token });
  await waitUntil(() => errors() > 0, 'a topology refresh to fail');
  await slow.redis.client('UNPAUSE');
  assert.equal(await waits, true);

  const before = errors();
  const failed = async () => {
    await isFound();
    return errors() >= before + 3;
  };
  await waitUntil(failed, 'more topology refreshes to fail');

  await takeNoMore(1000);
  await isFound();
  await waitUntil(() => heard.at(-1) === 'ready', 'a topology refresh to succeed');
});
