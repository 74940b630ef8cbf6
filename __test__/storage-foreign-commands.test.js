'use strict';

// Sessions whose token was not made for their owner: what each call does in Redis, command by command.

const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const { describe, test } = require('node:test');
const foreign = require('../lib/foreign.js');
const { addressOf, pointersKey } = require('./support/keys.js');
const { commandsDuring } = require('./support/monitor.js');
const { freshName, onRedis } = require('./support/targets.js');
const { waitUntil } = require('./support/wait-until.js');

const ownerId = 'alice';
const durationMs = 600_000;

onRedis((open, server) => {
  describe('each call is as few scripts as it can be', () => {
    const made = 'zadd p, zcard p, zrange p, zrange p, pexpireat p';
    const dropped = 'zrem p, zrange p, pexpireat p';
    const line = 'getrange s, getrange s';
    const { load, update, refresh, kill } = foreign;
    /** @type {[string, (given: any) => Promise<any>, number, string][]} */
    const ROWS = [
      [
        'load',
        ({ sessions, app, token }) => load(sessions, { app, token }),
        1,
        'get s, pexpiretime s',
      ],
      ['create: pointer and session at once', ({ create }) => create(), 1, `${made}, set s`],
      [
        'take over (Redis 7): one script makes both, and deletes the old key',
        async ({ sessions, redis, app }) => {
          const [token, key] = [randomBytes(32).toString('base64url'), `spots:${app}:x:1`];
          await redis.set(key, '{}', 'EX', 60);
          const about = { app, token, ownerId, data: {}, key, json: '{}' };
          assert.equal(await foreign.takeOver(sessions, about), true);
        },
        1,
        `pexpiretime x, get x, ${made}, set s, del x`,
      ],
      ['create without an owner', ({ create }) => create({ ownerId: undefined }), 1, 'set s'],
      [
        'update',
        ({ sessions, app, token }) => update(sessions, { app, token, set: {}, deleted: [] }),
        1,
        `strlen s, append s, ${line}`,
      ],
      [
        'refresh while the pointer is long enough',
        ({ sessions, app, token }) => refresh(sessions, { app, token, durationMs }),
        1,
        `${line}, pexpireat s`,
      ],
      [
        'refresh: asks, pointer, session',
        ({ sessions, app, token }) => refresh(sessions, { app, token, durationMs: 2 * durationMs }),
        3,
        `${line}, ${made}, ${line}, setrange s, pexpireat s`,
      ],
      [
        'claim: pointer, session, pointer, and the old pointer behind it',
        ({ sessions, app, token }) => {
          const [before, after, patch] = [ownerId, ownerId, { set: {}, deleted: [] }];
          return foreign.claim(sessions, { app, token, before, after, ...patch, durationMs });
        },
        4,
        // If both pointers are made in the same millisecond, the second one changes nothing.
        ...[made, 'zadd p'].map((again) => `${made}, get s, pttl s, set s, ${again}, ${dropped}`),
      ],
      [
        'kill, and the pointer behind it',
        ({ sessions, app, token }) => kill(sessions, { app, token }),
        2,
        `zrem o, ${line}, del s, ${dropped}`,
      ],
      [
        'kill by id, and the pointer behind it',
        ({ sessions, app, token }) => sessions.kill({ app, ownerId, id: addressOf(token) }),
        2,
        `${line}, getrange s, del s, ${dropped}`,
      ],
      [
        'list',
        ({ sessions, app }) => sessions.list({ app, ownerId }),
        3,
        'zrange o, zrange p, zrange p, get s, pexpiretime s, get s, pexpiretime s',
      ],
      [
        'rotate: asks, pointer, session, pointer, and the old pointer behind it',
        ({ sessions, app, token }) => sessions.rotate({ app, token }),
        5,
        `exists s, zscore o, ${line}, ${made}, ${line}, rename s, setrange s, zadd p, ${dropped}`,
      ],
    ];
    for (const [name, call, scripts, ...expected] of ROWS) {
      test(name, async (t) => {
        const { sessions, redis } = open();
        const app = freshName();
        const pointers = pointersKey(app, ownerId);
        const create = async (more) => {
          const token = randomBytes(32).toString('base64url');
          const session = { app, token, ownerId, data: {}, durationMs, replace: false, ...more };
          assert.equal(await foreign.create(sessions, session), true);
          return token;
        };
        const token = await create();
        await create();
        const hasExpireTime = await redis.call('PEXPIRETIME', 'none').catch(() => undefined);
        if (name.includes('Redis 7') && !hasExpireTime) return t.skip('Redis before 7.0');
        const left = name.startsWith('kill') ? 1 : 2;
        const all = await commandsDuring(server(), app, async () => {
          await call({ sessions, redis, app, token, create });
          if (!name.endsWith('behind it')) return;
          await waitUntil(async () => (await redis.zcard(pointers)) === left, 'a pointer to go');
        });
        const sent = all.filter(({ sent, name: each }) => sent && each === 'evalsha');
        assert.equal(sent.length, scripts);
        const inside = all.filter(({ sent, name: each }) => !sent && each !== 'time');
        const done = inside.map(
          ({ name: each, keys }) => `${each} ${keys[0].match(/:([sopx]):/)[1]}`,
        );
        // What is done behind an answer may come before the next step.
        const isDue = (commands) => (name.endsWith('behind it') ? commands.sort() : commands);
        const wanted = expected.map((commands) =>
          isDue(
            (hasExpireTime ? commands : commands.replaceAll('pexpiretime', 'pttl')).split(', '),
          ),
        );
        const ofThisLength = wanted.find(({ length }) => length === done.length);
        assert.deepEqual(isDue(done), ofThisLength ?? wanted[0]);
      });
    }
  });
});
