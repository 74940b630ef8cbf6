'use strict';

// The holes of @spots-tech/sessions 1.x, each with the input that exploited it. The numbers are those
// of the analysis of 1.0.0 with which this version began. H19, H27 to H30 and H33 are in
// holes-of-1x-server.test.js. H34, that no call gives a session a new token, is a missing feature: its
// test shows why it is no hole.

const assert = require('node:assert/strict');
const { beforeEach, test } = require('node:test');
const { waitUntil } = require('./support/redis-server.js');
const { rejection } = require('./support/rejection.js');
const { forEachTarget } = require('./support/targets.js');

const APP = 'my-app';
const DATA = { role: 'user' };

/** Texts that 1.x took for a pattern or a part of a key. */
const FORGED = [
  ['H1 a wildcard', () => '*'],
  ['H2 nothing', () => ''],
  ['H3 the first letter', (token) => token[0]],
  ['H3 a prefix', (token) => token.slice(0, 100)],
  ['H3 one question mark', () => '?'],
  ['H3 a question mark for each character', (token) => '?'.repeat(token.length)],
  ['H3 a class', () => '[^|]*'],
  ['H4 a prefix and a wildcard', (token) => `${token.slice(0, 4)}*`],
  ['H5 a victim by name', () => '*|ownerId:alice'],
  ['H5 the whole key of 1.x', (token) => `${token}|ownerId:alice`],
  ['H20 a pattern that takes for ever', () => `${'a*'.repeat(2000)}b`],
  ['H20 a pattern that overflows a stack', () => '*'.repeat(4096)],
  ['H20 a class that never ends', () => `[${'a-'.repeat(2000)}`],
  ['H20 a megabyte', () => '*?'.repeat(2 ** 19)],
];

