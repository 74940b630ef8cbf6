'use strict';

// `migrate` from connect-redis: the cookie that a browser has still opens its session.

const assert = require('node:assert/strict');
const { after, before, beforeEach, describe, test } = require('node:test');
const { RedisStore } = require('connect-redis');
const { createClient } = require('redis');
const foreign = require('../lib/foreign.js');
const { connectRedis } = require('../lib/migrate/connect-redis.js');
const { Migration } = require('../lib/migrate/migration.js');
const { SessionStore } = require('../lib/session-store.js');
const { expiryOf } = require('./support/expiries.js');
const { Browser, startSite } = require('./support/express-site.js');
const { HOSTILE } = require('./support/old-sessions.js');
const { forEachTarget, onRedis } = require('./support/targets.js');
const web = require('./support/web.js');

const APP = 'shop';

/** Migrates the sessions of connect-redis. */
async function migrate(sessions, { prefix = 'sess:', owner = 'passport.user', ...more } = {}) {
  const system = connectRedis({ prefix, owner });
  const migration = new Migration(sessions, { app: APP, system, mode: 'move', ...more });
  await migration.run();
  const counts = [...migration.notMoved].map(([why, { count }]) => [why, count]);
  return { done: migration.done, notMoved: Object.fromEntries(counts) };
}

