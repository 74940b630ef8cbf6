'use strict';

// A proxy that mixes up replies, and a record that lies under another session's key: no token opens
// the session of another owner.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { faultyServer, settled } = require('../support/faults.js');
const { sessionKey } = require('../support/keys.js');
const { waitUntil } = require('../support/wait-until.js');

const times = (count, make) => Array.from({ length: count }, (_, n) => make(n));
const commandTimeout = 2000;

/** What the proxy does to one reply. @type {Record<string, (bytes: Buffer) => Buffer | undefined>} */
const MIX_UPS = {
  repeated: (bytes) => Buffer.concat([bytes, bytes]),
  swallowed: () => undefined,
  'preceded by a nil': (bytes) => Buffer.concat([Buffer.from('$-1\r\n'), bytes]),
  'preceded by a number': (bytes) => Buffer.concat([Buffer.from(':1\r\n'), bytes]),
};

for (const [label, mixUp] of Object.entries(MIX_UPS)) {
  for (const inFlight of [1, 2, 64, 200]) {
    test(`R57 if one reply to ${inFlight} calls is ${label}, no token opens another owner's session, and later calls work`, async (t) => {
      const { proxy, open, app } = await faultyServer(t, { proxy: true });
      const sessions = open({ commandTimeout });
      const create = (n) => sessions.create({ app, ownerId: `owner ${n}`, data: { n } });
      const tokens = await Promise.all(times(inFlight, create));
      const get = (n) => sessions.get({ app, token: tokens[n] });
      const isRight = (session, n) => session.ownerId === `owner ${n}` && session.data.n === n;

      for (let round = 0; round < 5; round++) {
        let left = 1 + Math.floor((inFlight * round) / 5);
        proxy.onReply = ({ bytes }) => {
          left--;
          return left === 0 ? mixUp(bytes) : bytes;
        };
        const ends = await Promise.all(times(inFlight, (n) => settled(get(n), commandTimeout)));
        for (const [n, { value }] of ends.entries()) {
          // An inserted nil cannot be told from a real one.
          if (value !== undefined) assert.ok(isRight(value, n), `${n} was given ${value.ownerId}`);
        }
        // A connection with an extra reply is replaced at the next call at the latest.
        proxy.onReply = undefined;
        await waitUntil(async () => {
          const found = await Promise.all(times(inFlight, (n) => get(n).catch(() => undefined)));
          for (const [n, value] of found.entries())
            if (value !== undefined)
              assert.ok(isRight(value, n), `${n} was given ${value.ownerId}`);
          return found.every((value) => value !== undefined);
        }, 'every call to be answered');
      }
      // The other methods work, too.
      assert.equal(await sessions.update({ app, token: tokens[0], data: { more: 1 } }), true);
      assert.deepEqual((await get(0)).data, { n: 0, more: 1 });
      assert.equal(await sessions.kill({ app, token: tokens[0] }), true);
    });
  }
}

test("R58 a record that lies under another session's key rejects its call, and no connection is replaced", async (t) => {
  const { open, app, redis, server } = await faultyServer(t);
  const sessions = open({ commandTimeout });
  const create = (ownerId) => sessions.create({ app, ownerId, data: { ownerId } });
  const [alices, bobs, carols] = await Promise.all(['alice', 'bob', 'carol'].map(create));
  const dump = await redis.dumpBuffer(sessionKey(app, 'alice', alices));
  await redis.restore(sessionKey(app, 'bob', bobs), 0, dump, 'REPLACE');

  const ids = async () => {
    const list = String(await redis.client('LIST', 'TYPE', 'normal'));
    return [...list.matchAll(/^id=(\d+) .*lib-name=spots|^id=(\d+) /gm)].map(([, a, b]) => a ?? b);
  };
  const before = await ids();
  const get = (token) => sessions.get({ app, token });
  for (let round = 0; round < 20; round++) {
    const [a, b, c] = await Promise.allSettled([alices, bobs, carols].map(get));
    assert.equal(b.reason?.code, 'ERR_SESSIONS_CORRUPT');
    assert.deepEqual(a.value?.data, { ownerId: 'alice' });
    assert.deepEqual(c.value?.data, { ownerId: 'carol' });
  }
  const many = await Promise.allSettled(times(300, (n) => get([alices, bobs, carols][n % 3])));
  for (const [n, { value, reason }] of many.entries()) {
    if (n % 3 === 1) assert.equal(reason?.code, 'ERR_SESSIONS_CORRUPT');
    else assert.equal(value?.ownerId, ['alice', 'bob', 'carol'][n % 3]);
  }
  const after = await ids();
  assert.ok(
    before.every((id) => after.includes(id)),
    'the connections are the same',
  );
  assert.ok(!server.log().includes('Protocol error'));
  // It can be killed as any other session.
  assert.equal(await sessions.kill({ app, token: bobs }), true);
  assert.equal(await get(bobs), undefined);
  assert.deepEqual((await get(alices)).data, { ownerId: 'alice' });
});
