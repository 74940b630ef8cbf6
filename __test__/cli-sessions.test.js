'use strict';

// list, kill and kill-all of the command line, on each kind of server.

const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const { describe, test } = require('node:test');
const foreign = require('../lib/foreign.js');
const { runCli } = require('./support/command-line.js');
const { addressOf, idOf } = require('./support/keys.js');
const { forEachTarget, freshName } = require('./support/targets.js');

const DATA = { password: 'a secret of the session' };

forEachTarget((target, open) => {
  if (target === 'memory') return; // The command line refuses it: cli-frame.test.js.

  /** Two sessions of an owner, and what runs the command line on them. */
  async function twoSessions(options) {
    const { sessions, connectionString } = open(options);
    const [app, ownerId] = [freshName(), 'ann smith'];
    const create = (duration) => sessions.create({ app, ownerId, duration, data: DATA });
    const tokens = [await create(3600), await create(Infinity)];
    const run = (command, ...args) =>
      runCli([command, '--app', app, '--owner', ownerId, ...args], {
        env: { REDIS_URL: connectionString },
      });
    const isOpen = async (token) => (await sessions.get({ app, token })) !== undefined;
    const areOpen = () => Promise.all(tokens.map(isOpen));
    return { sessions, app, ownerId, tokens, run, areOpen, connectionString };
  }

  /** Checks that nothing secret was printed. */
  function assertNoSecret({ stdout, stderr }, tokens) {
    for (const secret of [...tokens, DATA.password]) assert.ok(!(stdout + stderr).includes(secret));
  }

  describe('list', () => {
    test('prints a line for each session: id, creation and end', async () => {
      const { sessions, app, ownerId, tokens, run } = await twoSessions();
      const ended = await run('list');
      assert.deepEqual([ended.code, ended.stderr], [0, '']);
      const listed = await sessions.list({ app, ownerId });
      const second = (date) => (date ? date.toISOString().replace(/\.\d+/, '') : 'never');
      const lines = listed.map(({ id, createdAt, expiresAt }) =>
        [id, second(createdAt), second(expiresAt)].join('\t'),
      );
      assert.equal(ended.stdout, `${lines.join('\n')}\n`);
      assertNoSecret(ended, tokens);
    });

    test('--json prints the same for programs, without data', async () => {
      const { sessions, app, ownerId, tokens, run } = await twoSessions();
      const ended = await run('list', '--json');
      const listed = await sessions.list({ app, ownerId });
      const expected = listed.map(({ id, createdAt, expiresAt = null }) => ({
        id,
        createdAt,
        expiresAt,
      }));
      assert.deepEqual(
        JSON.parse(ended.stdout),
        JSON.parse(JSON.stringify({ app, ownerId, sessions: expected })),
      );
      assertNoSecret(ended, tokens);
    });

    test('--limit lists those that end last', async () => {
      const { tokens, run } = await twoSessions();
      const { stdout } = await run('list', '--limit', '1', '--json');
      assert.deepEqual(
        JSON.parse(stdout).sessions.map(({ id }) => id),
        [idOf(tokens[1])],
      );
    });

    test('of an owner without sessions prints nothing, which is fine', async () => {
      const { run } = await twoSessions();
      const { code, stdout, stderr } = await run('list', '--owner=nobody');
      assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: '', stderr: '' });
    });

    test('--prefix looks where the application with that prefix keeps its sessions', async () => {
      const { run, tokens } = await twoSessions({ prefix: 'team:' });
      assert.equal((await run('list')).stdout, '');
      const { stdout } = await run('list', '--prefix', 'team:');
      assert.ok(stdout.includes(idOf(tokens[0])));
    });
  });

  describe('kill', () => {
    test('ends the session with this id, and no other', async () => {
      const { app, ownerId, tokens, run, areOpen } = await twoSessions();
      const id = idOf(tokens[0]);
      const { code, stdout, stderr } = await run('kill', '--id', id);
      const words = `ended session ${id} of owner "ann smith" in app ${app}\n`;
      assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: words, stderr: '' });
      assert.deepEqual(await areOpen(), [false, true]);

      const again = await run('kill', '--json', '--id', id);
      assert.deepEqual(JSON.parse(again.stdout), { app, ownerId, id, killed: false });
      assert.equal(again.code, 1);
    });

    test('ends a session whose token comes from elsewhere: its id has 28 characters', async () => {
      const { sessions, app, ownerId, run, areOpen } = await twoSessions();
      const token = randomBytes(24).toString('base64url');
      const session = { app, token, ownerId, data: DATA, durationMs: Infinity, replace: false };
      assert.equal(await foreign.create(sessions, session), true);
      const id = addressOf(token);
      assert.equal(id.length, 28);
      assert.ok((await run('list')).stdout.includes(`${id}\t`));

      const other = await run('kill', '--id', id, '--owner', 'bob');
      assert.equal(other.code, 1);
      const ended = await run('kill', '--id', id);
      const words = `ended session ${id} of owner "ann smith" in app ${app}\n`;
      assert.deepEqual([ended.code, ended.stdout, ended.stderr], [0, words, '']);
      assert.equal(await foreign.load(sessions, { app, token }), undefined);
      assert.deepEqual(await areOpen(), [true, true]);
      assert.equal((await run('kill', '--id', id)).code, 1);
      assertNoSecret(ended, [token]);
    });

    test('of what is not there says so, and ends with 1', async () => {
      const { tokens, run, areOpen } = await twoSessions();
      const id = idOf(tokens[0]);
      for (const args of [
        ['--id', 'x'],
        ['--id', '-id-that-begins-with--'],
        ['--id', '--as-an-option-does---'],
        ['--id', id, '--owner', 'bob'],
        ['--id', id, '--app', 'other'],
      ]) {
        const { code, stdout, stderr } = await run('kill', ...args);
        assert.match(
          stderr,
          /^sessions: there is no session \S+ of owner .* \(list shows the ids\)\n$/,
        );
        assert.deepEqual([code, stdout], [1, '']);
      }
      assert.deepEqual(await areOpen(), [true, true]);
    });
  });

  describe('kill-all', () => {
    test('ends all sessions of the owner with --yes, and is fine if there is none', async () => {
      const { app, ownerId, run, areOpen } = await twoSessions();
      const { code, stdout, stderr } = await run('kill-all', '--yes');
      const words = `ended all sessions of owner "ann smith" in app ${app}\n`;
      assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: words, stderr: '' });
      assert.deepEqual(await areOpen(), [false, false]);

      const again = await run('kill-all', '--yes', '--json');
      assert.deepEqual(JSON.parse(again.stdout), { app, ownerId, killed: false });
      assert.equal(again.code, 0);
    });

    test('on a pipe without --yes does nothing', async () => {
      const { run, areOpen } = await twoSessions();
      const { code, stderr } = await run('kill-all');
      assert.equal(code, 2);
      assert.match(stderr, /confirm with --yes/);
      assert.deepEqual(await areOpen(), [true, true]);
    });
  });
});
