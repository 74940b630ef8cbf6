'use strict';

// A slot that moves from node to node while its sessions are listed, described, rotated, ended by id, limited and
// extended: no session is lost, and no answer is a half one.

const assert = require('node:assert/strict');
const { after, before, beforeEach, describe, test } = require('node:test');
const { SpotsSessions } = require('../../index.js');
const { startCluster } = require('../support/cluster.js');
const { faultyCluster, patience } = require('../support/faulty-cluster.js');
const { settled } = require('../support/faults.js');
const { idOf, indexKey, sessionKey } = require('../support/keys.js');
const { freshName } = require('../support/targets.js');
const { waitUntil } = require('../support/wait-until.js');

const times = (count, make) => Array.from({ length: count }, (_, n) => make(n));
const ownerId = 'ann';
const SESSIONS = 20;

describe('R36 while the slot of an owner moves', () => {
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

  let app;
  let tokens;
  let ids;
  let owner;
  beforeEach(async () => {
    app = freshName();
    owner = { app, ownerId };
    const create = (n) =>
      sessions.create({ ...owner, data: { n }, duration: 600, sliding: n % 2 === 1 });
    tokens = await Promise.all(times(SESSIONS, create));
    ids = tokens.map(idOf);
  });

  const index = () => indexKey(app, ownerId);
  const keysOf = (some) => some.map((token) => sessionKey(app, ownerId, token));
  const members = async () => (await client.zrange(index(), 0, -1)).sort();
  const idsOf = (all) => all.map(({ id }) => id).sort();

  /** Each state of a slot that moves: which of its keys have left the old node. */
  const STATES = [
    ['no key has left', () => []],
    ['half of the sessions have left', () => keysOf(tokens.slice(0, SESSIONS / 2))],
    ['all sessions have left, the index has not', () => keysOf(tokens)],
    ['the index has left, no session has', () => [index()]],
    [
      'the index has left, with half of the sessions',
      () => [index(), ...keysOf(tokens.slice(0, SESSIONS / 2))],
    ],
    ['all keys have left, and the slot is not assigned yet', () => [index(), ...keysOf(tokens)]],
  ];

  /** Moves the slot, and calls `act` when the keys of `leave` have left. */
  async function halfway(leave, act) {
    const slot = await cluster.slotOf(index());
    const from = await cluster.slotOwner(slot);
    const to = cluster.nodes.find((node) => node !== from);
    const begun = async () => {
      const keys = leave();
      if (keys.length)
        await from.redis.call('MIGRATE', to.host, to.port, '', 0, 5000, 'KEYS', ...keys);
      await act([from, to]);
    };
    await cluster.reshard([slot], from, to, { begun });
  }

  /** How many scripts the nodes were asked for, carried out or not. */
  async function asked(nodes) {
    const texts = await Promise.all(nodes.map(({ redis }) => redis.info('commandstats')));
    const lines = texts.flatMap((text) => text.match(/^cmdstat_evalsha:.*$/gm) ?? []);
    const counts = lines.flatMap((line) => [...line.matchAll(/(?:^|:|,|_)calls=(\d+)/g)]);
    return counts.reduce((sum, [, n]) => sum + Number(n), 0);
  }

  /** Makes calls, and goes on once the nodes have been asked for as many scripts. */
  async function areAsked(nodes, calls) {
    const before = await asked(nodes);
    const made = calls();
    await waitUntil(async () => (await asked(nodes)) >= before + made.length, 'the scripts');
    return made;
  }

  for (const [state, leave] of STATES) {
    test(`list has all sessions, and info each of them, when ${state}`, async () => {
      let listed;
      let described;
      await halfway(leave, async (nodes) => {
        [listed] = await areAsked(nodes, () => [sessions.list({ ...owner, token: tokens[3] })]);
        // A hasty caller gets a rejection or all sessions, and never a part of them.
        const hasty = new SpotsSessions({ connectionString: cluster.url, commandTimeout: 500 });
        const { value } = await settled(hasty.list(owner), 500);
        if (value) assert.deepEqual(idsOf(value), [...ids].sort());
        await hasty.close();
        described = await Promise.all(tokens.map((token) => sessions.info({ app, token })));
      });
      const all = await listed;
      assert.deepEqual(idsOf(all), [...ids].sort());
      assert.deepEqual(
        all.filter(({ current }) => current).map(({ id }) => id),
        [ids[3]],
      );
      assert.deepEqual(
        described.map((found) => [found?.id, found?.data.n]),
        ids.map((id, n) => [id, n]),
      );
    });

    test(`rotate and kill by id act once, when ${state}`, async () => {
      let calls;
      await halfway(leave, async (nodes) => {
        calls = await areAsked(nodes, () => [
          sessions.rotate({ app, token: tokens[0] }),
          sessions.rotate({ app, token: tokens[15] }),
          sessions.kill({ ...owner, id: ids[5] }),
          sessions.kill({ ...owner, id: ids[16] }),
        ]);
      });
      const [first, second, ...killed] = await Promise.all(calls);
      assert.deepEqual(killed, [true, true]);
      const ended = [0, 15, 5, 16];
      for (const n of ended)
        assert.equal(await sessions.get({ app, token: tokens[n] }), undefined, `${n}`);
      assert.equal((await sessions.get({ app, token: first }))?.data.n, 0);
      assert.equal((await sessions.get({ app, token: second }))?.data.n, 15);
      const left = [...ids.filter((_, n) => !ended.includes(n)), ...[first, second].map(idOf)];
      assert.deepEqual(idsOf(await sessions.list(owner)), left.sort());
      assert.deepEqual(await members(), left);
    });

    test(`a create with maxSessions leaves as many, itself among them, when ${state}`, async () => {
      let calls;
      await halfway(leave, async (nodes) => {
        calls = await areAsked(nodes, () => [
          sessions.create({ ...owner, duration: 900, maxSessions: 5 }),
        ]);
      });
      const [created] = await Promise.all(calls);
      const found = await Promise.all(tokens.map((token) => sessions.get({ app, token })));
      const live = [...ids.filter((_, n) => found[n]), idOf(created)].sort();
      assert.equal(live.length, 5);
      assert.ok(await sessions.get({ app, token: created }));
      assert.deepEqual(await members(), live);
    });

    test(`killAll except leaves only that session, when ${state}`, async () => {
      let calls;
      await halfway(leave, async (nodes) => {
        calls = await areAsked(nodes, () => [sessions.killAll({ ...owner, except: tokens[12] })]);
      });
      assert.deepEqual(await Promise.all(calls), [true]);
      assert.deepEqual(idsOf(await sessions.list(owner)), [ids[12]]);
      assert.deepEqual(await members(), [ids[12]]);
      const keys = await client.keys(`*:${app}}:s:*`);
      assert.deepEqual(keys, [sessionKey(app, ownerId, tokens[12])]);
    });

    test(`a sliding session that is used is extended in the end, when ${state}`, async () => {
      const key = sessionKey(app, ownerId, tokens[1]);
      await client.pexpire(key, 300_000);
      await halfway(leave, async () => {
        assert.equal((await sessions.get({ app, token: tokens[1] })).data.n, 1);
      });
      await waitUntil(async () => (await client.pttl(key)) > 500_000, 'it to be extended');
      assert.deepEqual(await members(), [...ids].sort());
    });
  }
});

