'use strict';

// A shorter `refresh` of a sliding session: the next use extends the session, also right after another extension.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { forEachTarget, freshName } = require('./support/targets.js');
const { waitUntil } = require('./support/wait-until.js');

forEachTarget((_target, open) => {
  test('a use after a shorter refresh extends a sliding session, however recently it was extended', async () => {
    const { sessions } = open();
    const app = freshName();
    const token = await sessions.create({ app, ownerId: 'alice', duration: 6000, sliding: true });
    const endsAt = async () => (await sessions.info({ app, token })).expiresAt.getTime();
    const end = await endsAt();
    for (const round of ['first', 'second', 'third']) {
      assert.equal(await sessions.refresh({ app, token, duration: 60 }), true);
      assert.ok((await endsAt()) < end, `shortened a ${round} time`);
      assert.ok(await sessions.get({ app, token }));
      await waitUntil(async () => (await endsAt()) >= end, `the ${round} extension`);
    }
  });
});
