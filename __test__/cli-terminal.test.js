'use strict';

// The command line in a terminal: widths, colours, questions and the password that is not shown.

const assert = require('node:assert/strict');
const { after, before, describe, test } = require('node:test');
const { SpotsSessions } = require('../index.js');
const { execFile } = require('../scripts/children.js');
const { noTerminal, runInTerminal, startInTerminal } = require('./support/command-line.js');
const { idOf } = require('./support/keys.js');
const { startRedis } = require('./support/redis-server.js');

const PASSWORD = 'correct horse';
const OWNER = ['--app', 'shop', '--owner', '42'];

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

  for (const columns of [80, 40]) {
    for (const args of [['list', ...OWNER], ['doctor']]) {
      test(`of ${columns} columns no line of ${args[0]} is longer, but for commands to copy`, async () => {
        const { stdout } = await run(args, { columns, env: { NO_COLOR: '1' } });
        const isCommand = (line) => /^ {4}(CONFIG|ACL|redis-cli) /.test(line);
        const long = linesOf(stdout).filter((line) => line.length > columns && !isCommand(line));
        assert.deepEqual(long, []);
        assert.ok(linesOf(stdout).length > 4, stdout);
      });
    }
  }

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
    for (const args of [['list', ...OWNER], ['doctor']]) {
      const colour = '\x1b[';
      assert.ok((await run(args)).stdout.includes(colour));
      assert.ok((await run(args, { env: { NO_COLOR: '' } })).stdout.includes(colour));
      for (const env of [
        { NO_COLOR: '1' },
        { TERM: 'dumb' },
        { NO_COLOR: '1', FORCE_COLOR: '1' },
      ]) {
        assert.ok(!(await run(args, { env })).stdout.includes(colour), JSON.stringify(env));
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

    test('is not in what ps shows, nor in the environment', async () => {
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
        const { stdout } = await execFile('ps', ['-eo', 'pid=,args=']);
        assert.match(stdout, /sessions kill-all/);
        assert.ok(!stdout.includes(PASSWORD));
      } finally {
        server.kill('SIGCONT');
      }
      assert.equal((await ended).code, 0);
      assert.ok(child.pid);
    });
  });
});