forEachTarget((target, open) => {
  let sessions;
  let redis;
  let token;
  beforeEach(async () => {
    ({ sessions, redis } = open());
    await redis?.flushdb();
    token = await create();
  });
  const create = (more) =>
    sessions.create({ app: APP, ownerId: 'alice', data: DATA, duration: 600, ...more });
  const get = (given, app = APP) => sessions.get({ app, token: given });
  const assertAliceIsHere = async () =>
    assert.deepEqual(await get(token), { ownerId: 'alice', data: DATA });

  for (const [label, forge] of FORGED) {
    test(`${label}: such a token reads (H1-H5), writes (H8), kills (H9) and refreshes (H10) nothing`, async () => {
      const forged = forge(token);
      assert.equal(await get(forged), undefined);
      assert.equal(
        await sessions.update({ app: APP, token: forged, data: { role: 'owned' } }),
        false,
      );
      assert.equal(await sessions.kill({ app: APP, token: forged }), false);
      assert.equal(await sessions.refresh({ app: APP, token: forged, duration: 1 }), false);
      if (redis) assert.ok((await redis.pttl((await redis.keys('*:s:*'))[0])) > 10_000);
      await assertAliceIsHere();
    });
  }

  test('H4: a prefix of a token is answered as any wrong token is', async () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=';
    const guesses = [...alphabet].flatMap((letter) => [
      `${letter}*`,
      `${letter}`,
      `${token.slice(0, -1)}${letter}`,
    ]);
    const answers = await Promise.all(
      guesses.filter((guess) => guess !== token).map((guess) => get(guess)),
    );
    assert.ok(answers.length > 190 && answers.every((answer) => answer === undefined));
  });

  test('H6: an array, as `?token[]=*` gives, is a TypeError for each method', async () => {
    for (const forged of [['*'], [token], { 0: token }]) {
      for (const call of [
        () => get(forged),
        () => sessions.update({ app: APP, token: forged, data: {} }),
        () => sessions.refresh({ app: APP, token: forged, duration: 1 }),
        () => sessions.kill({ app: APP, token: forged }),
      ]) {
        const error = await rejection(call);
        assert.ok(error instanceof TypeError);
        assert.equal(error.code, 'ERR_INVALID_ARG_TYPE');
      }
    }
    await assertAliceIsHere();
  });

  test('H7: an app is no pattern', async () => {
    for (const app of ['*', 'm?-app', 'my*', '[m]y-app', 'my-app|token:', 'MY-APP']) {
      assert.equal(await get(token, app), undefined, app);
      assert.equal(await get('', app), undefined, app);
      assert.equal(await get('*', app), undefined, app);
    }
    assert.equal((await rejection(() => get(token, ''))).code, 'ERR_INVALID_ARG_VALUE');
    await assertAliceIsHere();
  });

  test('H11: killAll of app `a` leaves the apps `ab` and `abc` alone', async () => {
    const tokens = await Promise.all(
      ['a', 'ab', 'abc'].map((app) => create({ app, ownerId: '1' })),
    );
    assert.equal(await sessions.killAll({ app: 'a', ownerId: '1' }), true);
    assert.equal(await get(tokens[0], 'a'), undefined);
    assert.deepEqual(await get(tokens[1], 'ab'), { ownerId: '1', data: DATA });
    assert.deepEqual(await get(tokens[2], 'abc'), { ownerId: '1', data: DATA });
  });

  test('H12: killAll with wildcards kills no session', async () => {
    for (const [app, ownerId] of [
      [APP, '*'],
      [APP, '?'],
      [APP, 'a*'],
      [APP, 'alic'],
      ['*', '*'],
      ['*', 'alice'],
    ]) {
      assert.equal(await sessions.killAll({ app, ownerId }), false, `${app} ${ownerId}`);
    }
    for (const [app, ownerId] of [
      ['', 'alice'],
      [APP, ''],
      ['', ''],
    ]) {
      assert.equal(
        (await rejection(() => sessions.killAll({ app, ownerId }))).code,
        'ERR_INVALID_ARG_VALUE',
      );
    }
    await assertAliceIsHere();
  });

  test('H13, H14: an owner is an exact name, whatever it contains, and only this name kills its sessions', async () => {
    for (const ownerId of [
      'adminownerId:mallory',
      'x|ownerId:y',
      'x|',
      'ownerId:',
      '|ownerId:alice',
    ]) {
      const mine = await create({ ownerId });
      assert.equal((await get(mine)).ownerId, ownerId);
      for (const other of ['y', 'x', 'admin', 'mallory', 'ownerId']) {
        assert.equal(await sessions.killAll({ app: APP, ownerId: other }), false);
      }
      assert.equal((await get(mine)).ownerId, ownerId);
      assert.equal(await sessions.killAll({ app: APP, ownerId }), true);
      assert.equal(await get(mine), undefined);
    }
    await assertAliceIsHere();
  });

  test('H15: an app cannot put a token into the owner', async () => {
    const mine = await create({ app: 'ownerId:root' });
    assert.deepEqual(await get(mine, 'ownerId:root'), { ownerId: 'alice', data: DATA });
  });

  test('H16: the name of an app cannot choose a token', async () => {
    const app = 'a|token:KNOWN';
    const mine = await create({ app });
    assert.equal(await get('KNOWN', 'a'), undefined);
    assert.equal(await get('KNOWN', app), undefined);
    assert.equal(await get(mine, 'a'), undefined);
    assert.deepEqual(await get(mine, app), { ownerId: 'alice', data: DATA });
  });

  test('H17: sessions of an app `my[app]` can be read and killed', async () => {
    for (const app of ['my[app]', 'my\\app', 'my*app', 'my?app', '^']) {
      const [first, second] = [await create({ app }), await create({ app })];
      assert.deepEqual(await get(first, app), { ownerId: 'alice', data: DATA });
      assert.equal(await sessions.kill({ app, token: first }), true);
      assert.equal(await sessions.killAll({ app, ownerId: 'alice' }), true);
      assert.equal(await get(second, app), undefined);
    }
  });

  test('H18: all of 60 tokens of each encoding work, and encodings that lose bits are refused', async () => {
    for (const tokenEncoding of ['base64', 'base64url', 'hex', 'latin1', 'binary']) {
      const instance = open({ tokenEncoding }).sessions;
      for (let n = 0; n < 60; n++) {
        const mine = await instance.create({
          app: APP,
          ownerId: `o${n}`,
          data: { n },
          duration: 600,
        });
        assert.deepEqual(await instance.get({ app: APP, token: mine }), {
          ownerId: `o${n}`,
          data: { n },
        });
        assert.equal(await instance.kill({ app: APP, token: mine }), true);
      }
    }
    for (const tokenEncoding of ['ascii', 'utf8', 'utf16le', 'ucs2']) {
      assert.throws(() => open({ tokenEncoding }), /failed to instantiate/);
    }
  });

  test('H21: 50 updates at once are all kept', async () => {
    const keys = Array.from({ length: 50 }, (_, n) => `k${n}`);
    await Promise.all(keys.map((key) => sessions.update({ app: APP, token, data: { [key]: 1 } })));
    assert.deepEqual((await get(token)).data, {
      ...DATA,
      ...Object.fromEntries(keys.map((key) => [key, 1])),
    });
  });

  test('H22: an update that races a kill brings nothing back', async () => {
    for (let round = 0; round < 200; round++) {
      const mine = await create({ ownerId: 'racer' });
      const calls = [
        () => sessions.update({ app: APP, token: mine, data: { round } }),
        () => sessions.kill({ app: APP, token: mine }),
        () => sessions.update({ app: APP, token: mine, data: { again: round } }),
      ];
      // All in one turn, or the kill in the turn after.
      const answers = await Promise.all(
        calls.map(async (call, n) => {
          if (round % 2 && n) await new Promise(setImmediate);
          return call();
        }),
      );
      assert.equal(answers[1], true);
      assert.equal(await get(mine), undefined);
      assert.equal(await sessions.update({ app: APP, token: mine, data: { late: 1 } }), false);
      assert.equal(await get(mine), undefined);
    }
    if (redis)
      assert.equal((await redis.keys('*:s:*')).length, 1, 'only the session of alice is stored');
  });

  test('H22: an update after the expiry brings nothing back', async () => {
    const mine = await create({ duration: 0.01 });
    await waitUntil(async () => (await get(mine)) === undefined, 'the session to expire');
    assert.equal(await sessions.update({ app: APP, token: mine, data: { late: 1 } }), false);
    assert.equal(await get(mine), undefined);
  });

  test('H23, H25: refresh with NaN, 0 or -5 is a rejection, and the session lives on', async () => {
    for (const duration of [NaN, Number('soon'), 0, -5, undefined, null, '60']) {
      const error = await rejection(() => sessions.refresh({ app: APP, token, duration }));
      assert.match(error.code, /^ERR_(OUT_OF_RANGE|INVALID_ARG_TYPE)$/);
      await assertAliceIsHere();
    }
  });

  test('H24: refresh, kill and killAll have acted when they resolve', async () => {
    const mine = await Promise.all(Array.from({ length: 5 }, () => create({ ownerId: 'bob' })));
    const other = target === 'memory' ? sessions : open().sessions;
    assert.equal(await sessions.killAll({ app: APP, ownerId: 'bob' }), true);
    const left = await Promise.all(mine.map((each) => other.get({ app: APP, token: each })));
    assert.deepEqual(left, Array(5).fill(undefined));
    assert.equal(await sessions.kill({ app: APP, token }), true);
    assert.equal(await other.get({ app: APP, token }), undefined);
  });

  test('H26: tokens below 32 bytes are refused, and none is empty', () => {
    for (const options of [
      { tokenSize: 1 },
      { tokenSize: 31 },
      { tokenSize: 1, tokenEncoding: 'utf16le' },
    ]) {
      assert.throws(() => open(options), /failed to instantiate/);
    }
  });

  test('H31: a key __proto__ is kept as data and becomes no prototype', async () => {
    const hostile = () => JSON.parse('{"__proto__":{"isAdmin":true}}');
    const created = await create({ data: hostile() });
    await sessions.update({ app: APP, token, data: hostile() });
    for (const each of [created, token]) {
      const { data } = await get(each);
      assert.ok(Object.hasOwn(data, '__proto__'));
      assert.equal(data.isAdmin, undefined);
      assert.equal(Object.getPrototypeOf(data), Object.prototype);
    }
  });

  test('H32: each of two tokens of one owner opens only its own session', async () => {
    const other = await create({ data: { which: 2 } });
    for (const [mine, data] of [
      [token, DATA],
      [other, { which: 2 }],
    ]) {
      assert.deepEqual((await get(mine)).data, data);
      assert.equal(await get(mine.slice(0, 8)), undefined);
    }
  });

  test('H34: create takes no token from its caller, so a visitor cannot choose one', async () => {
    const mine = await create({ token: 'KNOWN', id: 'KNOWN' });
    assert.notEqual(mine, 'KNOWN');
    assert.equal(await get('KNOWN'), undefined);
  });
});
