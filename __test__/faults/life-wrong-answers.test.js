'use strict';

// Replies to info, list, rotate and kill by id that belong to another call, or have another shape.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { faultyServer, recovers, settled } = require('../support/faults.js');
const { idOf, sessionKey } = require('../support/keys.js');
const { startFakeServer } = require('../support/fake-server.js');
const { SpotsSessions } = require('../../index.js');

const times = (count, make) => Array.from({ length: count }, (_, n) => make(n));
const commandTimeout = 2000;

/** What the proxy does to one reply. @type {Record<string, (bytes: Buffer) => Buffer | undefined>} */
const MIX_UPS = {
  repeated: (bytes) => Buffer.concat([bytes, bytes]),
  swallowed: () => undefined,
  'preceded by an empty list': (bytes) => Buffer.concat([Buffer.from('*2\r\n*0\r\n*0\r\n'), bytes]),
  'preceded by a number': (bytes) => Buffer.concat([Buffer.from(':1\r\n'), bytes]),
};

for (const [label, mixUp] of Object.entries(MIX_UPS)) {
  test(`R57 if one of many replies is ${label}, info and list tell nothing about another owner's sessions`, async (t) => {
    const { proxy, open, app } = await faultyServer(t, { proxy: true });
    const sessions = open({ commandTimeout });
    const create = (n) => sessions.create({ app, ownerId: `owner ${n}`, data: { n } });
    const tokens = await Promise.all(times(40, create));
    const call = (n) =>
      n % 2
        ? sessions.info({ app, token: tokens[n] })
        : sessions.list({ app, ownerId: `owner ${n}`, token: tokens[n] });
    for (let round = 0; round < 6; round++) {
      let left = 1 + 6 * round;
      proxy.onReply = ({ bytes }) => {
        left--;
        return left === 0 ? mixUp(bytes) : bytes;
      };
      const ends = await Promise.all(times(40, (n) => settled(call(n), commandTimeout)));
      for (const [n, { value }] of ends.entries()) {
        // An inserted empty list cannot be told from a real one.
        for (const found of [value ?? []].flat()) {
          assert.deepEqual([found.id, found.data], [idOf(tokens[n]), { n }]);
          if (n % 2) assert.equal(found.ownerId, `owner ${n}`);
          else assert.equal(found.current, true);
        }
      }
      proxy.onReply = undefined;
      await recovers(sessions, app);
    }
    for (const [n, found] of (await Promise.all(times(40, call))).entries())
      assert.deepEqual([found].flat()[0].data, { n });
  });
}

test("R58 a record that lies under another session's key: info and list reject, rotate moves it, kill by id ends it", async (t) => {
  const { open, app, redis } = await faultyServer(t);
  const sessions = open({ commandTimeout });
  const create = (ownerId) => sessions.create({ app, ownerId, data: { ownerId } });
  const [alices, bobs, others] = [await create('alice'), await create('bob'), await create('bob')];
  const dump = await redis.dumpBuffer(sessionKey(app, 'alice', alices));
  await redis.restore(sessionKey(app, 'bob', bobs), 0, dump, 'REPLACE');

  const corrupt = { code: 'ERR_SESSIONS_CORRUPT' };
  await assert.rejects(sessions.info({ app, token: bobs }), corrupt);
  await assert.rejects(sessions.list({ app, ownerId: 'bob' }), corrupt);
  const rotated = await sessions.rotate({ app, token: bobs });
  await assert.rejects(sessions.get({ app, token: rotated }), corrupt);
  assert.equal(await sessions.kill({ app, ownerId: 'bob', id: idOf(rotated) }), true);
  const left = await sessions.list({ app, ownerId: 'bob' });
  assert.deepEqual(
    left.map(({ id }) => id),
    [idOf(others)],
  );
  assert.deepEqual((await sessions.info({ app, token: alices })).data, { ownerId: 'alice' });
});

const [bulk, id] = [(text) => `$${text.length}\r\n${text}\r\n`, 'A'.repeat(22)];
const record = bulk('{"createdAt":1}\n"ann"\n{}');

/** Replies that no script gives. */
const SHAPES = {
  info: {
    'a number': ':1\r\n',
    'a text': record,
    'a record without its expiry': `*1\r\n${record}`,
    'an expiry that is a text': `*2\r\n${record}${bulk('1')}`,
    'a number for the record': '*2\r\n:1\r\n:1\r\n',
  },
  list: {
    'no value': '$-1\r\n',
    'a number': ':1\r\n',
    'one list': '*1\r\n*0\r\n',
    'numbers for lists': '*3\r\n:1\r\n:0\r\n:0\r\n',
    'no list of pointers': '*2\r\n*0\r\n*0\r\n',
    'a session without its record': `*3\r\n*2\r\n${bulk(id)}${bulk('1')}*0\r\n*0\r\n`,
    'an id of another form': `*3\r\n*3\r\n${bulk('short')}${bulk('1')}${record}*0\r\n*0\r\n`,
    'a number for the record': `*3\r\n*3\r\n${bulk(id)}${bulk('1')}:1\r\n*0\r\n*0\r\n`,
    'a step that leaves more than it was asked for': `*3\r\n*0\r\n*4\r\n${(bulk(id) + bulk('inf')).repeat(2)}*0\r\n`,
  },
  rotate: { 'no value': '$-1\r\n', 'a text': bulk('1'), 'a list': '*1\r\n:1\r\n' },
  kill: { 'no value': '$-1\r\n', 'a text': bulk('1'), 'a list': '*1\r\n:1\r\n' },
  killAll: {
    'a number': ':1\r\n',
    'one number': '*1\r\n:1\r\n',
    texts: `*2\r\n${bulk('1').repeat(2)}`,
  },
};
const owner = { app: 'shop', ownerId: 'ann' };
const token = 'A'.repeat(172);
const REQUESTS = {
  info: { app: 'shop', token },
  list: { ...owner, limit: 1 },
  rotate: { app: 'shop', token },
  kill: { ...owner, id },
  killAll: { ...owner, except: token },
};

for (const [method, shapes] of Object.entries(SHAPES)) {
  for (const [label, reply] of Object.entries(shapes)) {
    test(`R09 ${method} rejects if it is answered with ${label}, and asks no more than twice`, async (t) => {
      let asked = 0;
      const fake = await startFakeServer(t, ([name]) => {
        if (name !== 'EVALSHA') return null;
        asked++;
        return reply;
      });
      const sessions = new SpotsSessions({ connectionString: fake.url, commandTimeout: 20_000 });
      t.after(() => sessions.close());
      const { error } = await settled(sessions[method](REQUESTS[method]), 20_000);
      const code = ['info', 'list'].includes(method) ? /CORRUPT$/ : /(CORRUPT|REDIS)$/;
      assert.match(error?.code, code);
      assert.ok(asked <= 2, `${asked} times`);
      assert.ok(fake.connections <= 3, `${fake.connections} connections`);
    });
  }
}
