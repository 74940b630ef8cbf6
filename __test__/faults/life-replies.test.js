'use strict';

// Lost replies, cut connections and silent servers while a session is rotated, listed, ended by id or extended.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { test } = require('node:test');
const { connectedByProxy, recovers, settled } = require('../support/faults.js');
const { idOf, indexKey, sessionKey } = require('../support/keys.js');
const { waitUntil } = require('../support/wait-until.js');

const times = (count, make) => Array.from({ length: count }, (_, n) => make(n));
const commandTimeout = 20_000;

/** Drops the replies that `is` chooses, each with its connection, at most `most` of them. */
function loseReplies(proxy, most = 1, is = () => true) {
  let lost = 0;
  proxy.onReply = ({ bytes, cut }) => {
    if (lost === most || !is(bytes)) return bytes;
    lost++;
    cut();
    return undefined;
  };
  return () => lost;
}

const isNumber = (bytes) => bytes[0] === 58; /* : */

/** The members of an owner's index. */
const membersOf = async (redis, app, ownerId) =>
  (await redis.zrange(indexKey(app, ownerId), 0, -1)).sort();

test('R06 a rotate whose reply is lost gives the token that opens the session, however often it is lost', async (t) => {
  const { sessions, app, proxy, redis } = await connectedByProxy(t, { commandTimeout });
  const owner = { app, ownerId: 'bob' };
  let token = await sessions.create({ ...owner, data: { a: 1 }, duration: 600 });
  for (const most of [1, 2, 3]) {
    const lost = loseReplies(proxy, most);
    const { value, error } = await settled(sessions.rotate({ app, token }), commandTimeout);
    assert.equal(lost(), most);
    assert.equal(typeof value, 'string', `${error}`);
    assert.deepEqual(await sessions.get({ app, token: value }), { ownerId: 'bob', data: { a: 1 } });
    assert.equal(await sessions.get({ app, token }), undefined, 'the old token opens nothing');
    assert.deepEqual(await membersOf(redis, app, 'bob'), [idOf(value)]);
    assert.equal((await redis.keys(`*${app}*:s:${idOf(token)}`)).length, 0);
    token = value;
  }
});

test('R06 if the reply to rotates that share a script is lost, each gives a token that works', async (t) => {
  const { sessions, app, proxy, redis, tokens } = await connectedByProxy(t, { commandTimeout });
  const lost = loseReplies(proxy);
  const rotated = await Promise.all(tokens.map((token) => sessions.rotate({ app, token })));
  assert.equal(lost(), 1);
  for (const [n, token] of rotated.entries())
    assert.deepEqual(await sessions.get({ app, token }), { ownerId: 'ann', data: { n } });
  assert.deepEqual(await membersOf(redis, app, 'ann'), rotated.map(idOf).sort());
  const old = await Promise.all(tokens.map((token) => sessions.get({ app, token })));
  assert.deepEqual(old, Array(20).fill(undefined));
});

test('R06 info, list, kill by id and killAll except answer as if no reply had been lost', async (t) => {
  const { sessions, app, proxy } = await connectedByProxy(t, { commandTimeout });
  const owner = { app, ownerId: 'cid' };
  const create = (n) => sessions.create({ ...owner, data: { n }, duration: 600 });
  const tokens = [await create(0), await create(1), await create(2)];
  const [id, other, kept] = tokens.map(idOf);
  const rows = [
    ['info', { app, token: tokens[0] }, ({ id, data }) => [id, data], [id, { n: 0 }]],
    ['list', owner, (all) => all.map((each) => each.id).sort(), [id, other, kept].sort()],
    ['kill', { ...owner, id }, (killed) => killed, true],
    ['info', { app, token: tokens[0] }, (found) => found, undefined],
    ['killAll', { ...owner, except: tokens[2] }, (killed) => killed, true],
    ['list', { ...owner, token: tokens[2] }, (all) => all.map((each) => each.id), [kept]],
    ['killAll', { ...owner, except: tokens[2] }, (killed) => killed, true], // in doubt: it may have acted
  ];
  for (const [method, request, seen, expected] of rows) {
    const lost = loseReplies(proxy);
    const { value, error } = await settled(sessions[method](request), commandTimeout);
    assert.equal(error, undefined, method);
    assert.deepEqual(seen(value), expected, method);
    assert.equal(lost(), 1, `${method}: no reply was lost`);
  }
  assert.equal(await sessions.killAll({ ...owner, except: tokens[2] }), false);
  assert.deepEqual((await sessions.get({ app, token: tokens[2] })).data, { n: 2 });
});

