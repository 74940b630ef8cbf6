'use strict';

// docs/command-line.md: what it shows is what the commands print.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, describe, test } = require('node:test');
const { SpotsSessions } = require('../index.js');
const { EXIT } = require('../lib/cli/errors.js');
const { noTerminal, runCli, runInTerminal, startInTerminal } = require('./support/command-line.js');
const { idOf } = require('./support/keys.js');
const { root } = require('./support/packed.js');
const { startRedis, waitUntil } = require('./support/redis-server.js');

const page = fs.readFileSync(path.join(root, 'docs', 'command-line.md'), 'utf8');

/** The commands of a section, each with what it prints, and the JSON that it shows. @param {string} name */
function sectionOf(name) {
  const [, text] = page.split(`\n## ${name}\n`);
  const [section] = text.split('\n## ');
  const blocks = [...section.matchAll(/^```(\w+)\n(.*?)^```$/gms)];
  const of = (kind) => blocks.filter(([, language]) => language === kind).map(([, , code]) => code);
  const [example] = of('console');
  const [, command, shown] = /^\$ npx @spots-tech\/sessions (.*?)\n(.*)$/s.exec(example);
  return { args: command.split(' '), shown, json: of('json').map((code) => JSON.parse(code))[0] };
}

/** What moves the cursor while an answer is typed. */
const ESCAPES = new RegExp(`${String.fromCharCode(27)}\\[\\d*[A-Z]`, 'g');

/** Replaces what is another each time. @param {string} text */
function normal(text) {
  return text
    .replace(ESCAPES, '')
    .replace(/\r+\n/g, '\n')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'DATE')
    .replace(/[\w-]{22}(?= {2}DATE| of owner)/g, 'ID')
    .replace(/localhost:\d+/g, 'HOST')
    .replace(/Redis [\d.]+|Valkey [\d.]+/g, 'VERSION')
    .replace(/\d+(\.\d+)? ms/g, 'MS');
}

/** The shape of a JSON value: the names, and the types of what is in it. */
function shapeOf(value) {
  if (Array.isArray(value)) return value.map(shapeOf);
  if (value === null || typeof value !== 'object') return value === null ? null : typeof value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, shapeOf(each)]));
}

describe('docs/command-line.md', { skip: noTerminal }, () => {
  /** @type {Awaited<ReturnType<typeof startRedis>>} */
  let server;
  /** @type {SpotsSessions} */
  let sessions;
  before(async () => {
    server = await startRedis({
      config: { maxmemory: '100mb', 'maxmemory-policy': 'allkeys-lru' },
    });
    sessions = new SpotsSessions(server.url);
  });
  after(async () => {
    await sessions?.close();
    await server?.stop();
  });

  /** Makes the two sessions that the page shows, and returns the id of the older one. */
  async function twoSessions() {
    const owner = { app: 'shop', ownerId: '42' };
    await sessions.killAll(owner);
    const token = await sessions.create({ ...owner, duration: 86_400 });
    // Of two that were created in the same millisecond, either comes first.
    const { createdAt } = await sessions.info({ app: 'shop', token });
    await waitUntil(async () => Date.now() > createdAt.getTime(), 'the next millisecond');
    await sessions.create({ ...owner, duration: Infinity });
    return idOf(token);
  }

  for (const name of ['doctor', 'list', 'kill', 'kill-all']) {
    test(`shows what ${name} prints in a terminal, and with --json`, async () => {
      const { args, shown, json } = sectionOf(name);
      const prepare = async () => {
        const id = await twoSessions();
        return args.map((word) =>
          word.startsWith('redis:')
            ? `redis://localhost:${server.port}`
            : word.replace(/^bA8J.*/, id),
        );
      };
      const env = { NO_COLOR: '1', REDIS_URL: server.url };
      const answers = name === 'kill-all' ? [['[y/N]', 'y\r']] : [];
      const { stdout } = await runInTerminal(await prepare(), { env, answers });
      assert.equal(normal(stdout), normal(shown));

      const more = name === 'kill-all' ? ['--yes', '--json'] : ['--json'];
      const printed = JSON.parse((await runCli([...(await prepare()), ...more], { env })).stdout);
      if (name === 'doctor') {
        const isShown = ({ check }) => check === json.checks[0].check;
        printed.checks = printed.checks.filter(isShown);
        assert.deepEqual(printed, json);
      }
      assert.deepEqual(shapeOf(printed), shapeOf(json));
    });
  }

  test('shows how a terminal is asked for a password', async () => {
    const { args, shown } = sectionOf('The server');
    const { ended, shows, type } = startInTerminal(args);
    await Promise.race([shows('Password'), ended]);
    type('\x03');
    const { code, stdout } = await ended;
    assert.equal(normal(stdout).trim(), shown.trim());
    assert.equal(code, EXIT.interrupted);
  });

  test('lists all exit codes', () => {
    const [, table] = page.split('## Exit codes');
    const codes = [...table.split('\n## ')[0].matchAll(/^\| (\d+) \|/gm)].map(([, code]) =>
      Number(code),
    );
    assert.deepEqual(codes, Object.values(EXIT));
  });
});
