'use strict';

// Failovers behind Sentinel, under load: on command, after a crash, after a hang, and one that no
// sentinel reports.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { SpotsSessions } = require('../../index.js');
const { assertExtensionSurvives } = require('../support/extension-in-flight.js');
const { startFakeSentinel } = require('../support/fake-sentinel.js');
const { recovers } = require('../support/faults.js');
const { startLoad } = require('../support/load.js');
const { hasReplicated } = require('../support/replicated.js');
const { startRedis } = require('../support/redis-server.js');
const { startSentinels } = require('../support/sentinel.js');
const { freshName } = require('../support/targets.js');
const { waitUntil } = require('../support/wait-until.js');

const PATIENT = 30_000;
const HASTY = 300;

/**
 * A primary with replicas and sentinels, and instances: all end with the test.
 *
 * @param {import('node:test').TestContext} t
 * @param {import('../support/sentinel.js').SentinelOptions} [options]
 */
async function sentinels(t, options) {
  const group = await startSentinels(options);
  /** @type {SpotsSessions[]} */
  const opened = [];
  t.after(async () => {
    for (const node of [...group.nodes, ...group.sentinels]) node.kill('SIGCONT');
    await Promise.all(opened.map((sessions) => sessions.close()));
    await group.stop();
  });
  const open = (commandTimeout) => {
    const sessions = new SpotsSessions({ connectionString: group.url, commandTimeout });
    opened.push(sessions);
    return sessions;
  };
  return { group, open, app: freshName() };
}

/** The slow log notes every command, with its arguments. */
const NOTED = { 'slowlog-log-slower-than': 0, 'slowlog-max-len': 1_000_000 };

/** How many commands of our methods a server has carried out for an app, by its slow log. */
async function commandsOf(server, app) {
  const notes = await server.client().slowlog('GET', -1);
  const isOurs = ([name, ...args]) => /^(evalsha|eval|get)$/i.test(name) && `${args}`.includes(app);
  return notes.filter(([, , , command]) => isOurs(command)).length;
}

const FAULTS = [
  {
    fault: 'SENTINEL FAILOVER',
    strike: (group) => group.failover(),
  },
  {
    fault: 'kill -9 of the primary',
    strike: async (group, old) => {
      await group.kill(old);
      return group.promoted(old);
    },
    after: (old) => old.start(),
  },
  {
    fault: 'SIGSTOP of the primary',
    strike: async (group, old) => {
      group.pause(old);
      return group.promoted(old);
    },
    after: (old, group) => group.resume(old),
  },
];

for (const { fault, strike, after } of FAULTS) {
  test(`R35 after ${fault}, under load, calls wait for the new primary, and none goes to the old one`, async (t) => {
    const { group, open, app } = await sentinels(t, {
      config: { requirepass: 's3cret', ...NOTED },
      sentinelPassword: 's3cret-too',
    });
    const old = await group.primary();
    const patient = open(PATIENT);
    const ownerId = 'lasting';
    const lasting = { ownerId, token: await patient.create({ app, ownerId }) };
    await hasReplicated(old.client(), { atLeast: 2 });
    const work = startLoad(t, patient, { app, commandTimeout: PATIENT, lasting });
    const hasty = startLoad(t, open(HASTY), {
      app: `${app}-hasty`,
      commandTimeout: HASTY,
      workers: 4,
    });
    const loads = [work, hasty];
    await Promise.all(loads.map((load) => load.goesOn()));

    // Sentinels do not wait until the new primary has all that the old one had.
    for (const load of loads) load.mayLose();
    const promoted = await strike(group, old);
    assert.notEqual(promoted, old);
    await recovers(patient, app);
    for (const load of loads) load.losesNothing();

    // This instance has followed the failover. A separate app shows which calls came after it.
    const later = startLoad(t, patient, { app: `later-${app}`, commandTimeout: PATIENT });
    await after?.(old, group);
    await group.settled();
    await Promise.all([...loads, later].map((load) => load.goesOn()));
    assert.equal(await commandsOf(old, `later-${app}`), 0);
    assert.ok((await commandsOf(promoted, `later-${app}`)) > 100, 'the slow log has them');

    await Promise.all([...loads, later].map((load) => load.stop()));
    for (const load of [work, later]) assert.deepEqual(load.errors, {}, fault);
    assert.ok(hasty.rounds > 60);
  });
}

test('R35 an extension of sliding sessions that is in flight during a failover reaches the new primary', async (t) => {
  const { group, open, app } = await sentinels(t);
  const old = await group.primary();
  await assertExtensionSurvives(open(4 * PATIENT), app, old.client(), async () => {
    await group.kill(old);
    return (await group.promoted(old)).client();
  });
});

test('R35 after READONLY the sentinels are asked again, so a failover that none of them reported is followed', async (t) => {
  const [first, second] = await Promise.all([startRedis(), startRedis()]);
  const fake = await startFakeSentinel(first.port);
  const app = freshName();
  const sessions = new SpotsSessions({
    connectionString: `redis-sentinel://127.0.0.1:${fake.port}?name=mymaster`,
    commandTimeout: PATIENT,
  });
  t.after(async () => {
    await sessions.close();
    await Promise.all([fake.stop(), first.stop(), second.stop()]);
  });
  const token = await sessions.create({ app, ownerId: 'ann', data: { a: 1 } });
  const [one, two] = [first.client(), second.client()];
  await two.replicaof(first.host, first.port);
  await waitUntil(async () => (await two.dbsize()) === 2, 'the replica to have it all');
  await two.replicaof('NO', 'ONE');
  await one.replicaof(second.host, second.port);

  assert.deepEqual((await sessions.get({ app, token })).data, { a: 1 }, 'reads go on');
  const asked = fake.asked;
  const update = sessions.update({ app, token, data: { b: 2 } });
  await waitUntil(() => fake.asked > asked + 2, 'the sentinel to be asked again');
  fake.names = second.port;
  assert.equal(await update, true);
  assert.deepEqual((await sessions.get({ app, token })).data, { a: 1, b: 2 });
  assert.deepEqual(Object.keys(await second.commandStats()).includes('append'), true);
});
