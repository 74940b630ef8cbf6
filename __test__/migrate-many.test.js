'use strict';

// `migrate` of 100,000 sessions of each system, by the command itself. The real writers write them: the algorithm of
// version 1 (benchmark/peers/version-1.js), and connect-redis with the sessions that express-session makes. Among them
// are sessions and keys that cannot be moved, and some that expire between scan and copy.

const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const { after, before, beforeEach, test } = require('node:test');
const { RedisStore } = require('connect-redis');
const { createClient } = require('redis');
const { SpotsSessions } = require('../index.js');
const foreign = require('../lib/foreign.js');
const { connectRedis } = require('../lib/migrate/connect-redis.js');
const { Migration } = require('../lib/migrate/migration.js');
const { version1 } = require('../lib/migrate/version-1.js');
const { runCli } = require('./support/command-line.js');
const { expiryOf } = require('./support/expiries.js');
const { HOUR_MS } = require('./support/express-site.js');
const {
  HOSTILE,
  HOSTILE_APP,
  each,
  keyOf1x,
  writeIn1x,
  writeInStore,
} = require('./support/old-sessions.js');
const { startProxy } = require('./support/proxy.js');
const { startRedis, waitUntil } = require('./support/redis-server.js');
const { keysOfScan } = require('./support/scan-reply.js');

const APP = HOSTILE_APP;
const COUNT = 100_000;
const OWNERS = 20_000;

/** How many of the sessions are not simply moved. */
const ALREADY = 500;
const ENDLESS = 50;
const DIFFERS = 10;
const GONE = 20;
/** How many keys beside them are no sessions. */
const BROKEN = 40;
const NO_STRINGS = 30;

const ownerOf = (n) => `${HOSTILE[n % HOSTILE.length]}${n % OWNERS}`;

let server;
let proxy;
let redis;
let sessions;
before(async () => {
  server = await startRedis();
  proxy = await startProxy(server.port);
  redis = server.client();
  sessions = new SpotsSessions({ connectionString: server.url, commandTimeout: 60_000 });
});
after(async () => {
  await sessions?.close();
  await proxy?.stop();
  await server?.stop();
});
beforeEach(() => redis.flushall());

/** @typedef {import('./support/old-sessions.js').Written} Written */

/**
 * Runs the command, and lets some sessions expire when its first SCAN has found them. Resolves to their keys, to the
 * report, and to the exit code.
 *
 * @param {Set<string>} keys of sessions that would be moved
 * @param {string[]} args
 */
async function migrate(keys, args) {
  let gone;
  const expire = async function* (bytes) {
    await Promise.all(gone.map((key) => redis.pexpire(key, 1)));
    await waitUntil(async () => (await redis.exists(gone)) === 0, 'the sessions to expire');
    yield bytes;
  };
  proxy.onReply = ({ bytes }) => {
    const found = gone === undefined ? keysOfScan(bytes) : undefined;
    if (found === undefined) return bytes;
    gone = found.filter((key) => keys.has(key)).slice(0, GONE);
    return expire(bytes);
  };
  const { code, stdout, stderr } = await runCli(['migrate', proxy.url, '--json', ...args]);
  assert.equal(gone?.length, GONE, stderr);
  for (const line of stderr.split('\n').filter(Boolean)) {
    assert.match(line, /^[\d,]+ sessions, [\d,]+\/s(, about .+ left)?$/);
  }
  return { code, gone: new Set(gone), report: JSON.parse(stdout) };
}

/** Each session is there until the millisecond at which it would have ended. */
function assertSame(found, written, expiries) {
  for (const [n, { ownerId, data, key }] of written.entries()) {
    assert.deepEqual([found[n]?.ownerId, found[n]?.data], [ownerId, data]);
    const off = found[n].expiresAt - expiries.get(key);
    assert.ok(Math.abs(off) <= 10, `ends ${off} ms later`);
  }
}

/** `list` finds each session of each owner, and after `killAll` none opens. */
async function assertOwned(written, opens) {
  const owners = [...new Set(written.map(({ ownerId }) => ownerId))];
  const lists = await each(owners, (ownerId) => sessions.list({ app: APP, ownerId }));
  assert.equal(lists.flat().length, written.length);
  const killed = await each(owners, (ownerId) => sessions.killAll({ app: APP, ownerId }));
  assert.ok(killed.every(Boolean));
  const left = await each(written, opens);
  assert.deepEqual(left.filter(Boolean), []);
}

/**
 * Writes the sessions, migrates them, and checks what has become of each.
 *
 * @param {object} what
 * @param {import('../lib/migrate/old-session.js').OldSystem} what.system
 * @param {string[]} what.args
 * @param {(numbers: number[]) => Promise<Written[]>} what.write
 * @param {(numbers: number[]) => Promise<Written[]>} what.writeEndless
 * @param {() => string} what.newKey
 * @param {(session: Written) => Promise<any>} what.opens
 */
