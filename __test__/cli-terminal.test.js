'use strict';

// The command line in a terminal: widths, colours, questions and the password that is not shown.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { after, before, describe, test } = require('node:test');
const { SpotsSessions } = require('../index.js');
const { execFile } = require('../scripts/children.js');
const { noTerminal, runInTerminal, startInTerminal } = require('./support/command-line.js');
const { idOf } = require('./support/keys.js');
const { createIn1x } = require('./support/old-sessions.js');
const { startRedis, waitUntil } = require('./support/redis-server.js');

const PASSWORD = 'correct horse';
/** What of it stands in a URL, too. */
const SECRET = /horse/;
const OWNER = ['--app', 'shop', '--owner', '42'];

/**
 * The processes that a process has started, and those that these have: what `ps` shows of each, and its environment.
 *
 * @param {number} pid
 */
async function processesOf(pid) {
  const { stdout } = await execFile('ps', ['-ww', '-eo', 'pid=,ppid=,args=']);
  const all = [...stdout.matchAll(/^ *(\d+) +(\d+) (.*)$/gm)].map(([, ...fields]) => fields);
  const below = (parent) => all.filter(([, of]) => of === parent).flatMap(withChildren);
  const withChildren = (row) => [row, ...below(row[0])];
  return below(String(pid)).map(([pid, , args]) => ({
    pid,
    args,
    environment: environmentOf(pid),
  }));
}

/** @param {string} pid */
function environmentOf(pid) {
  try {
    return fs.readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    return ''; // it has ended meanwhile
  }
}

