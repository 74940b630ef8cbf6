'use strict';

// `migrate` from version 1: every token opens what it opened, and what cannot be moved is counted and left.

const assert = require('node:assert/strict');
const { createHash } = require('node:crypto');
const { beforeEach, describe, test } = require('node:test');
const { Migration } = require('../lib/migrate/migration.js');
const { version1 } = require('../lib/migrate/version-1.js');
const { primariesOf } = require('../lib/scan.js');
const { expiryOf } = require('./support/expiries.js');
const { HOSTILE, createIn1x, keyOf1x } = require('./support/old-sessions.js');
const { forEachTarget, onRedis } = require('./support/targets.js');

const DATA = { name: 'Ada', cart: [{ id: 1 }], nothing: null, emoji: '🦀' };

/** Migrates an app. Returns what has become of its sessions. */
async function migrate(
  sessions,
  { app = 'shop', mode = 'move', prepare = (_) => {}, ...more } = {},
) {
  const migration = new Migration(sessions, { app, system: version1({ app }), mode, ...more });
  await prepare(migration);
  await migration.run();
  const { done, already, samples } = migration;
  const counts = [...migration.notMoved].map(([why, { count }]) => [why, count]);
  return {
    done,
    already,
    notMoved: Object.fromEntries(counts),
    samples,
    named: migration.notMoved,
  };
}

/** Writes a session of 1.x, and resolves to what it is. */
async function write(redis, session) {
  const given = { app: 'shop', ownerId: '42', data: DATA, duration: 3600, ...session };
  const { token, key, written } = createIn1x(redis, given);
  await written;
  return { ...given, token, key, expiresAt: await expiryOf(redis, key) };
}

/** A token opens what it opened, until the millisecond when it would have ended, and its old key is gone. */
async function assertMoved(sessions, redis, { app, ownerId, data, token, key, expiresAt }) {
  assert.deepEqual(await sessions.get({ app, token }), { ownerId, data });
  const found = await sessions.info({ app, token });
  const off = found.expiresAt.getTime() - expiresAt;
  assert.ok(Math.abs(off) <= 10, `ends ${off} ms later`);
  assert.equal(await redis.exists(key), 0);
  const listed = await sessions.list({ app, ownerId, token, limit: 1000 });
  assert.equal(listed.filter(({ current }) => current).length, 1);
}

