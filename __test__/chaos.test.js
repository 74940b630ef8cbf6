'use strict';

// Forty users share one instance, and its connections are cut every 30 ms: on one server, on Sentinel and on Cluster.
// Only this suite cuts the next connection while calls are being sent again. Users do not share sessions, so each
// answer is known exactly. The suite finds a reply that reaches the wrong call, an acknowledged change that is lost,
// and keys that stay in Redis at the end.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { SpotsSessions } = require('..');
const { startCluster } = require('./support/cluster.js');
const { idOf } = require('./support/keys.js');
const { startRedis } = require('./support/redis-server.js');
const { startSentinels } = require('./support/sentinel.js');

const WORKERS = 40;
const ROUNDS = 25;

/** The kinds of servers: how to start each, and which of them hold sessions. */
const KINDS = [
  { kind: 'one server', start: startRedis, serversOf: (server) => [server] },
  {
    kind: 'sentinels',
    // No failover, because it may lose sessions.
    start: () => startSentinels({ replicas: 1, downAfter: 60_000 }),
    serversOf: ({ nodes }) => nodes.slice(0, 1),
  },
  {
    kind: 'a cluster',
    start: () => startCluster({ primaries: 3, replicas: 0, downAfter: 60_000 }),
    serversOf: ({ nodes }) => nodes,
  },
];

/** Cuts all connections but its own, again and again, until it is stopped. */
function cutConnections(servers) {
  const admins = servers.map((server) => server.client());
  let stopped = false;
  let cuts = 0;
  const ended = (async () => {
    while (!stopped) {
      await new Promise((resolve) => setTimeout(resolve, 30));
      for (const admin of admins)
        cuts += await admin.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    }
  })();
  return {
    areFew: () => cuts < 20,
    stop() {
      stopped = true;
      return ended;
    },
  };
}

for (const { kind, start, serversOf } of KINDS) {
  test(`calls survive connections that are cut every 30 ms (${kind})`, async (t) => {
    const server = await start();
    t.after(() => server.stop());
    const sessions = new SpotsSessions({ connectionString: server.url, commandTimeout: 20_000 });
    const cutting = cutConnections(serversOf(server));
    const app = 'chaos';

    /** One session after the other: each answer is known in advance. */
    async function work(worker) {
      for (let round = 0; round < ROUNDS || cutting.areFew(); round++) {
        const ownerId = `${worker}`;
        const data = { worker, round };
        const first = await sessions.create({ app, ownerId, data, duration: 600 });
        assert.deepEqual(await sessions.get({ app, token: first }), { ownerId, data });
        const updates = [1, 2, 3].map((n) =>
          sessions.update({ app, token: first, data: { [`n${n}`]: n } }),
        );
        assert.deepEqual(await Promise.all(updates), [true, true, true]);
        assert.deepEqual(await sessions.get({ app, token: first }), {
          ownerId,
          data: { ...data, n1: 1, n2: 2, n3: 3 },
        });
        assert.equal(await sessions.refresh({ app, token: first, duration: 300 }), true);
        const token = await sessions.rotate({ app, token: first });
        assert.equal(typeof token, 'string', 'it was there');
        assert.equal(await sessions.update({ app, token: first, data: {} }), false);
        const id = idOf(token);
        const listed = await sessions.list({ app, ownerId, token });
        assert.deepEqual(
          listed.map((session) => [session.id, session.current]),
          [[id, true]],
        );
        if (round % 3 === 0) assert.equal(await sessions.killAll({ app, ownerId }), true);
        else
          assert.equal(
            await sessions.kill({ app, ...(round % 3 === 1 ? { token } : { ownerId, id }) }),
            true,
          );
        assert.equal(await sessions.get({ app, token }), undefined);
        assert.equal(await sessions.update({ app, token, data: { back: true } }), false);
      }
    }

    await Promise.all(Array.from({ length: WORKERS }, (_, worker) => work(worker)));
    await cutting.stop();
    assert.equal(await server.client().dbsize(), 0, 'nothing is left, nor has come back');
    await sessions.close();
  });
}
