'use strict';

const assert = require('node:assert/strict');

/**
 * Calls every method for one owner, in each of its forms, and asserts what it resolves to. Leaves nothing behind.
 *
 * @param {import('../../index.js').SpotsSessions} sessions
 * @param {string} app
 * @param {string} [ownerId]
 * @param {{ ping?: boolean }} [options] whether to call `ping`, too
 */
async function callEveryMethod(sessions, app, ownerId = 'ann', { ping = true } = {}) {
  const owner = { app, ownerId };
  const limits = { duration: 600, sliding: true, lifetime: 3600, maxSessions: 3 };
  const create = (n) => sessions.create({ ...owner, ...limits, data: { n } });
  const get = (token) => sessions.get({ app, token });
  const [first, second, third] = [await create(1), await create(2), await create(3)];

  assert.equal(await sessions.update({ app, token: first, data: { more: true } }), true);
  assert.equal(await sessions.refresh({ app, token: first, duration: 1200 }), true);
  assert.deepEqual(await get(first), { ownerId, data: { n: 1, more: true } });
  const { id, data, ownerId: named } = await sessions.info({ app, token: second });
  assert.deepEqual([named, data], [ownerId, { n: 2 }]);
  const listed = await sessions.list({ ...owner, token: second });
  assert.deepEqual(listed.map(({ data }) => data.n).sort(), [1, 2, 3]);
  assert.equal(listed.find(({ current }) => current).id, id);

  assert.equal(await sessions.kill({ ...owner, id }), true);
  assert.equal(await get(second), undefined);
  const rotated = await sessions.rotate({ app, token: first });
  assert.equal(await get(first), undefined);
  assert.equal(await sessions.killAll({ ...owner, except: rotated }), true);
  assert.equal(await get(third), undefined);
  assert.deepEqual((await get(rotated)).data, { n: 1, more: true });
  assert.equal(await sessions.kill({ app, token: rotated }), true);

  // The fourth ends one of the others.
  const tokens = [];
  for (const n of [1, 2, 3, 4]) tokens.push(await create(n));
  const left = (await sessions.list(owner)).map(({ data }) => data.n);
  assert.equal(left.length, 3);
  assert.ok(left.includes(4));
  assert.equal(await sessions.killAll(owner), true);
  for (const token of tokens) assert.equal(await get(token), undefined);
  if (ping) await sessions.ping();
}

module.exports = { callEveryMethod };
