'use strict';

// `migrate` never blocks the server: each command of it does a bounded piece of work. MONITOR shows every command, and
// below each script what that script does. No clock is read.

const assert = require('node:assert/strict');
const { beforeEach, test } = require('node:test');
const { Migration } = require('../lib/migrate/migration.js');
const { version1 } = require('../lib/migrate/version-1.js');
const { createIn1x } = require('./support/old-sessions.js');
const { onRedis } = require('./support/targets.js');

const APP = 'shop';
/** The longest values that are read many at a time, and how many. */
const [MANY, MANY_BYTES] = [400, 2 ** 15];
/** Longer values, which are read one at a time. */
const [LARGE, LARGE_BYTES] = [5, 2 ** 20 - 100];

/** What one command may do. */
const MAX_SCANNED = 1000;
const MAX_KEYS = 96;
/** Of each of several values. One byte more than it takes shows that a value is longer. */
const MAX_BYTES = MANY_BYTES + 1;
/** Commands inside a script. */
const MAX_COMMANDS = 10 * MAX_KEYS;

/**
 * The commands that clients sent, from MONITOR: the name and the first arguments of each, and of each command of its script.
 *
 * @param {string} transcript
 */
function commandsOf(transcript) {
  const commands = [];
  for (const [, source, words] of transcript.matchAll(/^\+?\d+\.\d+ \[\d+ (\S+)\] (.*)$/gm)) {
    const [name, ...args] = Array.from(firstWords(words, 6));
    const command = { name: name.toLowerCase(), args, inside: [] };
    if (source === 'lua') commands.at(-1).inside.push(command);
    else commands.push(command);
  }
  return commands;
}

/** The first words of a line of MONITOR, which quotes each. @param {string} line @param {number} count */
function* firstWords(line, count) {
  const words = line.matchAll(/"((?:[^"\\]|\\.)*)"/g);
  for (let n = 0; n < count; n++) {
    const { value } = words.next();
    if (value === undefined) return;
    yield value[1];
  }
}

onRedis((open, server) => {
  let sessions;
  let redis;
  beforeEach(async () => {
    ({ sessions, redis } = open());
    await redis.flushdb();
  });

  /** Writes a session of so many bytes. Its JSON begins with `before`. */
  async function write(bytes, before) {
    const session = { app: APP, ownerId: '42', data: {}, duration: 600 };
    const { key, written } = createIn1x(redis, session);
    await written;
    const text = 'x'.repeat(bytes - before.length - JSON.stringify({ text: '' }).length);
    await redis.set(key, `${before}${JSON.stringify({ text })}`, 'KEEPTTL');
    return [key, bytes];
  }

  /**
   * What a script reads of the old sessions.
   *
   * @param {ReturnType<typeof commandsOf>[number]} script
   * @param {Map<string, number>} bytesOf how long each value is
   */
  function readsOf({ inside }, bytesOf) {
    const reads = inside.filter(({ name, args: [key] }) => /^get/.test(name) && bytesOf.has(key));
    const bytes = reads.map(({ name, args: [key, , last] }) =>
      name === 'getrange' ? Math.min(bytesOf.get(key), Number(last) + 1) : bytesOf.get(key),
    );
    return {
      keys: new Set(reads.map(({ args: [key] }) => key)).size,
      bytes: bytes.reduce((sum, each) => sum + each, 0),
      commands: inside.length,
    };
  }

  for (const [label, before] of [
    ['in one step', ''],
    ['in steps, because JavaScript would write their JSON in another way', ' '],
  ]) {
    test(`sessions of 32 KiB move ${label}, and no command reads more than ${MAX_KEYS} of them`, async () => {
      const bytesOf = new Map([
        ...(await Promise.all(Array.from({ length: MANY }, () => write(MANY_BYTES, before)))),
        ...(await Promise.all(Array.from({ length: LARGE }, () => write(LARGE_BYTES, before)))),
      ]);
      const system = version1({ app: APP });
      const migration = new Migration(sessions, { app: APP, system, mode: 'move' });
      const watching = await server().monitor();
      await migration.run();
      const commands = commandsOf(await watching.stop());
      assert.equal(migration.done, MANY + LARGE);

      for (const { args } of commands.filter(({ name }) => name === 'scan')) {
        assert.deepEqual(args.slice(3), ['COUNT', String(MAX_SCANNED)]);
      }
      const scripts = commands.filter(({ name }) => /^eval/.test(name));
      const reads = scripts.map((script) => readsOf(script, bytesOf));
      for (const { keys, bytes, commands } of reads) {
        assert.ok(keys <= MAX_KEYS, `${keys} keys`);
        assert.ok(commands <= MAX_COMMANDS, `${commands} commands`);
        // A longer value is read alone.
        const most = keys === 1 ? LARGE_BYTES : keys * MAX_BYTES;
        assert.ok(bytes <= most, `${bytes} bytes of ${keys} keys`);
      }
      // Full batches and long values were among them.
      assert.ok(reads.some(({ bytes }) => bytes >= MAX_KEYS * MANY_BYTES));
      assert.ok(reads.filter(({ bytes }) => bytes === LARGE_BYTES).length >= LARGE);
    });
  }
});
