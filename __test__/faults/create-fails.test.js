'use strict';

// A create that fails has not acted: it leaves no session, no member and no index.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { idOf, indexKey, sessionKey } = require('../support/keys.js');
const { faultyServer } = require('../support/faults.js');

const RIGHTS = [
  ...['+get', '+set', '+append', '+getrange', '+strlen', '+del', '+exists', '+persist'],
  ...['+pexpireat', '+time', '+type', '+zadd', '+zcard', '+zrange', '+zrem'],
  ...['+eval', '+evalsha', '+script|load', '+select', '+ping'],
];
/** The rights that create uses to act. It undoes with DEL and ZREM, so each user lacks only one right. */
const USED = ['+set', '+zadd', '+zcard', '+zrange', '+pexpireat', '+persist', '+time'];

for (const missing of USED) {
  test(`R54 a create that is refused because the user lacks ${missing} leaves nothing behind`, async (t) => {
    const { server, open, app, redis } = await faultyServer(t);
    const rights = RIGHTS.filter((right) => right !== missing);
    await redis.call('ACL', 'SETUSER', 'weak', 'reset', 'on', '>secret', '~*', '-@all', ...rights);
    const weak = open({ connectionString: `redis://weak:secret@127.0.0.1:${server.port}` });
    const strong = open({ connectionString: server.url });
    const create = (sessions, ownerId, duration) =>
      sessions.create({ app, ownerId, data: { a: 1 }, duration });

    // Alone and with others in a script, for owners without a session and for one with a session.
    const kept = await create(strong, 'owner', 600);
    const before = await redis.zrange(indexKey(app, 'owner'), 0, -1, 'WITHSCORES');
    const refused = [];
    for (const duration of [60, Infinity]) {
      for (const [label, calls] of [
        ['alone, new', () => [create(weak, 'new', duration)]],
        ['alone', () => [create(weak, 'owner', duration)]],
        [
          'together',
          () => ['new', 'owner', 'other', 'new'].map((owner) => create(weak, owner, duration)),
        ],
      ]) {
        for (const end of await Promise.allSettled(calls())) {
          if (end.status === 'fulfilled') {
            // Not every create needs every right.
            await strong.kill({ app, token: end.value });
            continue;
          }
          refused.push(label);
          assert.equal(end.reason.code, 'ERR_SESSIONS_REDIS', label);
        }
      }
    }
    assert.ok(refused.length > 0, 'the right is used');
    assert.deepEqual(
      (await redis.keys(`*${app}*`)).sort(),
      [indexKey(app, 'owner'), sessionKey(app, 'owner', kept)].sort(),
    );
    assert.deepEqual(await redis.zrange(indexKey(app, 'owner'), 0, -1, 'WITHSCORES'), before);
    assert.deepEqual(await redis.zrange(indexKey(app, 'owner'), 0, -1), [idOf(kept)]);
    assert.ok((await redis.pttl(indexKey(app, 'owner'))) > 0, 'the index still expires');
    assert.deepEqual(await strong.get({ app, token: kept }), { ownerId: 'owner', data: { a: 1 } });
  });
}