async function check({ system, args, write, writeEndless, newKey, opens }) {
  const numbers = Array.from({ length: COUNT }, (_, n) => n);
  const take = (count) => numbers.splice(0, count);

  // An earlier run was cut off when it had created these, and before it deleted their old keys.
  const already = await write(take(ALREADY));
  const earlier = new Migration(sessions, { app: APP, system, mode: 'copy' });
  await earlier.run();
  assert.equal(earlier.done, ALREADY);

  const endless = await writeEndless(take(ENDLESS));
  const others = await write(numbers);
  const differs = others.splice(0, DIFFERS);
  const theirs = { app: APP, ownerId: 'eve', data: { theirs: true }, durationMs: HOUR_MS };
  await each(differs, ({ token }) => foreign.create(sessions, { ...theirs, token, replace: true }));
  const broken = Array.from({ length: BROKEN }, newKey);
  await each(broken, (key) => redis.set(key, '{"cookie":{},"name":', 'EX', 3600));
  const noStrings = Array.from({ length: NO_STRINGS }, newKey);
  await each(noStrings, (key) => redis.rpush(key, '{"cookie":{}}'));
  const all = [...already, ...others];
  const ends = await each(all, ({ key }) => expiryOf(redis, key));
  const expiries = new Map(all.map(({ key }, n) => [key, ends[n]]));

  const keys = new Set(others.map(({ key }) => key));
  const { code, gone, report } = await migrate(keys, ['--app', APP, ...args]);
  assert.equal(code, 1);
  const { moved, complete, notMoved } = report;
  assert.deepEqual(
    { moved, already: report.already, complete },
    {
      moved: others.length - GONE,
      already: ALREADY,
      complete: true,
    },
  );
  assert.deepEqual(
    notMoved.map(({ why, isFault, count }) => [why, isFault, count]),
    [
      ['differs', true, DIFFERS],
      ['endless', false, ENDLESS],
      ['gone', false, GONE],
      ['notJson', true, BROKEN],
      ['notString', true, NO_STRINGS],
    ],
  );

  const live = all.filter(({ key }) => !gone.has(key));
  assertSame(await each(live, opens), live, expiries);
  const left = [...[...endless, ...differs].map(({ key }) => key), ...broken, ...noStrings];
  assert.equal(await redis.exists(left), left.length);
  assert.deepEqual((await each(endless, opens)).filter(Boolean), []);
  for (const { ownerId } of await each(differs, opens)) assert.equal(ownerId, 'eve');
  await assertOwned(live, opens);
  await sessions.killAll({ app: APP, ownerId: 'eve' });
  await redis.del(left);
  assert.equal((await redis.keys(`${system.prefix.replace('*', '\\*')}*`)).length, 0);
}

test(`${COUNT} sessions of version 1 move: each token opens what it opened`, async () => {
  const write = (numbers) => {
    const all = numbers.map((n) => {
      return { ownerId: ownerOf(n), data: { n, name: HOSTILE[n % 7] }, duration: 3600 + n };
    });
    return writeIn1x(server, APP, all);
  };
  await check({
    system: version1({ app: APP }),
    args: ['--from', '1.x'],
    write,
    async writeEndless(numbers) {
      const written = await write(numbers);
      // An update of version 1 leaves such a key, if the session expires meanwhile.
      await each(written, ({ key }) => redis.persist(key));
      return written;
    },
    newKey: () => keyOf1x(APP, randomBytes(128).toString('base64'), 'a|b'),
    opens: ({ token }) => sessions.info({ app: APP, token }),
  });
});

test(`${COUNT} sessions of connect-redis move: each id opens what it opened`, async (t) => {
  // With both cores busy, a command may wait longer than its five seconds.
  const client = createClient({ url: server.url, commandOptions: { timeout: undefined } });
  await client.connect();
  t.after(() => client.destroy());
  const write = (store, numbers) => {
    const all = numbers.map((n) => {
      const maxAge = n % 3 > 0 ? HOUR_MS + n : undefined;
      return { ownerId: ownerOf(n), data: { nothing: null }, maxAge };
    });
    return writeInStore(server, store, all);
  };
  await check({
    system: connectRedis({ prefix: 'sess:', owner: 'passport.user' }),
    args: ['--from', 'connect-redis', '--owner', 'passport.user'],
    write: (numbers) => write(new RedisStore({ client }), numbers),
    writeEndless: (numbers) => write(new RedisStore({ client, disableTTL: true }), numbers),
    newKey: () => `sess:${randomBytes(24).toString('base64url')}`,
    opens: ({ token }) => foreign.load(sessions, { app: APP, token }),
  });
});
