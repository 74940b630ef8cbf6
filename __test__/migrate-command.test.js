'use strict';

// The command `migrate`: what it takes, what it shows on a terminal and on a pipe, and how it exits.

const assert = require('node:assert/strict');
const { after, before, beforeEach, describe, test } = require('node:test');
const { RedisStore } = require('connect-redis');
const { createClient } = require('redis');
const { SpotsSessions } = require('../index.js');
const { ProgressLine } = require('../lib/cli/progress-line.js');
const { progressOf, secondsLeft } = require('../lib/migrate/progress.js');
const { SessionStore } = require('../lib/session-store.js');
const {
  noTerminal,
  runCli,
  runInTerminal,
  startCli,
  startInTerminal,
} = require('./support/command-line.js');
const { Browser, startSite } = require('./support/express-site.js');
const { createIn1x, keyOf1x } = require('./support/old-sessions.js');
const { startProxy } = require('./support/proxy.js');
const { startRedis } = require('./support/redis-server.js');
const { keysOfScan } = require('./support/scan-reply.js');

const SHOP = ['--from', '1.x', '--app', 'shop'];

let server;
let redis;
before(async () => {
  server = await startRedis();
  redis = server.client();
});
after(() => server?.stop());
beforeEach(() => redis.flushall());

const env = () => ({ REDIS_URL: server.url });
const migrate = (...args) => runCli(['migrate', ...args], { env: env() });
const onTerminal = (...args) => runInTerminal(['migrate', ...args], { env: env() });

/** Writes sessions, the first of them with a hostile owner, and one that is broken. */
async function fill(count) {
  const owners = ['\x1b[2J\x9b31m', ...Array.from({ length: count - 1 }, (_, n) => `owner-${n}`)];
  const data = { secret: 'never shown' };
  const all = owners.map((ownerId) =>
    createIn1x(redis, { app: 'shop', ownerId, data, duration: 600 }),
  );
  await Promise.all(all.map(({ written }) => written));
  await redis.set(keyOf1x('shop', 'a'.repeat(172), '42'), '{"secret":', 'EX', 600);
  return all;
}

/** Nothing that was printed opens a session, shows its data, or changes the terminal. */
function assertNothingSecret(printed, all) {
  assert.doesNotMatch(printed, /never shown|secret/);
  for (const code of ['\x1b[2J', '\x9b']) assert.ok(!printed.includes(code));
  for (const { token } of all) assert.ok(!printed.includes(token.slice(0, 12)));
}

describe('wrong usage', () => {
  for (const [label, args, words] of [
    ['nothing', [], /needs --from/],
    ['no app', ['--from', '1.x'], /needs --app/],
    ['an empty app', ['--from', '1.x', '--app='], /--app needs a name/],
    ['another system', ['--from', '2.x', '--app', 'shop'], /--from needs 1\.x or connect-redis/],
    ['a prefix of 1.x', [...SHOP, '--from-prefix', 'sess:'], /only for --from connect-redis/],
    ['an owner of 1.x', [...SHOP, '--owner', 'user'], /only for --from connect-redis/],
    [
      'an empty owner',
      ['--from', 'connect-redis', '--app', 'shop', '--owner='],
      /--owner needs a path/,
    ],
    ['a rehearsal in the same place', [...SHOP, '--copy'], /--copy is a rehearsal/],
    ['the same, said', [...SHOP, '--copy', '--prefix', 'spots:'], /--copy is a rehearsal/],
    ['both', [...SHOP, '--copy', '--dry-run', '--prefix', 'a:'], /not both/],
    ['no time', [...SHOP, '--endless', 'soon'], /--endless needs a positive number/],
    ['no time to live', [...SHOP, '--endless', '0'], /--endless needs a positive number/],
    [
      'our prefix instead of theirs',
      ['--from', 'connect-redis', '--app', 'shop', '--prefix', 'sess:'],
      /--from-prefix \(theirs\) must differ/,
    ],
  ]) {
    test(`${label}: says what to write, changes nothing, and exits with 2`, async () => {
      await fill(1);
      const { code, stdout, stderr } = await migrate(...args);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, words);
      assert.equal(await redis.dbsize(), 2);
    });
  }
});

test('on a pipe it prints a count in each line, and exits with 1 if something was left', async () => {
  const all = await fill(20);
  const { code, stdout, stderr } = await migrate(...SHOP);
  assert.equal(code, 1, stderr);
  assert.match(stdout, /^moved\t20\nalready\t0\nnotJson\t1\t[0-9a-f]{16}\n$/);
  assertNothingSecret(stdout + stderr, all);
});

