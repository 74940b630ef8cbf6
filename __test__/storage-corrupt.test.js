'use strict';

// A broken or foreign value under one of our keys rejects only its own calls.

const assert = require('node:assert/strict');
const { describe, test, before } = require('node:test');
const { idOf, indexKey, sessionKey } = require('./support/keys.js');
const { rejection } = require('./support/rejection.js');
const { freshName, onRedis } = require('./support/targets.js');

const OWNER = 'alice';
const HEAD = '{"createdAt":1698765432123}\n"alice"';
const invalidUtf8 = (before, after) =>
  Buffer.concat([Buffer.from(before), Buffer.from([0xff, 0xfe]), Buffer.from(after)]);

const TEXTS = [
  ['an empty value', ''],
  ['no JSON at all', 'garbage'],
  ['the line about the session alone', '{"createdAt":1}'],
  ['no data', HEAD],
  ['an empty line for the data', `${HEAD}\n`],
  ['empty lines', '\n\n\n'],
  ['an owner that is a number', '{"createdAt":1}\n5\n{}'],
  ['an owner that is an object', '{"createdAt":1}\n{}\n{}'],
  ['an owner without quotes', '{"createdAt":1}\nalice\n{}'],
  ['an owner with something behind', '{"createdAt":1}\n"alice","x"\n{}'],
  ['another owner', '{"createdAt":1}\n"alicf"\n{}'],
  ['the owner first', '"alice"\n{"createdAt":1}\n{}'],
  ['a broken line about the session', '{"createdAt":\n"alice"\n{}'],
  ['a line about the session that is a number', '5\n"alice"\n{}'],
  ['data that is a number', `${HEAD}\n5`],
  ['data that is a string', `${HEAD}\n"text"`],
  ['data that is null', `${HEAD}\nnull`],
  ['data that is an array', `${HEAD}\n[1]`],
  ['data cut off', `${HEAD}\n{"a":[1,2`],
  ['data cut off within a string', `${HEAD}\n{"a":"text`],
  ['data with a comma too many', `${HEAD}\n{"a":1,}`],
  ['two values on the line of the data', `${HEAD}\n{},{"a":1}`],
  ['data that closes what is around it', `${HEAD}\n{}}],[{"a":1}`],
  ['data that closes a bracket too many', `${HEAD}\n{}]`],
  ['data that closes an array as an object', `${HEAD}\n{"a":[1}}`],
  ['JavaScript that is not JSON', `${HEAD}\n{a:1}`],
  ['single quotes', `${HEAD}\n{'a':1}`],
  ['NaN', `${HEAD}\n{"a":NaN}`],
  ['a number with a leading zero', `${HEAD}\n{"a":01}`],
  ['a bad escape', `${HEAD}\n{"a":"\\x41"}`],
  ['a raw tab in a string', `${HEAD}\n{"a":"\t"}`],
  ['NUL', `${HEAD}\n{"a":1}\0`],
  ['a byte order mark', `\ufeff${HEAD}\n{}`],
  ['an update that is no object', `${HEAD}\n{"a":1}\n5`],
  ['an update that is an array', `${HEAD}\n{"a":1}\n[]`],
  ['an update cut off', `${HEAD}\n{"a":1}\n{"b":`],
  ['an empty update', `${HEAD}\n{"a":1}\n\n{"b":1}`],
  ['an update with two values', `${HEAD}\n{"a":1}\n{"b":1}{"c":1}`],
  [
    'an update that is broken after many good ones',
    `${HEAD}\n{"a":1}${'\n{"b":1}'.repeat(50)}\n{"b":}`,
  ],
  ['bytes that are not UTF-8, in the owner', invalidUtf8('{"createdAt":1}\n"al', 'ice"\n{}')],
  ['bytes that are not UTF-8, in the data', invalidUtf8(`${HEAD}\n{"a":"`, '"}')],
  ['bytes that are not UTF-8, in an update', invalidUtf8(`${HEAD}\n{}\n{"a":"`, '"}')],
  [
    'a surrogate written as three bytes',
    Buffer.concat([
      Buffer.from(`${HEAD}\n{"a":"`),
      Buffer.from([0xed, 0xa0, 0x80]),
      Buffer.from('"}'),
    ]),
  ],
  ['compressed bytes', Buffer.from('1f8b0800000000000003abae050043bfa6a302000000', 'hex')],
  ['a 1.x session', '{"name":"John"}'],
  ['a megabyte of brackets', `${HEAD}\n${'['.repeat(2 ** 20)}`],
];

const FOREIGN = [
  ['a list', (redis, key) => redis.rpush(key, 'a', 'b')],
  ['a hash', (redis, key) => redis.hset(key, 'a', 1)],
  ['a set', (redis, key) => redis.sadd(key, 'a')],
  ['a sorted set', (redis, key) => redis.zadd(key, 1, 'a')],
  ['a stream', (redis, key) => redis.xadd(key, '*', 'a', 1)],
];