forEachTarget((target, open) => {
  if (target === 'memory') return;
  let sessions;
  let redis;
  beforeEach(async () => {
    ({ sessions, redis } = open());
    await redis.flushdb();
  });

  test('a session keeps its token, owner, data and expiry, and its old key is deleted', async () => {
    const written = await write(redis, {});
    const { done, already, notMoved } = await migrate(sessions);
    assert.deepEqual({ done, already, notMoved }, { done: 1, already: 0, notMoved: {} });
    await assertMoved(sessions, redis, written);
    assert.equal(await sessions.killAll({ app: 'shop', ownerId: '42' }), true);
    assert.equal(await sessions.get({ app: 'shop', token: written.token }), undefined);
  });

  test('names of apps and owners are exact, whatever they contain', async () => {
    const all = [];
    for (const app of [...HOSTILE, 'shop', 'sho', 'shop2']) {
      for (const ownerId of HOSTILE)
        all.push(await write(redis, { app, ownerId, data: { app, ownerId } }));
    }
    for (const app of new Set(all.map((each) => each.app))) {
      const own = all.filter((each) => each.app === app);
      const { done, notMoved } = await migrate(sessions, { app });
      assert.deepEqual({ done, notMoved }, { done: own.length, notMoved: {} }, app);
      await Promise.all(own.map((each) => assertMoved(sessions, redis, each)));
    }
    for (const { app, ownerId, token } of all) {
      assert.equal(await sessions.killAll({ app, ownerId }), true);
      assert.equal(await sessions.get({ app, token }), undefined);
    }
  });

  test('tokens of every encoding that keeps their bytes open what they opened', async () => {
    const all = [];
    for (const encoding of ['base64', 'base64url', 'hex', 'latin1']) {
      for (const size of [16, 32, 128]) {
        for (let n = 0; n < 5; n++)
          all.push(await write(redis, { encoding, size, data: { encoding, size, n } }));
      }
    }
    const { done } = await migrate(sessions);
    assert.equal(done, all.length);
    await Promise.all(all.map((each) => assertMoved(sessions, redis, each)));
  });

  test('what cannot be moved is counted, named by a hash, and left', async () => {
    const fine = await write(redis, {});
    const odd = {
      notJson: keyOf1x('shop', 'a'.repeat(172), 'broken'),
      notSession: keyOf1x('shop', 'b'.repeat(172), 'list'),
      notString: keyOf1x('shop', 'c'.repeat(172), 'hash'),
      badToken: keyOf1x('shop', 'short', '42'),
      badOwner: keyOf1x('shop', 'd'.repeat(172), ''),
      tooLarge: keyOf1x('shop', 'e'.repeat(172), 'large'),
    };
    await redis.set(odd.notJson, '{"name":', 'EX', 60);
    await redis.set(odd.notSession, '[1,2]', 'EX', 60);
    await redis.hset(odd.notString, 'name', 'Ada');
    await redis.set(odd.badToken, '{}', 'EX', 60);
    await redis.set(odd.badOwner, '{}', 'EX', 60);
    await redis.set(odd.tooLarge, JSON.stringify({ text: 'x'.repeat(2 ** 20) }), 'EX', 60);
    const { done, notMoved, named } = await migrate(sessions);
    assert.equal(done, 1);
    assert.deepEqual(notMoved, Object.fromEntries(Object.keys(odd).map((why) => [why, 1])));
    for (const key of Object.values(odd)) assert.equal(await redis.exists(key), 1);
    for (const { keys } of named.values()) assert.match(keys[0], /^[0-9a-f]{16}$/);
    await assertMoved(sessions, redis, fine);
  });

  test('a session that never expires is skipped, or lives as long as is asked for', async () => {
    const { token, key } = await write(redis, { duration: undefined });
    const skipped = await migrate(sessions);
    assert.deepEqual([skipped.done, skipped.notMoved], [0, { endless: 1 }]);
    assert.equal(await redis.exists(key), 1);
    const { done, notMoved } = await migrate(sessions, { endlessMs: 3_600_000 });
    assert.deepEqual([done, notMoved], [1, {}]);
    const { createdAt, expiresAt } = await sessions.info({ app: 'shop', token });
    assert.equal(Math.round((expiresAt - createdAt) / 1000), 3600);
    assert.equal(await redis.exists(key), 0);
  });

  test('a session that an earlier run has created is the same: its old key is deleted', async () => {
    const written = await write(redis, {});
    await migrate(sessions, { mode: 'copy' });
    const { done, already } = await migrate(sessions);
    assert.deepEqual([done, already], [0, 1]);
    await assertMoved(sessions, redis, written);
  });

  test('a token that opens another session already is left, and opens what it opens', async () => {
    const [changed, refreshed] = [await write(redis, {}), await write(redis, {})];
    await migrate(sessions, { mode: 'copy' });
    await sessions.update({ app: 'shop', token: changed.token, data: { name: 'Eve' } });
    await redis.expire(refreshed.key, 7200);
    const { done, already, notMoved } = await migrate(sessions);
    assert.deepEqual(
      { done, already, notMoved },
      { done: 0, already: 0, notMoved: { differs: 2 } },
    );
    assert.equal((await sessions.get({ app: 'shop', token: changed.token })).data.name, 'Eve');
    for (const { key } of [changed, refreshed]) assert.equal(await redis.exists(key), 1);
  });

  test('a token that create has given out opens what it opened', async () => {
    const session = { app: 'shop', ownerId: '42', data: { ours: true } };
    const token = await sessions.create(session);
    for (const [ownerId, data] of [
      ['42', { ours: true }],
      ['eve', { theirs: true }],
    ]) {
      const key = keyOf1x('shop', token, ownerId);
      await redis.set(key, JSON.stringify(data), 'EX', 60);
    }
    const { done, already, notMoved } = await migrate(sessions);
    assert.deepEqual(
      { done, already, notMoved },
      { done: 0, already: 1, notMoved: { differs: 1 } },
    );
    assert.deepEqual((await sessions.get({ app: 'shop', token })).data, { ours: true });
    assert.equal(await redis.exists(keyOf1x('shop', token, 'eve')), 1);
  });

  test('a copy leaves the old keys alone, and lies under its own prefix', async () => {
    const rehearsal = open({ prefix: 'rehearsal:' }).sessions;
    const written = await write(redis, {});
    const { done } = await migrate(rehearsal, { mode: 'copy' });
    assert.equal(done, 1);
    const address = { app: 'shop', token: written.token };
    assert.deepEqual(await rehearsal.get(address), { ownerId: '42', data: DATA });
    assert.equal(await sessions.get(address), undefined);
    assert.equal(await expiryOf(redis, written.key), written.expiresAt);
  });

  test('a dry run writes nothing, and shows no token', async () => {
    const all = [];
    for (let n = 0; n < 7; n++) all.push(await write(redis, { ownerId: `owner-${n}` }));
    const { done, samples } = await migrate(sessions, { mode: 'dry-run' });
    assert.equal(done, 7);
    assert.equal(samples.length, 5);
    for (const { ownerId, bytes, expiresAt } of samples) {
      const [written] = all.filter((each) => each.ownerId === ownerId);
      assert.equal(bytes, Buffer.byteLength(JSON.stringify(DATA)));
      assert.ok(Math.abs(expiresAt - written.expiresAt) <= 10);
      assert.doesNotMatch(
        JSON.stringify(samples),
        new RegExp(written.token.slice(0, 8).replaceAll('+', '.')),
      );
    }
    assert.equal(await redis.dbsize(), 7);
  });

  test('a stop ends it at the next page of keys, also if few of them are sessions', async () => {
    const others = Array.from({ length: 20_000 }, (_, n) => redis.set(`other:${n}`, ''));
    await Promise.all(others);
    const all = await Promise.all(Array.from({ length: 10 }, () => write(redis, {})));
    let pages = 0;
    const prepare = async (migration) => {
      for (const node of await primariesOf(sessions.client, 4000)) {
        const original = node.scanBuffer;
        node.scanBuffer = async (...args) => {
          const page = await original.apply(node, args);
          if (++pages === 2) migration.stop();
          return page;
        };
      }
    };
    const { done } = await migrate(sessions, { prepare });
    // The third page was asked for when the second one arrived. Of more than 20 pages in all.
    assert.ok(pages <= 3, `${pages} pages`);
    assert.equal((await redis.keys('app:*')).length, all.length - done);
    assert.equal((await migrate(open().sessions)).done, all.length - done);
    assert.ok(pages <= 3, `${pages} pages`);
    await Promise.all(all.map((each) => assertMoved(sessions, redis, each)));
  });

  test('values from 1 byte to maxDataSize arrive whole', async () => {
    const all = [];
    for (const size of [0, 1000, 2 ** 16 - 20, 2 ** 16, 2 ** 17, 2 ** 20 - 20]) {
      all.push(await write(redis, { data: { text: 'é'.repeat(size / 2) } }));
    }
    assert.equal((await migrate(sessions)).done, all.length);
    await Promise.all(all.map((each) => assertMoved(sessions, redis, each)));
  });
});

