'use strict';

// An extension of sliding sessions that is in flight when its primary dies.

const assert = require('node:assert/strict');
const { sessionKey } = require('./keys.js');
const { hasReplicated } = require('./replicated.js');
const { waitUntil } = require('./wait-until.js');

const OWNERS = 100;

/**
 * Fails unless the sessions of a primary that dies are extended on the one that takes over.
 *
 * @param {import('../../index.js').SpotsSessions} sessions which wait longer than a failover takes
 * @param {string} app
 * @param {import('ioredis').Redis} old the primary that dies
 * @param {() => Promise<import('ioredis').Redis>} failOver ends it, and resolves to the one that takes over
 */
async function assertExtensionSurvives(sessions, app, old, failOver) {
  const create = async (_, n) => {
    const owner = { app, ownerId: `owner-${n}` };
    const token = await sessions.create({ ...owner, duration: 600, sliding: true });
    return { token, key: sessionKey(app, owner.ownerId, token) };
  };
  const all = await Promise.all(Array.from({ length: OWNERS }, create));
  const held = new Set(await old.keys('*'));
  const lying = all.filter(({ key }) => held.has(key));
  assert.ok(lying.length > 2, `${lying.length} sessions lie on the primary`);
  await Promise.all(lying.map(({ key }) => old.pexpire(key, 300_000)));
  await hasReplicated(old);

  // The old primary answers each get, and no script behind it.
  await old.client('PAUSE', 600_000, 'WRITE');
  const read = () => Promise.all(lying.map(({ token }) => sessions.get({ app, token })));
  const first = read();
  const isInFlight = async () => / cmd=eval/.test(String(await old.client('LIST')));
  await waitUntil(isInFlight, 'an extension to be sent');
  const now = await failOver();
  assert.ok((await first).every(Boolean));

  const extended = async () => {
    const left = await Promise.all(lying.map(({ key }) => now.pttl(key)));
    return left.filter((ms) => ms > 500_000).length;
  };
  await waitUntil(async () => (await extended()) > 0, 'the extension to be sent again');
  const areExtended = async () => {
    assert.ok((await read()).every(Boolean));
    return (await extended()) === lying.length;
  };
  await waitUntil(areExtended, 'all sessions to be extended');
}

module.exports = { assertExtensionSurvives };
