'use strict';

// The reply to each step of a call on a session whose token was not made for its owner is lost with its connection. The call
// answers as if none had been lost, or is an error; what is told as done is done.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');
const { SpotsSessions } = require('../../index.js');
const foreign = require('../../lib/foreign.js');
const { startProxies } = require('../support/cluster-proxies.js');
const { connectedByProxy, settled } = require('../support/faults.js');
const { faultyCluster } = require('../support/faulty-cluster.js');
const checks = require('../support/foreign-checks.js');
const { stepByStep } = require('../support/foreign-steps.js');
const { freshName } = require('../support/targets.js');

const { assertFound, make, newToken, opened, openedBy } = checks;
const commandTimeout = 20_000;
const patch = { set: {}, deleted: [], durationMs: 600_000 };
const session = { ownerId: 'ann', data: { made: 'it' }, durationMs: 600_000 };

/** The calls, who owns the session before, and what the call resolves to. */
const CALLS = {
  create: ['nothing', (it, to) => foreign.create(it, { ...to, ...session, replace: false })],
  replace: ['bob', (it, to) => foreign.create(it, { ...to, ...session, replace: true })],
  claim: ['bob', (it, to) => foreign.claim(it, { ...to, ...patch, before: 'bob', after: 'ann' })],
  refresh: ['ann', (it, to) => it.refresh({ ...to, duration: 3600 })],
  rotate: ['ann', (it, to) => it.rotate(to)],
  kill: ['ann', (it, to) => it.kill(to)],
  'kill by id': ['ann', killById],
  killAll: ['ann', (it, { app }) => it.killAll({ app, ownerId: 'ann' })],
  takeOver: ['nothing', takeOver],
};

function killById(it, { app, token }) {
  return it.kill({ app, ownerId: 'ann', id: checks.publicIdOf(token) });
}

/** Takes over a session of another system, which is written first. */
async function takeOver(it, { app, token }, redis) {
  const { ownerId, data } = session;
  const old = { key: `old:${token}`, json: JSON.stringify(data) };
  await redis.set(old.key, old.json, 'PX', session.durationMs);
  return foreign.takeOver(it, { app, token, ownerId, data, ...old });
}

/** Instances that reach their servers by proxies. */
const TARGETS = {
  'one server': async (t) => {
    const { sessions, redis, proxy } = await connectedByProxy(t, { commandTimeout });
    return { sessions, redis, proxies: [proxy] };
  },
  'a Cluster': async (t) => {
    const { cluster, open } = await faultyCluster(t, { primaries: 3, replicas: 0 });
    const { proxies, url } = await startProxies(t, cluster);
    const sessions = open({ connectionString: url, commandTimeout });
    await sessions.ping();
    return { sessions, redis: cluster.client(), proxies };
  },
};

describe('R06 a lost reply', () => {
  for (const [label, [owner, call]] of Object.entries(CALLS))
    for (const [target, connect] of Object.entries(TARGETS)) {
      if (label === 'takeOver' && target === 'a Cluster') continue; // migrate does not use it there
      test(`to any step of ${label} on ${target} is made up for`, async (t) => {
        const { sessions, redis, proxies } = await connect(t);
        const onReply = (act) => {
          for (const proxy of proxies) proxy.onReply = act;
        };
        for (let nth = 0; ; nth++) {
          const place = { sessions, redis, app: freshName() };
          const { app } = place;
          const token = owner === 'nothing' ? newToken() : await make(place, { ownerId: owner });
          const tokens = [token, await make(place, { ownerId: 'cid' })];
          let seen = 0;
          let lost = false;
          onReply(({ bytes, cut }) => {
            // Replies to a handshake are of other connections, and not counted.
            if (lost || seen++ < nth) return bytes;
            lost = true;
            cut();
            return undefined;
          });
          const { value, error } = await settled(
            call(sessions, { app, token }, redis),
            commandTimeout,
          );
          onReply(undefined);
          assert.equal(error, undefined);
          if (label === 'rotate') {
            assert.equal(await opened(place, token), undefined);
            tokens.push(value);
          } else assert.equal(value, true);
          const count = label.startsWith('kill') ? 1 : 2;
          assert.equal((await openedBy(place, tokens)).length, count);
          await assertFound(place, tokens);
          if (!lost) break;
        }
      });
    }

  test('to every step is an error in time, and nothing is told as done that is not', async (t) => {
    const { sessions, redis, proxy, server } = await connectedByProxy(t, {
      commandTimeout: 300,
    });
    const other = new SpotsSessions(server.url);
    t.after(() => other.close());
    for (const [label, [owner, call]] of Object.entries(CALLS)) {
      for (const nth of [0, 1, 2]) {
        const place = { sessions: other, redis, app: freshName() };
        const { app } = place;
        const token = owner === 'nothing' ? newToken() : await make(place, { ownerId: owner });
        const tokens = [token, await make(place, { ownerId: 'cid' })];
        let seen = 0;
        proxy.onReply = ({ bytes, cut }) => {
          if (seen++ < nth) return bytes;
          cut();
          return undefined;
        };
        const { value, error } = await settled(call(sessions, { app, token }, redis), 1000);
        proxy.onReply = undefined;
        if (typeof value === 'string') tokens.push(value);
        const found = await openedBy(place, tokens);
        if (value && label.startsWith('kill')) assert.equal(found.length, 1, label);
        else if (value) assert.equal(found.length, 2, `${label} ${nth}`);
        else assert.match(error?.code, /^ERR_SESSIONS_(TIMEOUT|CONNECTION)$/, `${label} ${nth}`);
        // A session that was moved, and whose token nobody knows, is listed and ended by killAll.
        const listed = await other.list({ app, ownerId: 'ann' });
        await other.killAll({ app, ownerId: 'ann' });
        assert.ok(listed.length <= 1);
        assert.equal((await other.list({ app, ownerId: 'ann' })).length, 0);
        await assertFound(place, tokens);
        await sessions.ping().catch(() => {});
      }
    }
  });

  test('to a step of killAll hides no session that is rotated before the step is sent again', async (t) => {
    const { sessions, redis, proxy, server } = await connectedByProxy(t, { commandTimeout });
    const other = new SpotsSessions(server.url);
    t.after(() => other.close());
    const place = { sessions: other, redis, app: freshName() };
    const { app } = place;
    const token = await make(place);
    let rotated;
    const stepped = stepByStep(sessions, ({ letter }) => {
      if (letter !== 'K' || rotated) return;
      proxy.loses = () => {
        proxy.loses = () => false;
        proxy.hangsUp = () => true;
        rotated = other.rotate({ app, token }).finally(() => {
          proxy.hangsUp = () => false;
        });
        return true;
      };
    });
    assert.equal(await stepped.killAll({ app, ownerId: 'ann' }), true);
    const fresh = await rotated;
    assert.equal(typeof fresh, 'string');
    assert.deepEqual(await openedBy(place, [token, fresh]), []);
  });
});
