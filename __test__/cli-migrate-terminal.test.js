'use strict';

// Ctrl-C of `migrate` in a terminal: what a person sees then, and what is left.

const assert = require('node:assert/strict');
const { after, before, beforeEach, describe, test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { ProgressLine } = require('../lib/cli/progress-line.js');
const { noTerminal, runInTerminal, startInTerminal } = require('./support/command-line.js');
const { createIn1x } = require('./support/old-sessions.js');
const { startRedis, waitUntil } = require('./support/redis-server.js');
const { screenOf } = require('./support/terminal-screen.js');

/** So many that it cannot have begun with all of them when its first batch waits. */
const COUNT = 2000;
const CTRL_C = '\x03';

describe('migrate in a terminal', { skip: noTerminal }, () => {
  let server;
  let redis;
  before(async () => {
    server = await startRedis();
    redis = server.client();
  });
  after(() => server?.stop());
  beforeEach(() => redis.flushall());

  // A call that is held must not fail.
  const args = () => [
    ...['migrate', `${server.url}?commandTimeout=120000`],
    ...['--from', '1.x', '--app', 'shop'],
  ];
  const left = async () => (await redis.keys('app:*')).length;

  /** Writes sessions of 1.x. */
  async function fill(count) {
    const create = (_, n) =>
      createIn1x(redis, { app: 'shop', ownerId: `${n}`, data: { n }, duration: 600 }).written;
    await Promise.all(Array.from({ length: count }, create));
  }

  /**
   * Starts a run whose first batch waits until `release` is called. Resolves when it waits, and has shown how far it is.
   *
   * @param {import('node:test').TestContext} t
   */
  async function startHeld(t) {
    await fill(COUNT);
    const release = () => redis.client('UNPAUSE');
    t.after(release);
    await redis.client('PAUSE', 600_000, 'WRITE');
    const run = startInTerminal(args());
    t.after(() => run.child.kill('SIGKILL')); // else it would wait on, if the test fails
    const isHeld = async () => / flags=b .* cmd=eval/.test(await redis.client('LIST'));
    await waitUntil(isHeld, 'the run to wait', 120_000);
    await run.shows('0 sessions, 0/s');
    return { ...run, release };
  }

  test('Ctrl-C ends the batches, clears the line of the progress, says what to do, and exits with 130', async (t) => {
    const { type, shows, ended, release } = await startHeld(t);
    type(CTRL_C);
    await shows('^C'); // the terminal shows it, and sends the signal
    await release();
    const { code, stdout } = await ended;
    const [moved, interrupted, ...more] = screenOf(stdout);
    const [, number] =
      /^moved ([\d,]+) sessions of app shop in \d+ s \([\d,]+\/s\)$/.exec(moved) ?? [];
    assert.ok(number, stdout);
    assert.deepEqual([interrupted, ...more], ['interrupted: run it again', '']);
    assert.equal(code, 130);
    const done = Number(number.replace(',', ''));
    assert.ok(done > 0 && done < COUNT, moved);
    assert.equal(await left(), COUNT - done);

    const again = await runInTerminal(args());
    assert.equal(again.code, 0, again.stdout);
    const rest = `moved ${(COUNT - done).toLocaleString('en-US')} sessions of app shop in `;
    assert.ok(screenOf(again.stdout)[0].startsWith(rest), again.stdout);
    assert.equal(await left(), 0);
  });

  test('a second Ctrl-C ends it at once with 130, and a batch that waits moves nothing', async (t) => {
    const { type, ended, release } = await startHeld(t);
    let end;
    ended.then((value) => {
      end = value;
    });
    // Again and again, because one that comes before the process has heard of the first is the same signal. A person leaves
    // time between two; the terminal may hang if they come faster than it passes them on.
    const isOver = async () => {
      if (end === undefined) type(CTRL_C);
      await sleep(300);
      return end;
    };
    const { code, stdout } = await waitUntil(isOver, 'it to end');
    assert.equal(code, 130);
    assert.doesNotMatch(stdout, /moved/);
    const isGone = async () => !/ flags=b /.test(await redis.client('LIST'));
    await waitUntil(isGone, 'the server to drop its calls');
    await release();
    assert.equal(await left(), COUNT);
  });

  for (const [count, words] of [
    [0, '0 sessions'],
    [1, '1 session'],
    [2, '2 sessions'],
  ]) {
    test(`it says ${words} of so many`, async () => {
      await fill(count);
      const { stdout } = await runInTerminal(args());
      assert.match(screenOf(stdout)[0], new RegExp(`^moved ${words} of app shop in `));
    });
  }
});

test('the line of the progress is cleared even if Ctrl-C comes before it is shown', () => {
  for (const [isTTY, cleared] of [
    [true, '\r\x1b[K'],
    [false, ''],
  ]) {
    let written = '';
    const stream = { isTTY, write: (text) => (written += text) };
    new ProgressLine(stream, () => 'never shown').end();
    assert.equal(written, cleared);
  }
});