test('it exits with 0 if nothing was left, also with nothing to do and with endless sessions', async () => {
  assert.equal((await migrate(...SHOP)).code, 0);
  const { written } = createIn1x(redis, { app: 'shop', ownerId: '42', data: {} });
  await written;
  const { code, stdout } = await migrate(...SHOP);
  assert.deepEqual(
    [code, stdout],
    [0, 'moved\t0\nalready\t0\nendless\t1\t--endless <seconds> moves them\n'],
  );
  assert.equal((await migrate(...SHOP, '--endless', '0.5')).stdout, 'moved\t1\nalready\t0\n');
});

test('--json prints the result for machines', async () => {
  const all = await fill(20);
  const { code, stdout, stderr } = await migrate(...SHOP, '--json', '--dry-run');
  assert.equal(code, 1);
  const { samples, notMoved, seconds, ...rest } = JSON.parse(stdout);
  assert.deepEqual(rest, {
    ...{ from: '1.x', app: 'shop', mode: 'dry-run' },
    ...{ complete: true, moved: 20, already: 0 },
  });
  assert.equal(samples.length, 5);
  assert.deepEqual(Object.keys(samples[0]), ['key', 'bytes', 'ownerId', 'expiresAt']);
  assert.deepEqual(notMoved, [{ why: 'notJson', isFault: true, count: 1, keys: notMoved[0].keys }]);
  assert.equal(typeof seconds, 'number');
  assertNothingSecret(stdout + stderr, all);
});

describe('--from-prefix', () => {
  const session = JSON.stringify({ cookie: { originalMaxAge: null } });

  for (const [label, prefix, others] of [
    ['of its own', 'shop-sess:', ['sess:an-id', 'shop-sess']],
    ['that is a pattern', 's[e]s*:?', ['ses1:?an-id', 'sess:an-id', 's[e]s*:']],
    // Any key could be one of theirs.
    ['that is empty', '', []],
  ]) {
    test(`moves the sessions of a prefix ${label}, and no other keys; browsers stay logged in`, async (t) => {
      const client = createClient({ url: server.url });
      await client.connect();
      t.after(() => client.destroy());
      const old = await startSite(new RedisStore({ client, prefix }));
      t.after(() => old.close());
      const browsers = Array.from({ length: 5 }, () => new Browser());
      for (const [n, browser] of browsers.entries()) await browser.ask(old, `/login/${n}`);
      await Promise.all(others.map((key) => redis.set(key, session, 'EX', 600)));
      const sessions = new SpotsSessions(server.url);
      t.after(() => sessions.close());
      const token = await sessions.create({ app: 'shop', ownerId: '0', data: { ours: true } });

      const args = ['--from', 'connect-redis', '--app', 'shop', '--owner', 'passport.user'];
      const { code, stdout, stderr } = await migrate(...args, `--from-prefix=${prefix}`);
      assert.deepEqual([code, stdout], [0, 'moved\t5\nalready\t0\n'], stderr);
      const left = (await redis.keys('*')).filter((key) => !key.startsWith('spots:'));
      assert.deepEqual(left.sort(), others.sort());
      const ownerId = ({ passport }) => passport?.user;
      const site = await startSite(new SessionStore({ sessions, app: 'shop', ownerId }));
      t.after(() => site.close());
      for (const [n, browser] of browsers.entries()) {
        assert.equal((await browser.ask(site, '/me')).data.passport?.user, `${n}`);
      }
      assert.deepEqual((await sessions.get({ app: 'shop', token })).data, { ours: true });
      assert.equal((await sessions.list({ app: 'shop', ownerId: '0' })).length, 2);
    });
  }
});

test('on a terminal it shows the end in words', { skip: noTerminal }, async () => {
  const all = await fill(20);
  const { code, stdout } = await onTerminal(...SHOP);
  assert.equal(code, 1, stdout);
  assert.match(stdout, /moved 20 sessions of app shop in \d+ s \([\d,]+\/s\)/);
  assert.match(stdout, /not JSON +1 +[0-9a-f]{16}/);
  assertNothingSecret(stdout, all);
});

test('on a terminal a dry run shows some sessions', { skip: noTerminal }, async () => {
  const all = await fill(3);
  const { stdout } = await onTerminal(...SHOP, '--dry-run');
  assert.match(stdout, /found 3 sessions of app shop/);
  assert.match(stdout, /owner-1/);
  assertNothingSecret(stdout, all);
});

