'use strict';

// What calls on sessions whose token was not made for their owner ask of a server: few commands, none of them long, however
// many sessions an owner has.

const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const { describe, test } = require('node:test');
const foreign = require('../lib/foreign.js');
const checks = require('./support/foreign-checks.js');
const { stepByStep } = require('./support/foreign-steps.js');
const { forEachTarget, freshName, onRedis } = require('./support/targets.js');
const { waitUntilLeft } = require('./support/times.js');
const { waitUntil } = require('./support/wait-until.js');

const { foreignKey, make, opened, pointersKey } = checks;
const ownerId = 'ann';
const DURATION = 2000;

forEachTarget((target, open) => {
  test('touches are one step each, and three about once a duration, and killAll ends the session after them', async () => {
    const { sessions, redis } = open();
    const place = { sessions, redis, app: freshName() };
    const { app } = place;
    const token = await make(place, { durationMs: DURATION });
    const halfIsLeft = async () => {
      if (redis) return waitUntilLeft(redis, foreignKey(app, token), DURATION / 2);
      const { expiresAt } = await sessions.info({ app, token });
      return waitUntil(() => expiresAt.getTime() - Date.now() < DURATION / 2, 'half to be left');
    };
    /** How many steps a touch takes. */
    const touch = async () => {
      const stepped = stepByStep(sessions, () => {});
      const given = { app, token, durationMs: DURATION };
      assert.equal(await foreign.refresh(stepped, given), true);
      return stepped.steps.length;
    };
    const counts = [];
    for (let n = 0; n < 10; n++) {
      await halfIsLeft();
      counts.push(await touch());
      // The next one, at once, has nothing to lengthen.
      counts.push(await touch());
      await checks.assertPointed(place);
      assert.equal((await sessions.list({ app, ownerId })).length, 1);
    }
    assert.ok(
      counts.every((count) => count === 1 || count === 3),
      `${counts}`,
    );
    const long = counts.filter((count) => count === 3).length;
    // In memory a session needs no pointer.
    if (target === 'memory') assert.equal(long, 0);
    else assert.ok(long >= 4 && long <= 10, `${counts}`);
    assert.equal(await sessions.killAll({ app, ownerId }), true);
    assert.equal(await opened(place, token), undefined);
  });
});

onRedis((open, server) => {
  describe('an owner with 100,000 sessions', { timeout: 120_000 }, () => {
    const COUNT = 100_000;
    /** How many pointers one script reads: see pointers.lua. */
    const PAGE = 500;
    const STORE = `
      for n = 1, #ARGV, 2 do
        redis.call('SET', ARGV[n], ARGV[n + 1], 'PX', 600000)
      end`;

    test('is listed by as many records as asked for, and killAll ends all in short scripts', async () => {
      const { sessions, redis } = open({ commandTimeout: 60_000 });
      const place = { sessions, redis, app: freshName() };
      const { app } = place;
      // As many records as one that the library has written.
      const first = await make(place);
      const [line, owner, data] = (await redis.get(foreignKey(app, first))).split('\n');
      const tokens = [first];
      const [nonce] = line.match(/(?<="nonce":")[^"]*/);
      while (tokens.length < COUNT) {
        const some = Array.from({ length: 500 }, () => randomBytes(32).toString('base64url'));
        const records = some.flatMap((token) => {
          const mark = checks.publicIdOf(token).slice(0, 6);
          const own = line.replace(/("mark":")[^"]*/, `$1${mark}`);
          return [foreignKey(app, token), [own, owner, data].join('\n')];
        });
        const score = Date.now() + 1_200_000;
        const members = some.flatMap((token) => [score, checks.publicIdOf(token) + nonce]);
        await Promise.all([
          redis.eval(STORE, 0, ...records),
          redis.zadd(pointersKey(app, ownerId), ...members),
        ]);
        tokens.push(...some);
      }
      await redis.config('RESETSTAT');
      const listed = await sessions.list({ app, ownerId, limit: 10 });
      assert.equal(listed.length, 10);
      assert.equal((await server().commandStats()).evalsha, 1 + 10);

      const stepped = stepByStep(sessions, () => {});
      assert.equal(await stepped.killAll({ app, ownerId }), true);
      const pages = [...stepped.steps].filter((letter) => letter === 'Q').length;
      assert.ok(pages >= COUNT / PAGE && pages < COUNT / PAGE + 20, `${pages} pages`);
      const isGone = async () => (await redis.exists(pointersKey(app, ownerId))) === 0;
      await waitUntil(isGone, 'the last pointer to be dropped', 60_000);
      assert.deepEqual(await redis.keys(`*${app}*`), []);
      assert.equal(await opened(place, tokens[COUNT - 1]), undefined);
    });
  });
});