onRedis((open) => {
  let sessions;
  let redis;
  beforeEach(async () => {
    ({ sessions, redis } = open());
    await redis.flushdb();
  });

  /** Runs `act` before a command of the migration is sent. */
  const before = (name, act) => () => {
    const original = sessions.client[name];
    sessions.client[name] = async (...args) => {
      await act();
      return original.apply(sessions.client, args);
    };
  };

  /** Runs `act` when a command of the migration is answered. */
  const after = (name, act) => () => {
    const original = sessions.client[name];
    sessions.client[name] = async (...args) => {
      const reply = await original.apply(sessions.client, args);
      await act();
      return reply;
    };
  };

  /** Writes a session whose JSON is not as JavaScript writes it. */
  const spaced = async () => {
    const session = await write(redis, {});
    await redis.set(session.key, ` ${JSON.stringify(DATA)}`, 'KEEPTTL');
    return session;
  };

  test('a key that is not UTF-8 is left, and named by a hash of its bytes', async () => {
    const { key } = await write(redis, {});
    const odd = Buffer.concat([Buffer.from(key), Buffer.from([0xff])]);
    await redis.rename(key, odd);
    const { done, notMoved, named } = await migrate(sessions);
    assert.deepEqual([done, notMoved], [0, { badKey: 1 }]);
    const hash = createHash('sha256').update(odd).digest('hex');
    assert.deepEqual(named.get('badKey').keys, [hash.slice(0, 16)]);
    assert.equal(await redis.exists(odd), 1);
  });

  test('each session is moved by one step, which also gives it its owner and its lifetime', async () => {
    const limited = open({ lifetime: 60 }).sessions;
    const written = [await write(redis, {}), await write(redis, { duration: 30 })];
    await redis.config('RESETSTAT');
    assert.equal((await migrate(limited)).done, 2);
    assert.match(await redis.info('commandstats'), /cmdstat_del:calls=2,/);
    const [long, short] = await Promise.all(
      written.map(({ token }) => limited.info({ app: 'shop', token })),
    );
    assert.ok(Math.abs(long.expiresAt - long.createdAt - 60_000) <= 1);
    assert.equal(Math.abs(short.expiresAt - written[1].expiresAt) <= 1, true);
    assert.equal(await limited.killAll({ app: 'shop', ownerId: '42' }), true);
    assert.equal(await limited.get({ app: 'shop', token: written[0].token }), undefined);
  });

  describe('while it runs', () => {
    test('a session that expires between scan and read is counted as gone', async () => {
      const { key } = await write(redis, {});
      const prepare = before('readOldValuesBuffer', () => redis.pexpire(key, 0));
      const { done, notMoved } = await migrate(sessions, { prepare });
      assert.deepEqual([done, notMoved], [0, { gone: 1 }]);
    });

    test('a session that is changed between read and move is moved as it is then', async () => {
      const [written, refreshed] = [await write(redis, {}), await write(redis, {})];
      const prepare = after('readOldValuesBuffer', async () => {
        await redis.set(written.key, '{"name":"Eve"}', 'KEEPTTL');
        await redis.expire(refreshed.key, 7200);
      });
      assert.deepEqual(await migrate(sessions, { prepare }).then(({ done }) => done), 2);
      await assertMoved(sessions, redis, { ...written, data: { name: 'Eve' } });
      const { expiresAt } = await sessions.info({ app: 'shop', token: refreshed.token });
      assert.ok(expiresAt.getTime() > refreshed.expiresAt + 3_000_000);
    });

    test('a session that is ended between read and move does not come back', async () => {
      const { key, token } = await write(redis, {});
      const prepare = after('readOldValuesBuffer', () => redis.del(key));
      const { done, notMoved } = await migrate(sessions, { prepare });
      assert.deepEqual([done, notMoved], [0, { gone: 1 }]);
      assert.equal(await sessions.get({ app: 'shop', token }), undefined);
    });

    test('a session that another JSON writer has written is moved in steps, and left if it is changed in between', async () => {
      const [written, refreshed, ended] = await Promise.all([spaced(), spaced(), spaced()]);
      const prepare = before('removeOldKeys', async () => {
        await redis.set(written.key, '{"name":"Eve"}', 'KEEPTTL');
        await redis.expire(refreshed.key, 7200);
        await redis.del(ended.key);
      });
      const { done, notMoved } = await migrate(sessions, { prepare });
      assert.deepEqual([done, notMoved], [1, { changed: 2 }]);
      assert.equal(await redis.exists(written.key, refreshed.key), 2);
      await assertMoved(sessions, redis, ended);
    });

    test('what was stopped is moved by the next run', async () => {
      const all = [];
      for (let n = 0; n < 3000; n++)
        all.push(createIn1x(redis, { app: 'shop', ownerId: '1', data: {}, duration: 60 }));
      await Promise.all(all.map(({ written }) => written));
      let stopped;
      const prepare = (migration) => {
        stopped = migration;
        before('readOldValuesBuffer', () => migration.stop())();
      };
      const first = await migrate(sessions, { prepare });
      assert.equal(stopped.isStopped, true);
      assert.ok(first.done > 0 && first.done < 3000, `${first.done}`);
      const second = await migrate(open().sessions);
      assert.equal(first.done + second.done, 3000);
      assert.equal((await redis.keys('app:*')).length, 0);
    });
  });

  test('no script of it blocks the server, and no command looks at all keys', async () => {
    const all = Array.from({ length: 5000 }, () =>
      createIn1x(redis, { app: 'shop', ownerId: '1', data: {}, duration: 60 }),
    );
    await Promise.all(all.map(({ written }) => written));
    await redis.config('RESETSTAT');
    await migrate(sessions);
    const stats = await redis.info('commandstats');
    assert.doesNotMatch(stats, /cmdstat_(keys|flushdb|randomkey)\b/);
    const [, scans] = /cmdstat_scan:calls=(\d+)/.exec(stats);
    assert.ok(Number(scans) >= 5, `${scans} scans`);
  });
});