describe('in a terminal', { skip: noTerminal }, () => {
  /** @type {Awaited<ReturnType<typeof startRedis>>} */
  let server;
  /** @type {SpotsSessions} */
  let sessions;
  /** @type {string} */
  let token;
  before(async () => {
    server = await startRedis({ config: { requirepass: PASSWORD } });
    sessions = new SpotsSessions(server.url);
    token = await sessions.create({ app: 'shop', ownerId: '42', duration: 3600 });
    await sessions.create({ app: 'shop', ownerId: '42', duration: Infinity });
  });
  after(async () => {
    await sessions?.close();
    await server?.stop();
  });

  const run = (args, options) =>
    runInTerminal(args, { ...options, env: { REDIS_URL: server.url, ...options?.env } });
  const linesOf = (text) => text.split('\r\n');
  /** How `migrate` clears the line that says how far it is. */
  const CLEARED = '\r\x1b[K';

  const MIGRATE = ['migrate', '--from', '1.x', '--app', 'shop'];

  /** Writes sessions of 1.x, one that never expires, and some that are broken. */
  async function fillMigration() {
    const redis = server.client();
    const old = await redis.keys('app:*');
    if (old.length > 0) await redis.del(old);
    const create = (ownerId, data, duration = 600) =>
      createIn1x(redis, { app: 'shop', ownerId, data, duration }).written;
    await Promise.all([
      ...Array.from({ length: 7 }, (_, n) => create(`owner-${n}`, { n })),
      createIn1x(redis, { app: 'shop', ownerId: 'endless', data: {} }).written,
      ...Array.from({ length: 21 }, (_, n) => create(`a list ${n}`, [])),
    ]);
    redis.disconnect();
  }

  /** A session that ends with the command. */
  async function killArgs() {
    const token = await sessions.create({ app: 'shop', ownerId: 'eve' });
    return ['kill', '--app', 'shop', '--owner', 'eve', '--id', idOf(token)];
  }

  for (const [name, args, columns] of [
    ['list', ['list', ...OWNER], 80],
    ['list', ['list', ...OWNER], 40],
    ['doctor', ['doctor'], 80],
    ['doctor', ['doctor'], 40],
    ['migrate --dry-run', [...MIGRATE, '--dry-run'], 80],
    ['migrate --dry-run', [...MIGRATE, '--dry-run'], 40],
    ['migrate', MIGRATE, 80],
    ['migrate', MIGRATE, 40],
  ]) {
    test(`of ${columns} columns no line of ${name} is longer, but for commands to copy`, async () => {
      await fillMigration();
      const { stdout } = await run(args, { columns, env: { NO_COLOR: '1' } });
      const isCommand = (line) => /^ {4}(CONFIG|ACL|redis-cli) /.test(line);
      const lines = linesOf(stdout.split(CLEARED).at(-1));
      assert.deepEqual(
        lines.filter((line) => line.length > columns && !isCommand(line)),
        [],
      );
      assert.ok(lines.length > 4, stdout);
    });
  }

  test('of 80 columns kill prints one line, without colours', async () => {
    const args = await killArgs();
    const { stdout, code } = await run(args);
    const line = `ended session ${args.at(-1)} of owner eve in app shop`;
    assert.deepEqual([stdout, code], [`${line}\r\n`, 0]);
    assert.ok(line.length <= 80);
    const again = await run(args);
    assert.equal(again.code, 1);
    assert.match(again.stdout, /^sessions: there is no session [ \w()-]*\r\n$/);
  });

  test('list aligns its columns under a heading', async () => {
    const { stdout, code } = await run(['list', ...OWNER], { env: { NO_COLOR: '1' } });
    assert.equal(code, 0);
    const [title, blank, heading, ...rows] = linesOf(stdout).slice(0, -1);
    assert.deepEqual([title, blank], ['2 sessions of owner 42 in app shop', '']);
    const at = ['id', 'created', 'expires'].map((name) => heading.indexOf(name));
    assert.ok(
      at.every((column) => column >= 0),
      heading,
    );
    for (const row of rows) {
      for (const column of at) assert.match(row.slice(column), /^[\w-]/);
      for (const column of at.slice(1)) assert.equal(row.slice(column - 2, column), '  ');
    }
    assert.ok(rows.some((row) => row.startsWith(idOf(token)) && row.includes('Z')));
    assert.ok(rows.some((row) => row.endsWith('never')));
  });

  test('there are colours, but none with NO_COLOR or on a dumb terminal', async () => {
    for (const args of [['list', ...OWNER], ['doctor'], MIGRATE]) {
      const hasColour = async (env) =>
        (await run(args, { env })).stdout.replaceAll(CLEARED, '').includes('\x1b[');
      assert.ok(await hasColour({}));
      assert.ok(await hasColour({ NO_COLOR: '' }));
      for (const env of [
        { NO_COLOR: '1' },
        { TERM: 'dumb' },
        { NO_COLOR: '1', FORCE_COLOR: '1' },
      ]) {
        assert.ok(!(await hasColour(env)), JSON.stringify(env));
      }
    }
  });

  describe('kill-all', () => {
    const args = ['kill-all', '--app', 'shop', '--owner', 'bob'];
    const isOpen = async (token) => (await sessions.get({ app: 'shop', token })) !== undefined;

    for (const [answer, code, stays] of [
      ['n\r', 1, true],
      ['\r', 1, true],
      ['\x04', 1, true],
      ['y\r', 0, false],
    ]) {
      test(`asks, and ${stays ? 'does nothing' : 'acts'} after ${JSON.stringify(answer)}`, async () => {
        const token = await sessions.create({ app: 'shop', ownerId: 'bob' });
        const question = 'End all sessions of owner bob in app shop? [y/N]';
        const ended = await run(args, { answers: [[question, answer]] });
        assert.equal(ended.code, code, ended.stdout);
        assert.match(ended.stdout, stays ? /nothing was done/ : /ended all sessions/);
        assert.equal(await isOpen(token), stays);
      });
    }

    test('ends with 130 on Ctrl-C, and does nothing', async () => {
      const token = await sessions.create({ app: 'shop', ownerId: 'bob' });
      const { code } = await run(args, { answers: [['[y/N]', '\x03']] });
      assert.equal(code, 130);
      assert.ok(await isOpen(token));
    });
  });

  describe('a password that is not given', () => {
    const urls = () => {
      const at = `127.0.0.1:${server.port}`;
      return [
        [`redis://${at}`, 'Password: '],
        [`redis://default@${at}`, 'Password of default: '],
      ];
    };

    test('is asked for, and not shown', async () => {
      for (const [url, question] of urls()) {
        const answers = [[question, `${PASSWORD}\r`]];
        const { code, stdout } = await run(['list', url, ...OWNER], { answers });
        assert.equal(code, 0, stdout);
        assert.ok(stdout.includes(idOf(token)));
        assert.ok(!stdout.includes(PASSWORD) && !stdout.includes('horse'), stdout);
        assert.ok(!stdout.includes('*'));
      }
    });

    /** Each of the other commands: what it prints once the password is there, and what it has done then. */
    const COMMANDS = [
      {
        name: 'doctor',
        prepare: async () => ['doctor'],
        prints: /^ok +connection +server at [\d.:]+\r\n.*^ok +trial /ms,
        code: 0,
        async check(_args, stdout) {
          assert.doesNotMatch(stdout, /^(problem|unknown)/m);
        },
      },
      {
        name: 'kill',
        prepare: killArgs,
        prints: /^ended session [\w-]{22} of owner eve in app shop\r\n$/,
        code: 0,
        async check(args) {
          const listed = await sessions.list({ app: 'shop', ownerId: 'eve' });
          assert.ok(listed.every(({ id }) => id !== args.at(-1)));
        },
      },
      {
        name: 'migrate',
        async prepare() {
          await fillMigration();
          return MIGRATE;
        },
        prints: /^moved 7 sessions of app shop in /,
        code: 1, // because some are broken
        async check() {
          const moved = await sessions.list({ app: 'shop', ownerId: 'owner-3' });
          assert.ok(moved.length > 0);
        },
      },
    ];

    for (const { name, prepare, prints, code, check } of COMMANDS) {
      test(`is asked for by ${name}, before it prints anything, and not shown`, async () => {
        for (const [url, question] of urls()) {
          const args = await prepare();
          const ended = await run([...args, url], {
            answers: [[question, `${PASSWORD}\r`]],
            env: { NO_COLOR: '1', REDIS_URL: undefined },
          });
          const [asked, ...more] = ended.stdout.replaceAll(CLEARED, '').split(`${question}\r\n`);
          assert.deepEqual([asked, more.length], ['', 1], ended.stdout);
          assert.match(more[0], prints);
          assert.doesNotMatch(ended.stdout, SECRET);
          assert.equal(ended.code, code, ended.stdout);
          await check(args, ended.stdout);
        }
      });
    }

    test('that is wrong is what doctor finds', async () => {
      const [[url, question]] = urls();
      const answers = [[question, 'hunter2\r']];
      const { code, stdout } = await run(['doctor', url], { answers, env: { NO_COLOR: '1' } });
      assert.match(stdout, /^Password: \r\nproblem {2}connection {3}redis refused: WRONGPASS /);
      assert.doesNotMatch(stdout, /hunter2|NOAUTH/);
      assert.equal(code, 3);
    });

    test('may be corrected while it is typed', async () => {
      const [[url, question]] = urls();
      const { code } = await run(['list', url, ...OWNER], {
        answers: [[question, `wrong\x15${PASSWORD}x\x7f\r`]],
      });
      assert.equal(code, 0);
    });

    test('that is wrong or empty is told in one line', async () => {
      const [[url, question]] = urls();
      const typed = (text) => run(['list', url, ...OWNER], { answers: [[question, text]] });
      const wrong = await typed('hunter2\r');
      assert.equal(wrong.code, 3);
      assert.match(wrong.stdout, /^Password: \r\nsessions: [^\n]*WRONGPASS[^\n]*\r\n$/);
      assert.equal((await typed('\r')).code, 2);
      assert.equal((await typed('\x03')).code, 130);
    });

    test('is in neither the arguments nor the environment of a process', async () => {
      const [[url, question]] = urls();
      const { ended, shows, type, child } = startInTerminal([
        'kill-all',
        '--yes',
        url,
        ...OWNER.slice(0, 3),
        'nobody',
      ]);
      await shows(question);
      server.kill('SIGSTOP');
      try {
        type(`${PASSWORD}\r`);
        await shows(`${question}\r\n`);
        const processes = await processesOf(child.pid);
        const own = processes.find(({ args }) => args.startsWith('sessions kill-all'));
        assert.match(own.environment, /\0TERM=xterm-256color\0/);
        for (const { args, environment } of processes) {
          for (const text of [args, environment]) assert.doesNotMatch(text, SECRET);
        }
      } finally {
        server.kill('SIGCONT');
      }
      assert.equal((await ended).code, 0);
    });
  });

  test('a password in REDIS_URL is in no arguments, and only the same user may read the environment', async () => {
    server.kill('SIGSTOP');
    try {
      const { ended, child } = startInTerminal(['list', ...OWNER], {
        env: { REDIS_URL: server.url },
      });
      const findOwn = async () => {
        const processes = await processesOf(child.pid);
        for (const { args } of processes) assert.doesNotMatch(args, SECRET);
        return processes.find(({ args }) => args.startsWith('sessions list'));
      };
      const own = await waitUntil(findOwn, 'the command to run');
      // It is what the system started the process with. The process itself cannot change what /proc shows.
      assert.match(own.environment, SECRET);
      const { mode, uid } = fs.statSync(`/proc/${own.pid}/environ`);
      assert.deepEqual([mode & 0o077, uid], [0, process.getuid()]);
      server.kill('SIGCONT');
      assert.equal((await ended).code, 0);
    } finally {
      server.kill('SIGCONT');
    }
  });
});
