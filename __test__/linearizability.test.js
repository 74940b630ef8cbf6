'use strict';

// Clients in several processes use the sessions of one owner at once: without faults, while connections are cut, and
// while the server is killed. Only this suite compares the answers of all clients with each other. It finds answers
// that no order of the calls explains. For example, two readers see two updates in different orders, a killed session
// comes back, or a call acts after it was answered.
//
//     HISTORIES=5000 node --test __test__/linearizability.test.js       more histories
//     HISTORY_SEED=123 node --test __test__/linearizability.test.js     the calls of a history that failed

const assert = require('node:assert/strict');
const { after, before, describe, test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { faultyServer } = require('./support/faults.js');
const histories = require('./support/histories.js');
const { forEachTarget } = require('./support/targets.js');
const { waitUntil } = require('./support/wait-until.js');

const { assertEachLinearizable, assertLinearizable, judged, now, record } = histories;

const COUNT = Number(process.env.HISTORIES ?? 240);
/** Of those with connections that are cut; each takes longer. */
const CUT = Math.ceil(COUNT / 12);
/** Of those with a server that is killed. */
const KILLED = Math.ceil(COUNT / 40);

/** Of no session, but one that is looked up. */
const TOKEN = 'A'.repeat(172);

/** Written down before it is answered, so that nothing that was said is lost. */
const DURABLE = { appendonly: 'yes', appendfsync: 'always' };

forEachTarget((target, open) => {
  describe('calls of clients in several processes', () => {
    let sessions;
    let clients;
    before(() => {
      const opened = open();
      sessions = opened.sessions;
      clients =
        target === 'memory'
          ? histories.localClients(sessions)
          : histories.startClients(opened.connectionString);
    });
    after(() => clients.stop());

    test('act at one time each, and so do killAll, and create with maxSessions', async () => {
      for (let n = 0; n < COUNT; n++) {
        const maxSessions = n % 4 === 3 ? 1 + (Math.floor(n / 12) % 3) : undefined;
        const { ops, begun } = await record(sessions, clients, {
          n,
          calls: 8 + (n % 8),
          maxSessions,
        });
        const known = judged(ops);
        assertLinearizable(known, begun);
        // What a create ends above maxSessions depends on all sessions.
        if (maxSessions === undefined) assertEachLinearizable(known, begun);
      }
    });
  });
});

/**
 * Does it again and again until it is stopped, each time when calls go on, and writes down when.
 *
 * @param {() => unknown} disturbance
 * @param {(stopped: () => boolean) => Promise<unknown>} goOn
 * @param {number} [most] how often
 */
function disturb(disturbance, goOn, most = Infinity) {
  const outages = [];
  let stopped = false;
  const ended = (async () => {
    while (!stopped && outages.length < most) {
      await sleep(20 + 60 * Math.random()); // calls are to be cut off anywhere
      await goOn(() => stopped);
      const begin = now();
      await disturbance();
      outages.push([begin, now()]);
    }
  })();
  return {
    outages,
    stop: () => {
      stopped = true;
      return ended;
    },
  };
}

/** How many of these calls were in flight when something broke. */
const hit = (ops) => ops.filter(({ again }) => again).length;

test('while connections are cut, calls act at one time each, or at one time for each sending', async (t) => {
  const { proxy, open } = await faultyServer(t, { proxy: true });
  const sessions = open({ commandTimeout: 60_000 });
  const clients = histories.startClients(proxy.url);
  t.after(() => clients.stop());
  proxy.delay = 1; // so that calls are mostly carried out, and not answered yet
  let replies = 0;
  proxy.onReply = ({ bytes }) => {
    replies++;
    return bytes;
  };
  const { outages, stop } = disturb(
    () => {
      replies = 0;
      proxy.sever();
    },
    (stopped) => waitUntil(() => replies > 100 || stopped(), 'calls to be answered'),
  );
  let [all, struck] = [0, 0];
  for (let n = 0; n < CUT; n++) {
    const { ops, begun } = await record(sessions, clients, { n, calls: 20, pause: 3, anew: true });
    const known = judged(ops, outages);
    assert.ok(
      known.every(({ code }) => code === undefined),
      'each was sent again in time',
    );
    assertEachLinearizable(known, begun);
    all += known.length;
    struck += hit(known);
  }
  await stop();
  assert.ok(outages.length >= CUT / 4, `${outages.length} cuts`);
  assert.ok(struck > 0 && struck < all, `${struck} of ${all} calls may have been sent again`);
});

test('while the server is killed and comes back, calls act at one time each, or never if they were rejected', async (t) => {
  const { server, open } = await faultyServer(t, { config: DURABLE });
  const sessions = open({ commandTimeout: 60_000 });
  // Some give up before the server is back: then it may be unknown whether they acted.
  const clients = histories.startClients(server.url, [
    [60_000, 30],
    [60_000, 10],
    [60_000, 100],
  ]);
  t.after(() => clients.stop());
  const codes = {};
  for (let n = 0; n < KILLED; n++) {
    const { outages, stop } = disturb(
      async () => {
        server.kill('SIGKILL');
        await server.down();
        await server.start();
      },
      () => sessions.get({ app: 'any', token: TOKEN }),
      2,
    );
    let recorded;
    try {
      recorded = await record(sessions, clients, { n, calls: 25, pause: 6, anew: true });
    } finally {
      await stop();
    }
    assert.ok(outages.length > 0);
    const known = judged(recorded.ops, outages);
    for (const { code } of recorded.ops) if (code) codes[code] = (codes[code] ?? 0) + 1;
    assertEachLinearizable(known, recorded.begun);
  }
  for (const code of ['ERR_SESSIONS_TIMEOUT', 'ERR_SESSIONS_CONNECTION'])
    assert.ok(codes[code] > 0, `${code} occurred: ${JSON.stringify(codes)}`);
});
