'use strict';

// The commands of docs/upgrading-from-1.x.md and docs/moving-from-connect-redis.md, run in their order by a shell. What
// differs is only the server, and `npx`, which runs this package. And what docs/command-line.md shows.

const assert = require('node:assert/strict');
const { createHash } = require('node:crypto');
const { chmodSync, readFileSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { after, before, beforeEach, test } = require('node:test');
const { RedisStore } = require('connect-redis');
const { createClient } = require('redis');
const { SpotsSessions } = require('../index.js');
const { SessionStore } = require('../lib/session-store.js');
const { execFile, temporaryFolder } = require('../scripts/children.js');
const { noTerminal, runCli, runInTerminal } = require('./support/command-line.js');
const { Browser, startSite } = require('./support/express-site.js');
const { createIn1x, keyOf1x } = require('./support/old-sessions.js');
const { startRedis } = require('./support/redis-server.js');

const root = path.join(__dirname, '..');
const LOCALHOST = 'export REDIS_URL=redis://localhost:6379';

let server;
let redis;
let folder;
before(async () => {
  server = await startRedis();
  redis = server.client();
  folder = temporaryFolder('npx-');
  const npx = path.join(folder, 'npx');
  const program = path.join(root, 'lib', 'cli', 'index.js');
  writeFileSync(
    npx,
    `#!/bin/sh\n[ "$1" = @spots-tech/sessions ] || exit 99\nshift\nexec '${process.execPath}' '${program}' "$@"\n`,
  );
  chmodSync(npx, 0o755);
});
after(() => server?.stop());
beforeEach(() => redis.flushall());

/** @param {string} name */
function page(name) {
  return readFileSync(path.join(root, 'docs', name), 'utf8');
}

/** The commands of a page, without the first, which names the server. @param {string} name */
function commandsOf(name) {
  const [first, ...rest] = [...page(name).matchAll(/^ {4}(\S.*)$/gm)].map(([, line]) => line);
  assert.equal(first, LOCALHOST);
  return rest;
}

/** Runs a command as a shell does. @param {string} command */
async function run(command) {
  const env = { ...process.env, REDIS_URL: server.url, PATH: `${folder}:${process.env.PATH}` };
  const { stdout } = await execFile('sh', ['-c', command], { env });
  return stdout;
}

test('upgrading from 1.x: nobody logs in again', async (t) => {
  const written = Array.from({ length: 300 }, (_, n) =>
    createIn1x(redis, { app: 'shop', ownerId: `${n}`, data: { n }, duration: 600 }),
  );
  const endless = createIn1x(redis, { app: 'shop', ownerId: 'endless', data: {} });
  await Promise.all([...written, endless].map((each) => each.written));
  const open = (prefix) => {
    const sessions = new SpotsSessions({ connectionString: server.url, prefix });
    t.after(() => sessions.close());
    return sessions;
  };
  const assertOpens = async (sessions) => {
    for (const [n, { token }] of written.entries()) {
      assert.deepEqual(await sessions.get({ app: 'shop', token }), {
        ownerId: `${n}`,
        data: { n },
      });
    }
  };
  const [dryRun, copy, removeCopies, move, removeOld, find, ...more] =
    commandsOf('upgrading-from-1.x.md');
  assert.deepEqual(more, []);

  assert.match(await run(dryRun), /^found\t300\n/);
  assert.equal(await redis.dbsize(), 301);
  assert.match(await run(copy), /^copied\t300\n/);
  await assertOpens(open('rehearsal:'));
  await run(removeCopies);
  assert.equal(await redis.dbsize(), 301, 'only the old keys are there');
  assert.match(await run(move), /^moved\t300\nalready\t0\nendless\t1\t/);
  await assertOpens(open('spots:'));
  assert.deepEqual(await redis.keys('app:*'), [endless.key]);
  const hash = createHash('sha256').update(endless.key).digest('hex').slice(0, 16);
  assert.equal(await run(`${find.replace('0123456789abcdef', hash)} || true`), `${endless.key}\n`);
  await run(removeOld);
  assert.deepEqual(await redis.keys('app:*'), []);
  await assertOpens(open('spots:'));
});

test('docs/command-line.md shows what it prints', { skip: noTerminal }, async () => {
  const [, section] = page('command-line.md').split('\n## migrate\n');
  const [, shown] = /^\$ npx .*\n([\s\S]*?)^```$/m.exec(section);
  const [, json] = /^```json\n([\s\S]*?)^```$/m.exec(section);
  const fill = async () => {
    await redis.flushall();
    const all = Array.from({ length: 1200 }, (_, n) =>
      createIn1x(redis, { app: 'shop', ownerId: `${n}`, data: { n }, duration: 600 }),
    );
    all.push(createIn1x(redis, { app: 'shop', ownerId: '42', data: {} }));
    await Promise.all(all.map(({ written }) => written));
    await redis.set(keyOf1x('shop', 'A'.repeat(172), '42'), '{"name":', 'EX', 600);
  };
  const args = ['migrate', '--from', '1.x', '--app', 'shop'];
  const env = { REDIS_URL: server.url, NO_COLOR: '1' };
  const normal = (text) => text.replace(/in .* s \([\d,]+\/s\)/, 'in TIME').replace(/\r\n/g, '\n');

  await fill();
  const { stdout } = await runInTerminal(args, { env });
  assert.equal(normal(stdout.split('\x1b[K').at(-1)), normal(shown));
  await fill();
  const printed = JSON.parse((await runCli([...args, '--json'], { env })).stdout);
  const { seconds, notMoved, ...rest } = JSON.parse(json);
  assert.deepEqual(
    { ...printed, seconds, notMoved: printed.notMoved.map(({ keys, ...each }) => each) },
    { ...rest, seconds, notMoved: notMoved.map(({ keys, ...each }) => each) },
  );
});

test('the rights that the pages name suffice', async () => {
  const [, basic] = /^ {4}(ACL SETUSER spots reset .*)$/m.exec(page('access-rights.md'));
  await redis.call(...basic.split(' '));
  const url = `redis://spots:password@${server.host}:${server.port}`;
  for (const [name, args] of [
    ['upgrading-from-1.x.md', ['--from', '1.x']],
    ['moving-from-connect-redis.md', ['--from', 'connect-redis']],
  ]) {
    await createIn1x(redis, { app: 'shop', ownerId: '42', data: {}, duration: 600 }).written;
    await redis.set('sess:an-id', '{"cookie":{}}', 'EX', 600);
    const [, rights] = /`(~[a-z]+:\* \+scan [^`]*)`/.exec(page(name));
    const migrate = ['migrate', url, '--app', 'shop', ...args];
    assert.notEqual((await runCli(migrate)).code, 0, 'without these rights');
    await redis.call('ACL', 'SETUSER', 'spots', ...rights.split(' '));
    const { stdout, stderr } = await runCli(migrate);
    assert.match(stdout, /^moved\t1\n/, stderr);
  }
});

test('moving from connect-redis: nobody logs in again', async (t) => {
  const client = createClient({ url: server.url });
  await client.connect();
  t.after(() => client.destroy());
  const old = await startSite(new RedisStore({ client }));
  t.after(() => old.close());
  const browsers = Array.from({ length: 20 }, () => new Browser());
  for (const [n, browser] of browsers.entries()) await browser.ask(old, `/login/${n}`);
  const [dryRun, move, ...more] = commandsOf('moving-from-connect-redis.md');
  assert.deepEqual(more, []);

  assert.match(await run(dryRun), /^found\t20\n/);
  assert.match(await run(move), /^moved\t20\n/);
  const sessions = new SpotsSessions(server.url);
  t.after(() => sessions.close());
  const ownerId = (session) => session.passport?.user;
  const site = await startSite(new SessionStore({ sessions, app: 'shop', ownerId }));
  t.after(() => site.close());
  for (const [n, browser] of browsers.entries()) {
    assert.equal((await browser.ask(site, '/me')).data.passport.user, `${n}`);
  }
});