onRedis((open, server) => {
  let sessions;
  let redis;
  let client;
  let site;
  before(async () => {
    client = createClient({ url: server().url });
    client.on('error', () => {});
    await client.connect();
  });
  after(() => client?.destroy());
  beforeEach(async () => {
    ({ sessions, redis } = open());
    await redis.flushdb();
  });

  /** Moves from connect-redis to our store, as a new version of a program does. */
  const moveSite = async (t, prefix = 'sess:') => {
    site = await startSite(new RedisStore({ client, prefix }));
    t.after(() => site.close());
    return async (owner = 'passport.user') => {
      await site.close();
      const report = await migrate(sessions, { prefix, owner });
      const ownerId = (session) => session.passport?.user;
      site = await startSite(new SessionStore({ sessions, app: APP, ownerId }));
      return report;
    };
  };

  describe('with express-session over HTTP', () => {
    test('users stay logged in, and visitors keep their carts', async (t) => {
      const move = await moveSite(t);
      const users = HOSTILE.map((name) => ({ name, browser: new Browser() }));
      const visitor = new Browser();
      for (const { name, browser } of users) {
        await browser.ask(site, `/login/${encodeURIComponent(name)}`);
      }
      await visitor.ask(site, '/visit');
      const before = await Promise.all(
        [visitor, ...users.map(({ browser }) => browser)].map((each) => each.ask(site, '/me')),
      );
      assert.deepEqual(await move(), { done: users.length + 1, notMoved: {} });
      const now = await Promise.all(
        [visitor, ...users.map(({ browser }) => browser)].map((each) => each.ask(site, '/me')),
      );
      assert.deepEqual(now, before);
      assert.equal((await redis.keys('sess:*')).length, 0);
    });

    test('list and killAll find them', async (t) => {
      const move = await moveSite(t);
      const [laptop, phone, other] = [new Browser(), new Browser(), new Browser()];
      await laptop.ask(site, '/login/42');
      await phone.ask(site, '/login/42');
      await other.ask(site, '/login/43');
      await move();
      assert.equal((await sessions.list({ app: APP, ownerId: '42' })).length, 2);
      assert.equal(await sessions.killAll({ app: APP, ownerId: '42' }), true);
      for (const browser of [laptop, phone]) {
        assert.deepEqual((await browser.ask(site, '/me')).data, {});
      }
      assert.deepEqual((await other.ask(site, '/me')).data, {
        passport: { user: '43' },
        nothing: null,
      });
    });

    test('with a prefix that is a pattern, only its own keys move', async (t) => {
      const prefix = 's[e]s*:';
      const move = await moveSite(t, prefix);
      const browser = new Browser();
      await browser.ask(site, '/login/42');
      await redis.set('ses1:other', '{"cookie":{}}', 'EX', 60);
      assert.deepEqual(await move(), { done: 1, notMoved: {} });
      assert.equal((await browser.ask(site, '/me')).data.passport.user, '42');
      assert.equal(await redis.exists('ses1:other'), 1);
    });
  });

  test('with @fastify/session over HTTP users stay logged in, and visitors keep their carts', async (t) => {
    const routes = {
      '/login': async (request, reply) => {
        await request.session.regenerate();
        Object.assign(request.session, { passport: { user: request.query.user }, nothing: null });
        reply.send({});
      },
      '/visit': (request, reply) => {
        request.session.cart = ['tea', { 'with a 🦀': [1, null] }];
        reply.send({});
      },
      '/me': (request, reply) => {
        const { session } = request;
        const { cookie: _, ...data } = JSON.parse(JSON.stringify(session));
        reply.send({ sid: session.sessionId, data });
      },
    };
    const start = (store) =>
      web.startFastify(t, { store, saveUninitialized: false, cookie: { maxAge: 600_000 } }, routes);
    const old = await start(new RedisStore({ client }));
    const [visitor, ...users] = ['', ...HOSTILE].map(() => new web.Browser(old));
    await visitor.get('/visit');
    for (const [n, user] of users.entries()) {
      await user.get(`/login?user=${encodeURIComponent(HOSTILE[n])}`);
    }
    const ask = () => Promise.all([visitor, ...users].map((browser) => browser.json('/me')));
    const before = await ask();
    assert.deepEqual(before[0].data, { cart: ['tea', { 'with a 🦀': [1, null] }] });
    for (const [n, name] of HOSTILE.entries()) {
      assert.deepEqual(before[n + 1].data, { passport: { user: name }, nothing: null });
    }

    assert.deepEqual(await migrate(sessions), { done: before.length, notMoved: {} });
    assert.equal((await redis.keys('sess:*')).length, 0);
    const ownerId = (session) => session.passport?.user;
    const url = await start(new SessionStore({ sessions, app: APP, ownerId }));
    for (const browser of [visitor, ...users]) browser.url = url;
    assert.deepEqual(await ask(), before);

    assert.equal(await sessions.killAll({ app: APP, ownerId: HOSTILE[0] }), true);
    assert.deepEqual((await users[0].json('/me')).data, {});
    assert.deepEqual(await users[1].json('/me'), before[2]);
  });

  test('a session ends when its key would have ended', async (t) => {
    const move = await moveSite(t);
    const browser = new Browser();
    const { sid } = await browser.ask(site, '/login/42');
    const end = await expiryOf(redis, `sess:${sid}`);
    await move();
    const [{ expiresAt }] = await sessions.list({ app: APP, ownerId: '42' });
    assert.ok(Math.abs(expiresAt - end) <= 10, `${expiresAt - end} ms later`);
  });

  test('the data is the whole session, with its cookie', async (t) => {
    const move = await moveSite(t);
    const browser = new Browser();
    const { sid } = await browser.ask(site, '/login/42');
    const json = JSON.parse(await redis.get(`sess:${sid}`));
    await move();
    const { token } = connectRedis({ prefix: '' }).parseKey(sid);
    const { data, ownerId } = await foreign.load(sessions, { app: APP, token });
    assert.deepEqual({ data, ownerId }, { data: json, ownerId: '42' });
  });

  test('without a path to the owner all sessions are those of visitors', async (t) => {
    const move = await moveSite(t);
    const browser = new Browser();
    await browser.ask(site, '/login/42');
    await move(null);
    assert.deepEqual(await sessions.list({ app: APP, ownerId: '42' }), []);
    assert.equal((await browser.ask(site, '/me')).data.passport.user, '42');
  });

  test('what is no session of express-session is counted and left', async () => {
    const odd = { notJson: 'j:{"a":1}', notSession: '{"views":1}' };
    for (const [name, value] of Object.entries(odd))
      await redis.set(`sess:${name}`, value, 'EX', 60);
    await redis.lpush('sess:notString', 'a');
    await redis.set('sess:endless', '{"cookie":{}}');
    const { done, notMoved } = await migrate(sessions);
    assert.equal(done, 0);
    assert.deepEqual(notMoved, { notJson: 1, notSession: 1, notString: 1, endless: 1 });
    assert.equal(await redis.dbsize(), 4);
  });

  test('without a prefix of theirs, our own keys are no sessions of theirs', async () => {
    const cookie = { originalMaxAge: null, expires: null };
    await redis.set('a-session-id', JSON.stringify({ cookie }), 'EX', 60);
    for (const app of [APP, 'not UTF-8: \ud800'])
      await sessions.create({ app, ownerId: '1', data: {} });
    assert.deepEqual(await migrate(sessions, { prefix: '' }), { done: 1, notMoved: {} });
    assert.deepEqual(await migrate(sessions, { prefix: '' }), { done: 0, notMoved: {} });
  });
});

forEachTarget((target, open) => {
  if (target === 'memory') return;
  test('on every kind of server its sessions move', async () => {
    const { sessions, redis } = open();
    const cookie = { originalMaxAge: null, expires: null, httpOnly: true, path: '/' };
    const all = Array.from({ length: 300 }, (_, n) => ({ sid: `s${n}🦀`, user: `user-${n % 30}` }));
    const end = Date.now() + 600_000;
    await Promise.all(
      all.map(({ sid, user }) =>
        redis.set(`sess:${sid}`, JSON.stringify({ cookie, passport: { user } }), 'PXAT', end),
      ),
    );
    assert.deepEqual(await migrate(sessions), { done: 300, notMoved: {} });
    const { parseKey } = connectRedis({ prefix: 'sess:' });
    for (const { sid, user } of all) {
      const found = await foreign.load(sessions, { app: APP, token: parseKey(sid).token });
      assert.deepEqual([found.ownerId, found.data], [user, { cookie, passport: { user } }]);
      assert.equal(found.expiresAt.getTime(), end);
    }
    assert.equal((await sessions.list({ app: APP, ownerId: 'user-7' })).length, 10);
    assert.deepEqual(await redis.keys('sess:*'), []);
  });
});