const CASES = [
  ...TEXTS.map(([label, value]) => [label, (redis, key) => redis.set(key, value)]),
  ...FOREIGN,
];

onRedis((open) => {
  let sessions;
  let redis;
  before(() => {
    ({ sessions, redis } = open());
  });

  /** Creates a session of a fresh app, and puts something else under its key. */
  async function corrupted(plant) {
    const app = freshName();
    const token = await sessions.create({ app, ownerId: OWNER, data: {}, duration: 600 });
    const key = sessionKey(app, OWNER, token);
    await redis.del(key);
    await plant(redis, key);
    return { app, token, key };
  }

  for (const [label, plant] of CASES) {
    describe(label, () => {
      test('get rejects with ERR_SESSIONS_CORRUPT, and other calls are answered', async () => {
        const { app, token } = await corrupted(plant);
        const neighbours = await Promise.all(
          Array.from({ length: 20 }, (_, n) =>
            sessions.create({ app, ownerId: `n ${n}`, data: { n }, duration: 600 }),
          ),
        );
        const answers = await Promise.allSettled(
          neighbours.flatMap((neighbour) => [
            sessions.get({ app, token: neighbour }),
            sessions.get({ app, token }),
            sessions.get({ app, token: 'the token of nobody' }),
          ]),
        );
        for (let n = 0; n < neighbours.length; n++) {
          const [good, bad, absent] = answers.slice(3 * n, 3 * n + 3);
          assert.deepEqual(good, {
            status: 'fulfilled',
            value: { ownerId: `n ${n}`, data: { n } },
          });
          assert.equal(bad.reason?.code, 'ERR_SESSIONS_CORRUPT');
          assert.equal(bad.reason.name, 'SpotsSessionsError');
          assert.deepEqual(absent, { status: 'fulfilled', value: undefined });
        }
      });

      test('info and list reject or describe it, rotate moves it, and kill by id removes it', async () => {
        const { app, token } = await corrupted(plant);
        const owner = { app, ownerId: OWNER };
        const other = await sessions.create({ app, ownerId: 'n', data: { n: 1 }, duration: 600 });
        const [info, list, well] = await Promise.allSettled([
          sessions.info({ app, token }),
          sessions.list(owner),
          sessions.list({ app, ownerId: 'n' }),
        ]);
        assert.equal(well.value?.[0]?.id, idOf(other), 'the other owner is not affected');
        assert.equal(info.reason?.code, 'ERR_SESSIONS_CORRUPT');
        // A list takes an empty value for a session that has just ended.
        if (list.status === 'fulfilled') assert.deepEqual([label, list.value], [TEXTS[0][0], []]);
        else assert.equal(list.reason.code, 'ERR_SESSIONS_CORRUPT');
        const rotated = await sessions.rotate({ app, token });
        assert.equal(typeof rotated, 'string');
        assert.equal(await sessions.get({ app, token }), undefined);
        assert.equal(await sessions.kill({ ...owner, id: idOf(rotated) }), true);
        assert.deepEqual(await redis.keys(`spots:{*:${app}}:s:*`), [sessionKey(app, 'n', other)]);
        assert.deepEqual(await sessions.list(owner), []);
      });

      test('a create with maxSessions ends it', async () => {
        const { app, token, key } = await corrupted(plant);
        const owner = { app, ownerId: OWNER };
        const last = await sessions.create({ ...owner, duration: 900, maxSessions: 1 });
        assert.equal(await redis.exists(key), 0);
        assert.equal(await sessions.get({ app, token }), undefined);
        assert.deepEqual(
          (await sessions.list(owner)).map(({ id }) => id),
          [idOf(last)],
        );
      });

      test('kill removes it', async () => {
        const { app, token, key } = await corrupted(plant);
        assert.equal(await sessions.kill({ app, token }), true);
        assert.equal(await redis.exists(key), 0);
        assert.equal(await sessions.get({ app, token }), undefined);
      });

      test('killAll removes it, with the good sessions', async () => {
        const { app, token, key } = await corrupted(plant);
        const good = await sessions.create({ app, ownerId: OWNER, data: {}, duration: 600 });
        assert.equal(await sessions.killAll({ app, ownerId: OWNER }), true);
        assert.equal(await redis.exists(key, indexKey(app, OWNER)), 0);
        for (const each of [token, good])
          assert.equal(await sessions.get({ app, token: each }), undefined);
      });

      test('killAll removes it when it is the only one', async () => {
        const { app, key } = await corrupted(plant);
        assert.equal(await sessions.killAll({ app, ownerId: OWNER }), true);
        assert.equal(await redis.exists(key), 0);
      });

      test('update and refresh resolve or reject, and other calls are answered', async () => {
        const { app, token } = await corrupted(plant);
        const good = await sessions.create({ app, ownerId: OWNER, data: {}, duration: 600 });
        const [update, refresh, other] = await Promise.allSettled([
          sessions.update({ app, token, data: { a: 1 } }),
          sessions.refresh({ app, token, duration: 60 }),
          sessions.update({ app, token: good, data: { a: 1 } }),
        ]);
        for (const { status, value, reason } of [update, refresh]) {
          if (status === 'fulfilled') assert.equal(value, true);
          else assert.equal(reason.code, 'ERR_SESSIONS_CORRUPT');
        }
        assert.deepEqual(other, { status: 'fulfilled', value: true });
        // An update is appended. If only the data was missing, the update becomes the data.
        if (label === 'no data') return;
        assert.equal(
          (await rejection(() => sessions.get({ app, token }))).code,
          'ERR_SESSIONS_CORRUPT',
        );
      });
    });
  }

  test('a million levels of arrays do not affect other calls', async () => {
    const levels = 1e6;
    const { app, token } = await corrupted((client, key) =>
      client.set(key, `${HEAD}\n{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`),
    );
    const good = await sessions.create({ app, ownerId: OWNER, data: { a: 1 }, duration: 600 });
    const [deep, other] = await Promise.allSettled([
      sessions.get({ app, token }),
      sessions.get({ app, token: good }),
    ]);
    assert.deepEqual(other, { status: 'fulfilled', value: { ownerId: OWNER, data: { a: 1 } } });
    if (deep.status === 'rejected') assert.equal(deep.reason.code, 'ERR_SESSIONS_CORRUPT');
    else assert.ok(Array.isArray(deep.value.data.a));
    assert.equal(await sessions.kill({ app, token }), true);
  });

  test('odd but valid JSON is not corrupt: repeated keys, white space, huge numbers', async () => {
    const { app, token } = await corrupted((client, key) =>
      client.set(
        key,
        `${HEAD}\n{ "a" : 1, "a":2,\t"b":1e999 , "c":"\\ud800\\u0000" }\n{ "d":-0.0e-0 }`,
      ),
    );
    const { data } = await sessions.get({ app, token });
    assert.deepEqual(data, { a: 2, b: Infinity, c: '\ud800\0', d: -0 });
  });

  test('a first line that is odd slides, ends and counts as none: no call rejects for it', async () => {
    const rows = [
      '"sliding":"soon"',
      '"sliding":-5',
      '"sliding":1e3',
      '"sliding":0',
      '"endsAt":"never"',
      '"endsAt":null',
      '"sliding":600000,"endsAt":{}',
    ];
    const heard = [];
    const { sessions: used } = open();
    used.on('error', (error) => heard.push(error));
    for (const row of rows) {
      const { app, token, key } = await corrupted((client, name) =>
        client.set(name, `{"createdAt":1698765432123,${row}}\n"alice"\n{"a":1}`, 'PX', 60_000),
      );
      assert.deepEqual((await used.get({ app, token }))?.data, { a: 1 }, row);
      assert.equal(await used.update({ app, token, data: { b: 2 } }), true, row);
      assert.equal(await used.refresh({ app, token, duration: 30 }), true, row);
      assert.ok((await redis.pttl(key)) > 0, row);
      const info = await used.info({ app, token });
      assert.equal(Number(info.createdAt), 1_698_765_432_123);
      assert.equal((await used.list({ app, ownerId: OWNER })).length, 1, row);
      assert.equal(await used.kill({ app, token }), true);
    }
    await used.close();
    assert.deepEqual(heard, []);
  });

  test('an update that would fold a record whose first line is no JSON rejects with ERR_SESSIONS_CORRUPT', async () => {
    const { sessions: used } = open({ maxDataSize: 1024 });
    const { app, token, key } = await corrupted((client, name) =>
      client.set(name, `{x}\n"alice"\n{"a":"${'x'.repeat(2000)}"}`, 'PX', 60_000),
    );
    const before = await redis.get(key);
    const update = () => used.update({ app, token, data: { b: 'x'.repeat(200) } });
    assert.equal((await rejection(update)).code, 'ERR_SESSIONS_CORRUPT');
    assert.equal(await redis.get(key), before, 'nothing was done');
    await used.close();
  });

  test('an index of the wrong type rejects the calls that need it, and get still works', async () => {
    const app = freshName();
    const token = await sessions.create({ app, ownerId: OWNER, data: { a: 1 }, duration: 600 });
    await redis.set(indexKey(app, OWNER), 'foreign');
    const error = await rejection(() =>
      sessions.create({ app, ownerId: OWNER, data: {}, duration: 600 }),
    );
    assert.match(error.code, /^ERR_SESSIONS_(CORRUPT|REDIS)$/);
    assert.deepEqual(await sessions.get({ app, token }), { ownerId: OWNER, data: { a: 1 } });
    assert.equal(
      (await redis.keys(`spots:{*:${app}}:s:*`)).length,
      1,
      'a create that failed left no session',
    );
  });
});
