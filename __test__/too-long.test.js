'use strict';

// A session that is longer than a JavaScript string can be. This package writes none, but another
// program may.

const assert = require('node:assert/strict');
const { constants } = require('node:buffer');
const os = require('node:os');
const { before, after, describe, test } = require('node:test');
const { startRedis } = require('./support/redis-server.js');
const { runScript } = require('./support/scripts.js');
const { SpotsSessions } = require('../index.js');

/** The server holds and sends the session, and each process that reads it holds it twice. */
const NEEDED = 6 * 2 ** 30;
const skip = os.freemem() < NEEDED && 'takes some GiB of memory';

describe('a session that no string of JavaScript can hold', { skip }, () => {
  let server;
  /** The tokens of the long session, and of others of the same owner. */
  const tokens = [];
  before(async () => {
    server = await startRedis();
    const sessions = new SpotsSessions(server.url);
    const create = (data) => sessions.create({ app: 'app', ownerId: 'alice', data, duration: 600 });
    tokens.push(await create({ text: 'MARK' }));
    const redis = server.client();
    const [key] = await redis.keys('*:s:*');
    const [head, tail] = (await redis.get(key)).split('MARK');
    await redis.set(key, head);
    // The longest value of Redis: 512 MB, some bytes more than the longest string of V8.
    const length = 2 ** 29 - head.length - tail.length;
    assert.ok(length + 30 > constants.MAX_STRING_LENGTH);
    const piece = 'x'.repeat(2 ** 25);
    for (let left = length; left > 0; left -= piece.length) {
      await redis.append(key, piece.slice(0, left));
    }
    await redis.append(key, tail);
    for (let n = 0; n < 3; n++) tokens.push(await create({ n }));
    redis.disconnect();
    await sessions.close();
  });
  after(() => server?.stop());

  // With few calls the event loop's thread reads, with many the I/O thread.
  for (const [neighbours, heard] of [
    [2, false],
    [200, true],
  ]) {
    test(`rejects its own call, and none of ${neighbours} others, ${heard ? 'with' : 'without'} listeners`, async () => {
      const code = `
        const sessions = new SpotsSessions(given.options);
        if (given.heard) {
          for (const event of ['uncaughtException', 'unhandledRejection'])
            process.on(event, (error) => console.log(event, error));
          for (const event of ['error', 'reconnecting']) sessions.on(event, (error) => console.log(event, error));
        }
        const get = (token) => sessions.get({ app: 'app', token });
        async function main() {
          const [long, ...others] = given.tokens;
          const all = Array.from({ length: given.neighbours }, (_, n) => others[n % others.length]);
          all.splice(1, 0, long);
          const calls = all.map(get);
          const closed = sessions.close();
          const ends = await Promise.allSettled(calls);
          const [{ reason }] = ends.splice(1, 1);
          console.log(reason.code, reason.message);
          console.log(ends.every(({ value }, n) => value.data.n === n % others.length));
          console.log(await closed);
        }
        main();`;
      const options = { connectionString: server.url, commandTimeout: 120_000 };
      const given = { options, tokens, neighbours, heard };
      const { code: exit, signal, stdout, stderr } = await runScript(code, { given });
      assert.deepEqual({ exit, signal, stderr }, { exit: 0, signal: null, stderr: '' }, stdout);
      const [rejected, ...rest] = stdout.trim().split('\n');
      assert.match(
        rejected,
        /^ERR_SESSIONS_CORRUPT cannot read the session: its \d+ bytes are more than/,
      );
      assert.deepEqual(rest, ['true', 'undefined']);
    });
  }
});