describe('while it runs', () => {
  const COUNT = 3000;
  const PROGRESS = /^[1-9][\d,]* sessions, [1-9][\d,]*\/s, about (\d+ h )?(\d+ min )?\d+ s left$/;

  /**
   * Runs it, and holds it up when it has moved some sessions, until it has shown how long it will take. Resolves to its
   * end.
   *
   * @param {import('node:test').TestContext} t
   * @param {typeof startCli | typeof startInTerminal} start
   */
  async function runHeld(t, start) {
    await fill(COUNT);
    const proxy = await startProxy(server.port);
    t.after(() => proxy.stop());
    let isShown;
    const shown = new Promise((resolve) => {
      isShown = resolve;
    });
    let scans = 0;
    proxy.onReply = ({ bytes }) => {
      if (keysOfScan(bytes) === undefined || ++scans < 3) return bytes;
      // The third page is asked for when the first one, of a thousand keys, has been used.
      return (async function* () {
        await shown;
        yield bytes;
      })();
    };
    const url = `${proxy.url}?commandTimeout=120000`;
    const { ended, shows } = start(['migrate', url, ...SHOP]);
    await Promise.race([shows(' left'), ended]);
    isShown();
    return ended;
  }

  test('on a terminal one line shows the count, the rate and the time left', {
    skip: noTerminal,
  }, async (t) => {
    const { stdout } = await runHeld(t, startInTerminal);
    const [first, ...lines] = stdout.split('\r\x1b[K');
    const last = lines.pop();
    assert.equal(first, '');
    for (const line of lines) assert.match(line, /^[\d,]+ sessions, [\d,]+\/s(, about .+ left)?$/);
    assert.ok(
      lines.some((line) => PROGRESS.test(line)),
      lines.join('\n'),
    );
    assert.match(last, /moved 3,000 sessions/);
  });

  test('on a pipe a line every few seconds shows them', async (t) => {
    const { stdout, stderr } = await runHeld(t, startCli);
    const lines = stderr.split('\n');
    assert.equal(lines.pop(), '');
    assert.ok(lines.length > 0);
    for (const line of lines) assert.match(line, PROGRESS);
    assert.match(stdout, /^moved\t3000\n/);
  });
});

test('a run that fails says in one line how far it came, and in the next one why', async () => {
  await fill(1);
  await redis.call('ACL', 'SETUSER', 'ann', 'reset', 'on', '>pw', '~*', '&*', '+@all', '-scan');
  const url = server.url.replace('//', '//ann:pw@');
  const { code, stdout, stderr } = await runCli(['migrate', url, ...SHOP, '--json']);
  assert.deepEqual([code, stdout], [1, '']);
  const [progress, error, ...more] = stderr.split('\n');
  assert.equal(progress, '0 sessions, 0/s; then it failed. Run it again');
  assert.match(error, /^sessions: NOPERM .*scan/);
  assert.deepEqual(more, ['']);
});

test('a server that is not there: exits with 3', async () => {
  const { code, stderr } = await runCli(['migrate', 'redis://127.0.0.1:1', ...SHOP]);
  assert.equal(code, 3);
  assert.match(stderr, /cannot reach redis/);
});

describe('how far it is', () => {
  const migration = { keys: 1000, scanned: 500, done: 0, already: 0 };

  test('is told with the time that is left, once that can be known', () => {
    assert.equal(progressOf({ ...migration, done: 400 }, 1), '400 sessions, 400/s');
    assert.match(progressOf(migration, 10), /^0 sessions, 0\/s, about 10 s left$/);
  });

  test('takes into account that each moved session adds a key to look at', () => {
    // 1,000 sessions of different owners: the scan looks at 2,000 keys.
    assert.equal(secondsLeft({ keys: 1000, scanned: 1000, done: 500 }, 10), 10);
    assert.equal(secondsLeft({ keys: 1000, scanned: 2000, done: 1000 }, 10), 0);
  });

  test('is shown in a line that changes on a terminal, and in lines on a pipe', (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    for (const [isTTY, shown] of [
      [true, '\r\x1b[K1\r\x1b[K2\r\x1b[K'],
      [false, '1\n2\n'],
    ]) {
      let written = '';
      let n = 0;
      const stream = { isTTY, write: (text) => (written += text) };
      const line = new ProgressLine(stream, () => String(++n));
      t.mock.timers.tick(isTTY ? 400 : 10_000);
      line.end();
      t.mock.timers.tick(100_000);
      assert.equal(written, shown);
    }
  });
});
