'use strict';

// Between the steps of a call on a session whose token was not made for its owner, a replica takes over, or a slot moves:
// that of the token, or that of the owner. The call goes on, and nothing is lost.

const assert = require('node:assert/strict');
const { after, before, describe, test } = require('node:test');
const { SpotsSessions } = require('../../index.js');
const foreign = require('../../lib/foreign.js');
const { startCluster } = require('../support/cluster.js');
const checks = require('../support/foreign-checks.js');
const { inEachGap } = require('../support/foreign-steps.js');
const { patience } = require('../support/faulty-cluster.js');
const { hasReplicated } = require('../support/replicated.js');
const { startSentinels } = require('../support/sentinel.js');
const { freshName } = require('../support/targets.js');

const { assertFound, foreignKey, make, newToken, openedBy, pointersKey, publicIdOf } = checks;

const patch = { set: {}, deleted: [], durationMs: 600_000 };
const session = { ownerId: 'ann', data: { made: 'it' }, durationMs: 600_000 };

/** The calls, and who owns the session before, if there is one. */
const CALLS = {
  create: [
    'nothing',
    (it, address) => foreign.create(it, { ...address, ...session, replace: false }),
    true,
  ],
  'create in the place of a session': [
    'bob',
    (it, address) => foreign.create(it, { ...address, ...session, replace: true }),
    true,
  ],
  claim: [
    'bob',
    (it, address) => foreign.claim(it, { ...address, ...patch, before: 'bob', after: 'ann' }),
    true,
  ],
  rotate: ['ann', (it, address) => it.rotate(address), undefined],
  refresh: ['ann', (it, address) => it.refresh({ ...address, duration: 3600 }), true],
  kill: ['ann', (it, address) => it.kill(address), true],
  'kill by id': [
    'ann',
    (it, { app, token }) => it.kill({ app, ownerId: 'ann', id: publicIdOf(token) }),
    true,
  ],
  killAll: ['ann', (it, { app }) => it.killAll({ app, ownerId: 'ann' }), true],
  list: ['ann', (it, { app }) => it.list({ app, ownerId: 'ann' }), undefined],
};

/** Runs a call with `fault` in each of its gaps. @param {{ sessions: any, redis: any }} on */
function inEachGapOf(label, on, fault) {
  const [owner, call, expected] = CALLS[label];
  return inEachGap(async () => {
    const place = { ...on, app: freshName() };
    const { app } = place;
    const token = owner === 'nothing' ? newToken() : await make(place, { ownerId: owner });
    const tokens = [token, await make(place, { ownerId: 'cid' })];
    return {
      sessions: on.sessions,
      call: (it) => call(it, { app, token }),
      act: () => fault({ app, token }),
      check: async ({ value }) => {
        if (expected !== undefined) assert.equal(value, expected);
        if (label === 'list') assert.equal(value.length, 1);
        const all = [...tokens, value].filter(isText);
        assert.equal((await openedBy(place, all)).length, label.startsWith('kill') ? 1 : 2);
        await assertFound(place, all);
      },
    };
  });
}

const isText = (value) => typeof value === 'string';

describe('on a cluster', () => {
  let cluster;
  let on;
  before(async () => {
    cluster = await startCluster({ primaries: 3, replicas: 1, downAfter: 2000 });
    const connectionString = cluster.url;
    const sessions = new SpotsSessions({ connectionString, commandTimeout: patience });
    on = { sessions, redis: cluster.client() };
  });
  after(async () => {
    await on?.sessions.close();
    await cluster?.stop();
  });

  /** Moves the slot of a key. @param {string} key @param {(node: any) => unknown} [begun] */
  async function move(key, begun) {
    const slot = await cluster.slotOf(key);
    const from = await cluster.slotOwner(slot);
    const to = (await cluster.primaries()).find((node) => node !== from);
    await cluster.reshard([slot], from, to, { begun });
  }

  const KEYS = {
    'of the token': ({ app, token }) => foreignKey(app, token),
    'of the owner': ({ app }) => pointersKey(app, 'ann'),
  };

  for (const label of Object.keys(CALLS))
    for (const [whose, key] of Object.entries(KEYS))
      test(`${label} does all if the slot ${whose} moves between two steps`, () =>
        inEachGapOf(label, on, (address) => move(key(address))));

  for (const label of Object.keys(CALLS))
    test(`${label} does all if replicas take over between two steps`, () =>
      inEachGapOf(label, on, async (address) => {
        const keys = Object.values(KEYS).map((key) => key(address));
        const slots = await Promise.all(keys.map((key) => cluster.slotOf(key)));
        const primaries = await Promise.all(slots.map((slot) => cluster.slotOwner(slot)));
        for (const primary of new Set(primaries)) {
          await hasReplicated(primary.redis);
          await cluster.failover(primary);
        }
      }));

  for (const label of Object.keys(CALLS))
    for (const [whose, key] of Object.entries(KEYS))
      test(`${label} does all while the slot ${whose} is moving, with no key moved yet`, async () => {
        const [owner, call] = CALLS[label];
        const place = { ...on, app: freshName() };
        const { app } = place;
        const token = owner === 'nothing' ? newToken() : await make(place, { ownerId: owner });
        let pending;
        await move(key({ app, token }), async () => {
          pending = call(on.sessions, { app, token });
          // It may end now, or when the slot has moved.
          await Promise.race([pending, on.sessions.list({ app, ownerId: 'cid' })]);
        });
        const value = await pending;
        const tokens = [token, value].filter(isText);
        assert.equal((await openedBy(place, tokens)).length, label.startsWith('kill') ? 0 : 1);
        await assertFound(place, tokens);
      });
});

describe('behind Sentinel', () => {
  let group;
  let on;
  before(async () => {
    group = await startSentinels({ replicas: 1, sentinels: 3, downAfter: 5000 });
    const connectionString = group.url;
    const sessions = new SpotsSessions({ connectionString, commandTimeout: patience });
    on = { sessions, redis: group.client() };
  });
  after(async () => {
    await on?.sessions.close();
    await group?.stop();
  });

  for (const label of ['claim', 'rotate', 'refresh', 'killAll', 'list']) // the others are one step there
    test(`${label} does all if a replica takes over between two steps`, () =>
      inEachGapOf(label, on, async () => {
        await hasReplicated(on.redis);
        // On a busy machine the sentinels may give one up.
        await group.failover().catch(() => group.failover());
      }));
});
