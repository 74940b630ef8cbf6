'use strict';

// What a sliding session costs on a server, and when its extensions are sent. The tests shorten a session's life behind
// the instance's back, so that the next extension must write. contract-sliding.test.js has what callers see.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { idOf, indexKey, sessionKey } = require('./support/keys.js');
const { commandsIn } = require('./support/monitor.js');
const { startSentinels } = require('./support/sentinel.js');
const { freshName, onRedis } = require('./support/targets.js');
const { expiryOf, serverTime, slackOf, waitUntilLeft } = require('./support/times.js');
const { waitUntil } = require('./support/wait-until.js');
const { SpotsSessions } = require('../index.js');

const ownerId = 'alice';
const DURATION = 600;
const DURATION_MS = DURATION * 1000;

onRedis((open, server) => {
  /** A sliding session, on a server that knows the scripts. */
  async function newSession(more = {}) {
    const { sessions, redis } = open();
    const app = freshName();
    const create = () =>
      sessions.create({ app, ownerId, data: {}, duration: DURATION, sliding: true, ...more });
    await read(sessions, app, await create());
    await sessions.killAll({ app, ownerId });
    const token = await create();
    const key = sessionKey(app, ownerId, token);
    return { sessions, redis, app, token, key, index: indexKey(app, ownerId) };
  }

  /** Reads a session, and waits until one more script has run. */
  async function read(sessions, app, token) {
    const scripts = async () => (await server().commandStats()).evalsha ?? 0;
    const before = await scripts();
    assert.notEqual(await sessions.get({ app, token }), undefined);
    await waitUntil(async () => (await scripts()) > before, 'the extension');
  }

  test('a get of a sliding session is one GET, and one script behind it in a tenth of its duration', async () => {
    const { sessions, app, token } = await newSession();
    const watching = await server().monitor();
    await read(sessions, app, token);
    await Promise.all(Array.from({ length: 100 }, () => sessions.get({ app, token })));
    for (let n = 0; n < 100; n++) await sessions.get({ app, token });
    const sent = commandsIn(await watching.stop());
    assert.deepEqual(sent, ['get', 'evalsha', ...Array(200).fill('get')]);
  });

  test('an extension only asks what is left, and writes nothing while nine tenths are left', async () => {
    const { sessions, redis, app, token, key } = await newSession({
      data: { x: 'x'.repeat(5000) },
    });
    const expiry = await expiryOf(redis, key);
    await redis.config('RESETSTAT');
    await read(sessions, app, token);
    const { get, getrange, pttl, ...others } = await server().commandStats();
    assert.equal(get, 1);
    assert.deepEqual([getrange, pttl], [undefined, 1]);
    for (const name of [
      'set',
      'pexpireat',
      'pexpire',
      'persist',
      'zadd',
      'append',
      'strlen',
      'zrem',
    ])
      assert.equal(others[name], undefined, name);
    assert.ok(Math.abs((await expiryOf(redis, key)) - expiry) <= (await slackOf(redis)));
  });

  test('an extension sets the expiry by the clock of the server, and the score and the index with it', async () => {
    const { sessions, redis, app, token, key, index } = await newSession();
    await redis.pexpire(key, 60_000);
    const begin = await serverTime(redis);
    await read(sessions, app, token);
    const end = await serverTime(redis);
    const expiry = await expiryOf(redis, key);
    const slack = await slackOf(redis);
    assert.ok(expiry >= begin + DURATION_MS - slack && expiry <= end + DURATION_MS + slack);
    const score = Number(await redis.zscore(index, idOf(token)));
    assert.ok(Math.abs(score - expiry) <= slack, `${score} ${expiry}`);
    assert.ok((await redis.pttl(index)) >= (await redis.pttl(key)));
  });

  test('an extension restores an index that was lost', async () => {
    const { sessions, redis, app, token, key, index } = await newSession();
    await redis.del(index);
    await redis.pexpire(key, 60_000);
    await read(sessions, app, token);
    assert.deepEqual(await redis.zrange(index, 0, -1), [idOf(token)]);
    assert.ok((await redis.pttl(index)) >= (await redis.pttl(key)));
  });

  test('each process sends its own extensions', async () => {
    const { sessions, redis, app, token, key } = await newSession();
    await read(sessions, app, token);
    await redis.pexpire(key, 60_000);
    const { sessions: other } = open();
    await read(other, app, token);
    assert.ok((await redis.pttl(key)) > 60_000);
  });

  test('sessions that are read together are extended together', async () => {
    const { sessions, redis, app } = await newSession();
    const make = (n) =>
      sessions.create({ app, ownerId: `owner ${n}`, duration: DURATION, sliding: true });
    const tokens = await Promise.all(Array.from({ length: 64 }, (_, n) => make(n)));
    const keys = tokens.map((token, n) => sessionKey(app, `owner ${n}`, token));
    await Promise.all(keys.map((key) => redis.pexpire(key, 60_000)));
    await redis.config('RESETSTAT');
    await Promise.all(tokens.map((token) => sessions.get({ app, token })));
    await waitUntil(async () => {
      const left = await Promise.all(keys.map((key) => redis.pttl(key)));
      return left.every((ms) => ms > 60_000);
    }, 'all to be extended');
    const { evalsha } = await server().commandStats();
    assert.ok(evalsha <= 16, `${evalsha} scripts`);
  });

  test('a session that is read every half duration lives on, and one that is not read ends', async () => {
    const { sessions, redis, app } = await newSession();
    // On a slow machine a read may come too late.
    for (let duration = 0.5, lives = false; !lives; duration *= 2) {
      assert.ok(duration < 60, 'a session that is read ends');
      const create = () => sessions.create({ app, ownerId, duration, sliding: true });
      const [used, unused] = await Promise.all([create(), create()]);
      const key = sessionKey(app, ownerId, used);
      lives = true;
      for (let round = 0; round < 4 && lives; round++) {
        const left = await waitUntilLeft(redis, key, 500 * duration);
        lives = left > 0 && (await sessions.get({ app, token: used })) !== undefined;
        const isExtended = async () => {
          const now = await redis.pttl(key);
          return now > left || now < 0;
        };
        if (lives) await waitUntil(isExtended, 'the extension');
      }
      lives &&= (await redis.pttl(key)) > 0;
      if (lives) assert.equal(await redis.exists(sessionKey(app, ownerId, unused)), 0);
    }
  });

  test('a session that is read all the time is extended once in a tenth of its duration', async () => {
    const { sessions, redis, app } = await newSession();
    const duration = 2;
    const token = await sessions.create({ app, ownerId, duration, sliding: true });
    await redis.config('RESETSTAT');
    const begin = await serverTime(redis);
    let end = begin;
    let reads = 0;
    while (end < begin + 3000 * duration) {
      if ((await sessions.get({ app, token })) !== undefined) reads++;
      end = await serverTime(redis);
    }
    const { evalsha = 0, eval: evaluated = 0 } = await server().commandStats();
    const most = Math.ceil((end - begin) / (100 * duration)) + 1;
    assert.ok(evalsha + evaluated <= most, `${evalsha} scripts, ${most} tenths`);
    assert.ok(reads > 0);
  });

  test('an extension that finds no session any more does nothing', async () => {
    const { sessions, redis, app, token, key, index } = await newSession();
    const { sessions: other } = open();
    await Promise.all([sessions.get({ app, token }), other.kill({ app, token })]);
    await sessions.close();
    assert.equal(await redis.exists(key, index), 0);
  });
});