test('R36 no list is incomplete and no rotation loses a session while slots move to and fro, under load', async (t) => {
  const { cluster, open, app } = await faultyCluster(t, {
    primaries: 3,
    replicas: 0,
    downAfter: 60_000,
  });
  const sessions = open();
  const owner = { app, ownerId };
  let stopped = false;
  let rounds = 0;
  const tokens = await Promise.all(times(10, (n) => sessions.create({ ...owner, data: { n } })));
  const rotating = tokens.map(async (first, n) => {
    let token = first;
    for (; !stopped; rounds++) {
      const old = token;
      token = await sessions.rotate({ app, token });
      assert.ok(token, `session ${n} was lost`);
      assert.equal((await sessions.get({ app, token }))?.data.n, n);
      assert.equal(await sessions.get({ app, token: old }), undefined);
      tokens[n] = token;
    }
  });
  // Its sessions stay, so each list must have all of them.
  const still = { app, ownerId: 'bob' };
  const ids = (await Promise.all(times(10, () => sessions.create(still)))).map(idOf).sort();
  let lists = 0;
  const listing = (async () => {
    for (; !stopped; lists++) {
      const all = await sessions.list(still);
      assert.deepEqual(all.map(({ id }) => id).sort(), ids);
    }
  })();
  const work = Promise.all([...rotating, listing]);
  work.catch(() => {
    stopped = true;
  });
  for (const id of [ownerId, 'bob', ownerId, 'bob']) {
    const slot = await cluster.slotOf(indexKey(app, id));
    const from = await cluster.slotOwner(slot);
    const to = cluster.nodes.find((node) => node !== from);
    const goesOn = async () => {
      const until = id === 'bob' ? rounds : lists; // the calls on the other slot
      const count = () => (id === 'bob' ? rounds : lists);
      await waitUntil(() => stopped || count() > until + 3, 'the work to go on');
    };
    await cluster.reshard([slot], from, to, { begun: goesOn, moved: goesOn });
    await goesOn();
  }
  stopped = true;
  await work;
  const all = await sessions.list(owner);
  assert.deepEqual(all.map(({ id }) => id).sort(), tokens.map(idOf).sort());
});