test('R06 a list in several steps has each session once, whichever reply is lost', async (t) => {
  const { sessions, app, proxy } = await connectedByProxy(t, { commandTimeout });
  const owner = { app, ownerId: 'dan' };
  const data = { text: 'x'.repeat(400_000) };
  const tokens = await Promise.all(times(12, () => sessions.create({ ...owner, data })));
  for (const which of [0, 1, 3]) {
    let seen = 0;
    proxy.onReply = ({ bytes, cut }) => {
      if (seen++ !== which) return bytes;
      cut();
      return undefined;
    };
    const all = await sessions.list(owner);
    assert.ok(seen > which, 'it was lost');
    assert.deepEqual(all.map(({ id }) => id).sort(), tokens.map(idOf).sort());
    assert.ok(all.every((each) => each.data.text === data.text));
  }
});

test('R06 a create with maxSessions whose reply is lost makes one session, and ends no more than it must', async (t) => {
  const { sessions, app, proxy, redis } = await connectedByProxy(t, { commandTimeout });
  const owner = { app, ownerId: 'eva' };
  const create = (n) =>
    sessions.create({ ...owner, data: { n }, duration: 600 + n, maxSessions: 3 });
  const tokens = [await create(0), await create(1), await create(2)];
  const lost = loseReplies(proxy, 2);
  tokens.push(await create(3));
  assert.equal(lost(), 2);
  const left = tokens.slice(1);
  assert.deepEqual(await membersOf(redis, app, 'eva'), left.map(idOf).sort());
  const found = await Promise.all(tokens.map((token) => sessions.get({ app, token })));
  assert.deepEqual(
    found.map((session) => session?.data.n),
    [undefined, 1, 2, 3],
  );
});

/** A sliding session of which three fifths are left, so that its next use extends it. */
async function used({ sessions, app, redis }) {
  const token = await sessions.create({ app, ownerId: 'ann', duration: 1000, sliding: true });
  const key = sessionKey(app, 'ann', token);
  await redis.pexpire(key, 600_000);
  const isExtended = async () => (await redis.pttl(key)) > 900_000;
  return { token, key, isExtended };
}

test('R06 an extension whose reply or request is lost is sent again, and no get notices', async (t) => {
  const given = await connectedByProxy(t, { commandTimeout });
  const { sessions, app, proxy, redis } = given;
  const heard = [];
  sessions.on('error', (error) => heard.push(error));

  const first = await used(given);
  const lost = loseReplies(proxy, 1, isNumber);
  assert.equal((await sessions.get({ app, token: first.token })).ownerId, 'ann');
  await waitUntil(first.isExtended, 'the session to be extended');
  await waitUntil(() => lost() === 1, 'its reply to be lost');
  const score = Number(await redis.zscore(indexKey(app, 'ann'), idOf(first.token)));
  const expiry = Number(await redis.call('PEXPIRETIME', first.key).catch(() => score));
  assert.equal(score, expiry);

  proxy.onReply = undefined;
  const second = await used(given);
  let requests = 0;
  proxy.loses = (bytes) => bytes.includes('EVALSHA') && requests++ === 0;
  assert.equal((await sessions.get({ app, token: second.token })).ownerId, 'ann');
  await waitUntil(second.isExtended, 'the session to be extended');
  assert.ok(requests > 1, 'the request was lost, and sent again');
  assert.deepEqual(heard, []);
});

test('R16 an extension that the server never answers is told as an event, and the next use extends', async (t) => {
  const given = await connectedByProxy(t, { commandTimeout: 1500 });
  const { sessions, app, proxy } = given;
  const { token, isExtended } = await used(given);
  // The get is answered. From then on the connection is silent.
  proxy.onReply = ({ bytes }) => {
    if (bytes[0] === 36 /* $ */) proxy.silent = true;
    return bytes;
  };
  const told = once(sessions, 'error');
  assert.equal((await sessions.get({ app, token })).ownerId, 'ann');
  const [error] = await told;
  assert.match(error.code, /^ERR_SESSIONS_(TIMEOUT|CONNECTION)$/);
  assert.equal(await isExtended(), false);

  proxy.reset();
  const extends_ = async () => {
    await settled(sessions.get({ app, token }), 1500);
    return isExtended();
  };
  await waitUntil(extends_, 'the next use to extend it');
  await recovers(sessions, app);
});

test('R16 close does not wait for an extension that is not answered', async (t) => {
  const given = await connectedByProxy(t, { commandTimeout: 600_000 });
  const { sessions, app, proxy } = given;
  const { token } = await used(given);
  proxy.onReply = ({ bytes }) => (isNumber(bytes) ? undefined : bytes);
  assert.equal((await sessions.get({ app, token })).ownerId, 'ann');
  // It would wait for ten minutes.
  await sessions.close();
});
