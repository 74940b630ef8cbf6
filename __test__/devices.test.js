'use strict';

// examples/devices.js: what a user sees of her devices, in memory and on a server, with colours and without.

const assert = require('node:assert/strict');
const path = require('node:path');
const { after, before, describe, test } = require('node:test');
const { stripVTControlCharacters } = require('node:util');
const { spawnSync } = require('../scripts/children.js');
const { startRedis } = require('./support/redis-server.js');

const root = path.join(__dirname, '..');
const example = path.join(root, 'examples', 'devices.js');

/**
 * Runs the example and returns what it prints.
 *
 * @param {string[]} args
 * @param {Record<string, string>} [env]
 */
function run(args, env = {}) {
  const { NO_COLOR: _, ...inherited } = process.env;
  const options = { cwd: root, env: { ...inherited, ...env } };
  const { status, stdout, stderr } = spawnSync(process.execPath, args, options);
  assert.equal(stderr.toString(), '');
  assert.equal(status, 0);
  return stdout.toString();
}

/** Its steps: the call, and the lines of the answer. @param {string} text */
function stepsOf(text) {
  const steps = text.split(/\n\n(?=\d+\. )/).slice(1);
  return steps.map((step) => {
    const [, call, ...answer] = step.split('\n\n')[0].split('\n');
    return { call: call.trim(), answer: answer.map((line) => line.trim()) };
  });
}

/** The devices of a list as the user sees them; a star marks the one in use. @param {string[]} table */
function devicesOf([head, ...rows]) {
  assert.match(head, /^device +since +ends$/);
  return rows.map((row) => {
    const [device, since, ends, mark] = row.split(/ {2,}/);
    const month = 30 * 24 * 3600 * 1000;
    assert.equal(Math.round((Date.parse(ends) - Date.parse(since)) / month), 1, row);
    for (const [at, cell] of [since, ends].entries()) {
      assert.equal(
        row.indexOf(cell),
        head.indexOf(['since', 'ends'][at]),
        'the columns are aligned',
      );
    }
    return mark === 'this device' ? `${device} *` : device;
  });
}

/** What every run must show. @param {string} text */
function assertStory(text) {
  for (const line of text.split('\n')) assert.ok(line.length <= 80, `${line.length}: ${line}`);
  const steps = stepsOf(text);
  /** The only answers to calls of this kind, in order. @param {RegExp} call */
  const answersTo = (call) =>
    steps.filter((step) => call.test(step.call)).map(({ answer }) => answer);
  const flags = (/** @type {RegExp} */ call) => answersTo(call).map(([line]) => line.slice(2));

  assert.deepEqual(answersTo(/^list\(.*token/).map(devicesOf), [
    ['tablet', 'phone', 'laptop *'],
    ['laptop *'],
    ['television *', 'tablet', 'new phone'],
  ]);
  assert.deepEqual(flags(/^kill\(.*\bid\b/), ['true']);
  assert.deepEqual(flags(/^killAll\(.*except/), ['true']);
  assert.deepEqual(flags(/^get\(.*old/), ['undefined'], 'the old token opens nothing');
  assert.deepEqual(flags(/^get\(.*token }/), ["{ ownerId: 'ada', data: { device: 'laptop' } }"]);
  assert.equal(answersTo(/^create\(.*maxSessions: 3/).length, 6);
  assert.equal(flags(/^rotate\(/).length, 1);

  const tokens = [...answersTo(/^(create|rotate)\(/)].map(([line]) => line);
  for (const line of tokens) assert.match(line, /^→ '.{6}….{4}'/, 'a token is not shown');
  assert.equal(new Set(tokens).size, tokens.length);
}

describe('the page of devices', () => {
  /** @type {Awaited<ReturnType<typeof startRedis>>} */
  let server;
  before(async () => {
    server = await startRedis();
  });
  after(() => server?.stop());

  test('in memory: lists, ends by id, ends all others, rotates and ends the oldest', () => {
    const text = run([example]);
    assert.equal(stripVTControlCharacters(text), text, 'no colours in a file');
    assertStory(text);
  });

  test('on a server: the same, and nothing is left there', async () => {
    assertStory(run([example, server.url]));
    const redis = server.client();
    assert.equal(await redis.dbsize(), 0);
    assert.match(await redis.info('commandstats'), /cmdstat_evalsha/, 'it used the server');
    redis.disconnect();
  });

  test('has colours on a terminal, and never with NO_COLOR', () => {
    const onTerminal = ['-e', `process.stdout.isTTY = true; require(${JSON.stringify(example)});`];
    const coloured = run(onTerminal);
    assert.notEqual(stripVTControlCharacters(coloured), coloured);
    assertStory(stripVTControlCharacters(coloured));
    assertStory(run(onTerminal, { NO_COLOR: '1' }));
  });
});
