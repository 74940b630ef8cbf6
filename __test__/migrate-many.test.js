'use strict';

// `migrate` of 100,000 sessions of each system, by the command itself. They are written in bulk, in the form in which
// the real writers write theirs: the first test of each compares.

const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const { after, before, beforeEach, describe, test } = require('node:test');
const { RedisStore } = require('connect-redis');
const { createClient } = require('redis');
const { SpotsSessions } = require('../index.js');
const foreign = require('../lib/foreign.js');
const { connectRedis } = require('../lib/migrate/connect-redis.js');
const { runCli } = require('./support/command-line.js');
const { Browser, HOUR_MS, startSite } = require('./support/express-site.js');
const { HOSTILE, createIn1x, keyOf1x } = require('./support/old-sessions.js');
const { startRedis } = require('./support/redis-server.js');
const { runScript } = require('./support/scripts.js');

const COUNT = 100_000;
const OWNERS = 20_000;
/** How many commands are sent together. */
const AT_ONCE = 5000;

const ownerOf = (n) => `${HOSTILE[n % HOSTILE.length]}${n % OWNERS}`;

let server;
let redis;
let sessions;
before(async () => {
  server = await startRedis();
  redis = server.client();
  sessions = new SpotsSessions({ connectionString: server.url, commandTimeout: 60_000 });
});
after(async () => {
  await sessions?.close();
  await server?.stop();
});
beforeEach(() => redis.flushall());

/** Resolves to what `call` resolves to for each item, some at once. */
async function each(items, call) {
  const results = [];
  for (let n = 0; n < items.length; n += AT_ONCE) {
    results.push(...(await Promise.all(items.slice(n, n + AT_ONCE).map(call))));
  }
  return results;
}

/** Runs the command, and checks that it says that all were moved. */
async function migrate(...args) {
  const { code, stdout, stderr } = await runCli(['migrate', server.url, '--json', ...args]);
  assert.equal(code, 0, stderr);
  const { moved, already, notMoved, complete } = JSON.parse(stdout);
  const faults = notMoved.filter(({ isFault }) => isFault);
  assert.deepEqual(
    { moved, already, faults, complete },
    { moved: COUNT, already: 0, faults: [], complete: true },
  );
  for (const line of stderr.split('\n').filter(Boolean)) {
    assert.match(line, /^[\d,]+ sessions, [\d,]+\/s(, about .+ left)?$/);
  }
}

/** Each session is there until the millisecond at which it would have ended. */
function assertSame(found, written) {
  for (const [n, { ownerId, data, expiresAt }] of written.entries()) {
    assert.deepEqual([found[n]?.ownerId, found[n]?.data], [ownerId, data]);
    const off = found[n].expiresAt - expiresAt;
    assert.ok(Math.abs(off) <= 10, `ends ${off} ms later`);
  }
}

/** `list` finds each session of each owner, and after `killAll` none opens. */
async function assertOwned(app, written, opens) {
  const owners = [...new Set(written.map(({ ownerId }) => ownerId))];
  const lists = await each(owners, (ownerId) => sessions.list({ app, ownerId }));
  assert.equal(lists.flat().length, written.length);
  const killed = await each(owners, (ownerId) => sessions.killAll({ app, ownerId }));
  assert.ok(killed.every(Boolean));
  const left = await each(written, opens);
  assert.deepEqual(left.filter(Boolean), []);
}

describe('version 1', () => {
  const app = 'shop *|🦀';

  test('writes as the test does', async () => {
    const { stdout, stderr } = await runScript(
      `require(root + '/benchmark/peers/version-1.js').open(given.url).then(async (peer) => {
        const token = await peer.create({ ...given.session, duration: 600 });
        process.stdout.write(token, () => process.exit(0));
      });`,
      { given: { url: server.url, session: { app: 'benchmark', ownerId: 'a|b', data: { n: 1 } } } },
    );
    assert.equal(stderr, '');
    const key = keyOf1x('benchmark', stdout, 'a|b');
    assert.equal(await redis.get(key), '{"n":1}');
    assert.equal(await redis.dbsize(), 1);
    const mine = createIn1x(redis, {
      app: 'benchmark',
      ownerId: 'a|b',
      data: { n: 1 },
      duration: 600,
    });
    await mine.written;
    assert.equal(mine.key.length, key.length);
    assert.equal(await redis.get(mine.key), '{"n":1}');
    assert.ok((await redis.ttl(mine.key)) - (await redis.ttl(key)) < 60);
  });

  test(`${COUNT} sessions move: each token opens what it opened`, async () => {
    const begin = Date.now() + HOUR_MS;
    const all = await each(
      Array.from({ length: COUNT }, (_, n) => n),
      async (n) => {
        const session = {
          app,
          ownerId: ownerOf(n),
          data: { n, name: HOSTILE[n % 7] },
          expiresAt: begin + n,
        };
        const { token, written } = createIn1x(redis, session);
        await written;
        return { ...session, token };
      },
    );
    await migrate('--from', '1.x', '--app', app);
    assertSame(await each(all, ({ token }) => sessions.info({ app, token })), all);
    await assertOwned(app, all, ({ token }) => sessions.get({ app, token }));
  });
});

describe('connect-redis', () => {
  const app = 'shop';
  const write = (sid, data, expiresAt) =>
    redis.set(`sess:${sid}`, JSON.stringify(data), 'PXAT', expiresAt);
  const sessionOf = (user, expires) => ({
    cookie: { originalMaxAge: HOUR_MS, expires, httpOnly: true, path: '/' },
    passport: { user },
    nothing: null,
  });

  test('writes as the test does', async (t) => {
    const client = createClient({ url: server.url });
    await client.connect();
    t.after(() => client.destroy());
    const site = await startSite(new RedisStore({ client }));
    t.after(() => site.close());
    const { sid } = await new Browser().ask(site, '/login/42');
    const real = JSON.parse(await redis.get(`sess:${sid}`));
    assert.deepEqual(sessionOf('42', real.cookie.expires), real);
    assert.equal(randomBytes(24).toString('base64url').length, sid.length);
  });

  test(`${COUNT} sessions move: each id opens what it opened`, async () => {
    const begin = Date.now() + HOUR_MS;
    const all = await each(
      Array.from({ length: COUNT }, (_, n) => n),
      async (n) => {
        const [sid, ownerId, expiresAt] = [
          randomBytes(24).toString('base64url'),
          ownerOf(n),
          begin + n,
        ];
        const data = sessionOf(ownerId, new Date(expiresAt).toISOString());
        await write(sid, data, expiresAt);
        const { token } = connectRedis({ prefix: 'sess:' }).parseKey(sid);
        return { token, ownerId, data, expiresAt };
      },
    );
    await migrate('--from', 'connect-redis', '--app', app, '--owner', 'passport.user');
    const opens = ({ token }) => foreign.load(sessions, { app, token });
    assertSame(await each(all, opens), all);
    await assertOwned(app, all, opens);
  });
});