test("with readFrom: 'replica' an extension goes to the primary, and the session is still read from the replica", async (t) => {
  const servers = await startSentinels({ replicas: 1, sentinels: 3, downAfter: 60_000 });
  t.after(() => servers.stop());
  const writer = new SpotsSessions({ connectionString: servers.url });
  const reader = new SpotsSessions({ connectionString: servers.url, readFrom: 'replica' });
  t.after(() => Promise.all([writer.close(), reader.close()]));
  const primary = await servers.primary();
  const [replica] = await servers.replicas();
  const redis = primary.client();
  const app = freshName();
  const token = await writer.create({ app, ownerId, duration: DURATION, sliding: true });
  const key = sessionKey(app, ownerId, token);
  await redis.pexpire(key, 60_000);
  const gets = async (node) => (await node.commandStats()).get ?? 0;
  await waitUntil(async () => {
    const before = [await gets(primary), await gets(replica)];
    await reader.get({ app, token });
    return (await gets(replica)) > before[1] && (await gets(primary)) === before[0];
  }, 'the replica alone to be read from');
  await waitUntil(async () => (await redis.pttl(key)) > 60_000, 'the session to be extended');
  const before = [await gets(primary), await gets(replica)];
  for (let n = 0; n < 20; n++) assert.notEqual(await reader.get({ app, token }), undefined);
  assert.deepEqual([await gets(primary), await gets(replica)], [before[0], before[1] + 20]);
});
