'use strict';

// What lies in Redis, and which commands each method sends, as another client sees it.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');
const { indexKey, routeOf, idOf, sessionKey } = require('./support/keys.js');
const { commandsIn } = require('./support/monitor.js');
const { waitUntil } = require('./support/redis-server.js');
const { freshName, onRedis } = require('./support/targets.js');

onRedis((open, server) => {
  describe('keys', () => {
    test('a session and its index have the documented names and types, and nothing else is stored', async () => {
      const { sessions, redis } = open();
      const app = freshName();
      const token = await sessions.create({ app, ownerId: 'alice', data: { a: 1 }, duration: 600 });
      const route = routeOf(app, 'alice');
      assert.deepEqual(
        (await redis.keys(`*${app}*`)).sort(),
        [indexKey(app, 'alice'), `spots:{${route}:${app}}:s:${idOf(token)}`].sort(),
      );
      assert.equal(await redis.type(sessionKey(app, 'alice', token)), 'string');
      assert.equal(await redis.type(indexKey(app, 'alice')), 'zset');
      assert.deepEqual(await redis.zrange(indexKey(app, 'alice'), 0, -1), [idOf(token)]);
    });

    test('kill and killAll leave nothing behind', async () => {
      const { sessions, redis } = open();
      const app = freshName();
      const create = () => sessions.create({ app, ownerId: 'alice', data: {}, duration: 600 });
      const [token] = await Promise.all([create(), create(), create()]);
      await sessions.kill({ app, token });
      assert.equal(await redis.exists(sessionKey(app, 'alice', token)), 0);
      await sessions.killAll({ app, ownerId: 'alice' });
      assert.deepEqual(await redis.keys(`*${app}*`), []);
      const last = await create();
      await sessions.kill({ app, token: last });
      assert.deepEqual(await redis.keys(`*${app}*`), []);
    });

    test('keys hold names with every kind of character unchanged', async () => {
      const { sessions, redis } = open();
      for (const app of ['}', '{', '*', 'a\0b', 'a\nb', '🙂', 'é', 'a}:s:b']) {
        const ownerId = `${freshName()}\n"🙂`;
        const token = await sessions.create({ app, ownerId, data: {}, duration: 600 });
        assert.equal(
          await redis.exists(sessionKey(app, ownerId, token), indexKey(app, ownerId)),
          2,
          JSON.stringify(app),
        );
        const [, owner] = (await redis.get(sessionKey(app, ownerId, token))).split('\n');
        assert.equal(owner, JSON.stringify(ownerId));
      }
    });
  });

  describe('records', () => {
    test('are lines of JSON: about the session, owner, data, then the updates in their order', async () => {
      const { sessions, redis } = open();
      const app = freshName();
      const data = { z: 'Zoë', a: [1, { b: null }], n: 1e21, s: '\ud800\n' };
      const [begin] = await redis.time();
      const token = await sessions.create({ app, ownerId: '123qwe', data, duration: 600 });
      const [end] = await redis.time();
      const record = async () => (await redis.get(sessionKey(app, '123qwe', token))).split('\n');
      const [about, owner, ...rest] = await record();
      assert.equal(owner, '"123qwe"');
      const { createdAt, ...others } = JSON.parse(about);
      assert.deepEqual(others, {});
      assert.ok(Number.isInteger(createdAt));
      assert.ok(
        createdAt >= (begin - 1) * 1000 && createdAt <= (Number(end) + 2) * 1000,
        String(createdAt),
      );
      assert.deepEqual(rest, [JSON.stringify(data)]);

      const patches = [
        { age: 25, lastName: null },
        { gone: NaN, skipped: undefined, s: '\u2028"' },
      ];
      for (const patch of patches) await sessions.update({ app, token, data: patch });
      assert.deepEqual(await record(), [
        about,
        owner,
        JSON.stringify(data),
        ...patches.map((p) => JSON.stringify(p)),
      ]);
    });

    test('that were written by hand, with fields of a later version, are read, and a fold keeps the fields', async () => {
      const { sessions, redis } = open();
      const app = freshName();
      const token = await sessions.create({ app, ownerId: 'alice', data: {}, duration: 600 });
      const key = sessionKey(app, 'alice', token);
      const about = '{"later":[1,{"x":null}],"createdAt":1698765432123}';
      await redis.set(
        key,
        `${about}\n"alice"\n{"a":1,"b":2}\n{"b":null,"c":12345678901234567890}\n{"a":[]}`,
        'KEEPTTL',
      );
      const raw = '{"a":[],"c":12345678901234567000}';
      assert.equal(JSON.stringify((await sessions.get({ app, token })).data), raw);
      const big = 'x'.repeat(1000);
      for (let n = 0; n < 20; n++) await sessions.update({ app, token, data: { big } });
      const lines = await waitUntil(async () => {
        const current = (await redis.get(key)).split('\n');
        return current.length < 20 && current;
      }, 'the updates to be folded');
      const { size, folds, ...rest } = JSON.parse(lines[0]);
      assert.deepEqual(rest, JSON.parse(about));
      assert.ok(lines[0].startsWith(about.slice(0, -1)), 'unknown fields stay where they were');
      assert.ok(size > 1000 && folds >= 1, lines[0]);
      assert.equal(lines[1], '"alice"');
      assert.match(
        lines[2],
        /^\{"a":\[\],"c":12345678901234567890[,}]/,
        'big numbers keep their digits',
      );
      assert.deepEqual((await sessions.get({ app, token })).data, {
        a: [],
        c: Number('12345678901234567890'),
        big,
      });
    });

    for (const [label, together] of [
      ['one after another', false],
      ['at once', true],
    ]) {
      test(`stay bounded over 1,000 updates ${label}, and keep all data and their expiry`, async () => {
        const { sessions, redis } = open();
        for (const duration of [600, Infinity]) {
          const app = freshName();
          const token = await sessions.create({
            app,
            ownerId: 'alice',
            data: { base: 1 },
            duration,
          });
          const expected = { base: 1 };
          const calls = [];
          for (let n = 0; n < 1000; n++) {
            const patch = { [`key ${n % 100}`]: `${n} ${'x'.repeat(40)}` };
            Object.assign(expected, patch);
            const call = sessions.update({ app, token, data: patch });
            if (together) calls.push(call);
            else calls.push(await call);
          }
          assert.ok((await Promise.all(calls)).every((answer) => answer === true));
          const { data } = await sessions.get({ app, token });
          assert.equal(JSON.stringify(data), JSON.stringify(expected));
          const bound = 3 * JSON.stringify(expected).length + 8192;
          const key = sessionKey(app, 'alice', token);
          await waitUntil(
            async () => (await redis.strlen(key)) <= bound,
            `at most ${bound} bytes`,
            5000,
          );
          const left = await redis.pttl(key);
          if (duration === Infinity) assert.equal(left, -1);
          else assert.ok(left > 0 && left <= 600_000);
        }
      });
    }
  });

  describe('commands', () => {
    test('get is exactly one GET, whether the session is there or not, updated or not', async () => {
      const { sessions, redis } = open();
      const app = freshName();
      const token = await sessions.create({ app, ownerId: 'alice', data: { a: 1 }, duration: 600 });
      const updated = await sessions.create({
        app,
        ownerId: 'alice',
        data: { a: 1 },
        duration: 600,
      });
      await sessions.update({ app, token: updated, data: { b: 1 } });
      await redis.config('RESETSTAT');
      const watching = await server().monitor();
      for (const wanted of [token, updated, token.replace(/^..../, 'AAAA')]) {
        await Promise.all(Array.from({ length: 50 }, () => sessions.get({ app, token: wanted })));
        await sessions.get({ app, token: wanted });
      }
      assert.equal((await server().commandStats()).get, 153);
      assert.deepEqual(commandsIn(await watching.stop()), Array(153).fill('get'));
    });

    test('every other method is one command that the client sends, and none of them scans', async () => {
      const { sessions, redis } = open();
      const app = freshName();
      const life = async () => {
        const token = await sessions.create({
          app,
          ownerId: 'alice',
          data: { a: 1 },
          duration: 600,
        });
        return [
          () => sessions.create({ app, ownerId: 'alice', data: { a: 1 }, duration: 600 }),
          () => sessions.create({ app, ownerId: 'alice', data: { a: 1 }, duration: Infinity }),
          () => sessions.refresh({ app, token, duration: 60 }),
          () => sessions.refresh({ app, token, duration: Infinity }),
          () => sessions.update({ app, token, data: { b: 1 } }),
          () => sessions.kill({ app, token }),
          () => sessions.kill({ app, token }),
          () => sessions.update({ app, token, data: { b: 1 } }),
          () => sessions.refresh({ app, token, duration: 60 }),
          () => sessions.killAll({ app, ownerId: 'alice' }),
          () => sessions.killAll({ app, ownerId: 'alice' }),
        ];
      };
      // Once before, so that the server knows the scripts.
      for (const call of await life()) await call();
      const calls = await life();
      await redis.config('RESETSTAT');
      for (const call of calls) {
        const watching = await server().monitor();
        await call();
        const sent = commandsIn(await watching.stop());
        assert.deepEqual(sent, ['evalsha'], String(call));
      }
      const stats = await server().commandStats();
      assert.equal(stats.evalsha, calls.length);
      for (const name of ['keys', 'scan', 'sscan', 'zscan', 'hscan', 'sort', 'flushdb', 'eval']) {
        assert.equal(stats[name], undefined, name);
      }
    });

    test('calls of one kind made together are one script, and one that fails does not affect the others', async () => {
      const { sessions, redis } = open();
      const app = freshName();
      const create = (ownerId) => sessions.create({ app, ownerId, data: {}, duration: 600 });
      const owners = Array.from({ length: 16 }, (_, n) => `owner ${n}`);
      await create('somebody'); // connected
      await redis.config('RESETSTAT');
      const tokens = await Promise.all(owners.map(create));
      // Batches of 1 and 15 calls; or of 1, 1, 2, 4 and 8, if the I/O thread read the previous answer.
      const scripts = (await server().commandStats()).evalsha;
      assert.ok(scripts === 2 || scripts === 5, `${scripts} scripts`);

      const [broken, gone] = [3, 11];
      await redis.set(indexKey(app, owners[broken]), 'no index');
      await redis.del(sessionKey(app, owners[gone], tokens[gone]));
      const outcomes = (call) =>
        Promise.all(tokens.map((token, n) => call(token, n).catch(({ code }) => code)));
      const expected = (answer, others) => tokens.map((_, n) => others[n] ?? answer);
      const corrupt = 'ERR_SESSIONS_CORRUPT';

      assert.deepEqual(
        await outcomes((token) => sessions.refresh({ app, token, duration: 60 })),
        expected(true, { [broken]: corrupt, [gone]: false }),
      );
      assert.deepEqual(
        await outcomes(async (_, n) => typeof (await create(owners[n]))),
        expected('string', { [broken]: corrupt }),
      );
      await redis.del(sessionKey(app, owners[0], tokens[0]));
      await redis.lpush(sessionKey(app, owners[0], tokens[0]), 'no record');
      assert.deepEqual(
        await outcomes((token) => sessions.update({ app, token, data: { a: 1 } })),
        expected(true, { 0: corrupt, [gone]: false }),
      );
      assert.deepEqual(
        await outcomes((token) => sessions.kill({ app, token })),
        expected(true, { [gone]: false }),
      );
      assert.equal((await server().commandStats()).eval, undefined);
    });

    test('a server that forgot the scripts gets them again, and no call fails', async () => {
      const { sessions, redis } = open();
      const app = freshName();
      const request = { app, ownerId: 'alice', data: {}, duration: 600 };
      for (let round = 0; round < 3; round++) {
        await redis.script('FLUSH');
        const tokens = await Promise.all(
          Array.from({ length: 400 }, () => sessions.create(request)),
        );
        await redis.script('FLUSH');
        // Each call is on another session, because calls that are not awaited may overtake each other then.
        const calls = [
          (token) => sessions.get({ app, token }),
          (token) => sessions.update({ app, token, data: { round } }),
          (token) => sessions.refresh({ app, token, duration: 60 }),
          (token) => sessions.kill({ app, token }),
        ];
        const answers = await Promise.all(tokens.map((token, n) => calls[n % 4](token)));
        const expected = [{ ownerId: 'alice', data: {} }, true, true, true];
        for (const [n, answer] of answers.entries()) assert.deepEqual(answer, expected[n % 4]);
      }
    });
  });

  test('a token is in no key, no value and no command', async () => {
    for (const tokenEncoding of ['base64', 'base64url', 'hex', 'latin1']) {
      const { sessions, redis } = open({ tokenEncoding, tokenSize: 40 });
      const app = freshName();
      const watching = await server().monitor();
      const token = await sessions.create({ app, ownerId: 'alice', data: { a: 1 }, duration: 600 });
      await sessions.get({ app, token });
      await sessions.update({ app, token, data: { b: 1 } });
      await sessions.refresh({ app, token, duration: 60 });
      const keys = await redis.keysBuffer(`*${app}*`);
      assert.equal(keys.length, 2);
      const dump = [...keys, await redis.getBuffer(sessionKey(app, 'alice', token))];
      dump.push(...(await redis.zrangeBuffer(indexKey(app, 'alice'), 0, -1)));
      await sessions.kill({ app, token });
      const transcript = Buffer.from(await watching.stop(), 'latin1');
      assert.ok(
        transcript.includes(app) && transcript.includes(idOf(token)),
        'the transcript shows these calls',
      );
      const bytes = Buffer.from(token, tokenEncoding);
      // The owner's bytes are in the keys by design. The random bytes behind them open the session.
      const secret = bytes.subarray(16);
      for (const haystack of [transcript, Buffer.concat(dump)]) {
        for (const needle of [
          token,
          bytes,
          secret,
          secret.toString('hex'),
          bytes.toString('base64').slice(24),
          bytes.toString('base64url').slice(24),
        ]) {
          assert.ok(!haystack.includes(needle), `${tokenEncoding}: the token was seen`);
        }
      }
    }
  });
});
