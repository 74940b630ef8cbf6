'use strict';

// A rotate, or a create with maxSessions, that is refused half way: it leaves everything as it was.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { faultyServer } = require('../support/faults.js');
const { indexKey } = require('../support/keys.js');

const LACKING = [
  ['rotate', '-rename'],
  ['rotate', '-zadd'],
  ['rotate', '-zscore'],
  ['create', '-zcount'],
  ['create', '-zrange'],
];

for (const [method, missing] of LACKING) {
  test(`R54 a ${method} that is refused because of ${missing} leaves the sessions and their index as they were`, async (t) => {
    const { server, open, app, redis } = await faultyServer(t);
    await redis.call('ACL', 'SETUSER', 'weak', 'reset', 'on', '>secret', '~*', '+@all', missing);
    const weak = open({ connectionString: `redis://weak:secret@127.0.0.1:${server.port}` });
    const strong = open({ connectionString: server.url });
    const create = (sessions, more) =>
      sessions.create({ app, ownerId: 'ann', data: { a: 1 }, duration: 600, ...more });
    const tokens = await Promise.all([create(strong), create(strong), create(strong)]);
    const state = async () => [
      await redis.zrange(indexKey(app, 'ann'), 0, -1, 'WITHSCORES'),
      (await redis.keys(`*${app}*`)).sort(),
    ];
    const before = await state();
    const calls = {
      rotate: () => tokens.map((token) => weak.rotate({ app, token })),
      create: () => tokens.map(() => create(weak, { maxSessions: 2 })),
    };
    for (const end of await Promise.allSettled(calls[method]())) {
      assert.equal(end.reason?.code, 'ERR_SESSIONS_REDIS', `${end.value}`);
    }
    assert.deepEqual(await state(), before);
    assert.ok((await redis.pttl(indexKey(app, 'ann'))) > 0, 'the index still expires');
    for (const token of tokens)
      assert.deepEqual(await strong.get({ app, token }), { ownerId: 'ann', data: { a: 1 } });
  });
}
