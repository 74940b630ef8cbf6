'use strict';

// `sliding`: each get and each update lets a session live its duration from then on. The tests shorten a session's life by
// `refresh`, so that the next use must extend it, and compare what the server says. sliding.test.js has the commands.

const assert = require('node:assert/strict');
const { before, describe, test } = require('node:test');
const { idOf } = require('./support/keys.js');
const { forEachTarget, freshName } = require('./support/targets.js');
const { waitUntil } = require('./support/wait-until.js');

const ownerId = 'alice';
const DURATION = 600;
const SHORT = 60;
/** By how much an extension after a refresh to SHORT moves the end at least, in ms. */
const GAIN = (DURATION - SHORT) * 1000;

forEachTarget((_target, open) => {
  let sessions;
  before(() => {
    ({ sessions } = open());
  });

  const create = (app, more = {}) =>
    sessions.create({ app, ownerId, data: {}, duration: DURATION, sliding: true, ...more });
  /** When a session ends, in ms. */
  async function endOf(app, token) {
    const { id, expiresAt } = (await sessions.list({ app, ownerId, token })).find(
      ({ current }) => current,
    );
    assert.equal(id, idOf(token));
    return expiresAt?.getTime() ?? Infinity;
  }
  /** A session whose next use must extend it, if it slides. */
  async function shortened(app, more) {
    const token = await create(app, more);
    await sessions.refresh({ app, token, duration: SHORT });
    return { token, end: await endOf(app, token) };
  }
  const extended = (app, { token, end }) =>
    waitUntil(async () => (await endOf(app, token)) >= end + GAIN, 'the session to be extended');
  /** Reads sessions, and resolves when the extension of a session that was read with them has been carried out. */
  async function readAndWait(app, tokens) {
    const witness = await shortened(app);
    await Promise.all([...tokens, witness.token].map((token) => sessions.get({ app, token })));
    await extended(app, witness);
  }

  describe('a sliding session', () => {
    test('lives its duration from each get on, whatever refresh has set', async () => {
      const app = freshName();
      const session = await shortened(app);
      await sessions.get({ app, token: session.token });
      await extended(app, session);
      for (const duration of [SHORT, 6000, SHORT / 2]) {
        await sessions.refresh({ app, token: session.token, duration });
      }
      const again = { ...session, end: await endOf(app, session.token) };
      assert.ok(again.end < session.end + GAIN);
      await waitUntil(async () => {
        await sessions.get({ app, token: again.token });
        return (await endOf(app, again.token)) >= again.end + GAIN;
      }, 'a later get to extend it again');
    });

    test('lives its duration from each update on', async () => {
      const app = freshName();
      const { token, end } = await shortened(app);
      assert.equal(await sessions.update({ app, token, data: { a: 1 } }), true);
      assert.ok((await endOf(app, token)) >= end + GAIN);
      await sessions.refresh({ app, token, duration: SHORT });
      const again = await endOf(app, token);
      await sessions.update({ app, token, data: {} });
      assert.ok((await endOf(app, token)) >= again + GAIN);
    });

    test('is extended by an update that meets a full record, and slides on', async () => {
      const { sessions: small } = open({ maxDataSize: 1024 });
      const app = freshName();
      const fill = (letter) => ({ data: { text: letter.repeat(900) } });
      const token = await small.create({
        app,
        ownerId,
        ...fill('a'),
        duration: DURATION,
        sliding: true,
      });
      const end = async () => (await small.list({ app, ownerId }))[0].expiresAt.getTime();
      // The record has room for one of them, so every second one meets a full record.
      for (const letter of 'bcdef') {
        await small.refresh({ app, token, duration: SHORT });
        const old = await end();
        assert.equal(await small.update({ app, token, ...fill(letter) }), true);
        await waitUntil(async () => (await end()) >= old + GAIN, 'the update to extend it');
      }
      assert.deepEqual((await small.get({ app, token })).data, fill('f').data);
    });

    test('is not shortened by a use after a longer refresh', async () => {
      const app = freshName();
      for (const duration of [6000, Infinity]) {
        const token = await create(app);
        await sessions.refresh({ app, token, duration });
        const end = await endOf(app, token);
        await readAndWait(app, [token]);
        await sessions.update({ app, token, data: { a: 1 } });
        assert.equal(await endOf(app, token), end);
      }
    });

    test('does not slide if it never expires', async () => {
      const app = freshName();
      const token = await create(app, { duration: Infinity });
      await readAndWait(app, [token]);
      await sessions.update({ app, token, data: { a: 1 } });
      assert.equal(await endOf(app, token), Infinity);
      // There is no duration for which a use could let it live.
      await sessions.refresh({ app, token, duration: SHORT });
      const end = await endOf(app, token);
      await readAndWait(app, [token]);
      await sessions.update({ app, token, data: { a: 2 } });
      assert.equal(await endOf(app, token), end);
    });

    test('slides on after it was rotated, and the old token extends nothing', async () => {
      const app = freshName();
      const { token, end } = await shortened(app);
      const fresh = await sessions.rotate({ app, token });
      await readAndWait(app, [token]);
      assert.equal(await endOf(app, fresh), end);
      await sessions.get({ app, token: fresh });
      await extended(app, { token: fresh, end });
    });

    test('ends if it is not used, and lives on if it is', async () => {
      const app = freshName();
      // On a slow machine a use may come too late.
      for (let duration = 0.2, survives = false; !survives; duration *= 2) {
        assert.ok(duration < 60, 'a session that is used ends');
        const [used, unused] = await Promise.all([
          create(app, { duration }),
          create(app, { duration }),
        ]);
        const { createdAt } = (await sessions.info({ app, token: used })) ?? {};
        const isOver = async () => {
          await sessions.get({ app, token: used });
          const witness = await create(app);
          const now = (await sessions.info({ app, token: witness })).createdAt;
          await sessions.kill({ app, token: witness });
          return createdAt === undefined || now - createdAt > 3000 * duration;
        };
        await waitUntil(isOver, 'three times the duration to pass', 240_000);
        assert.equal(await sessions.get({ app, token: unused }), undefined);
        survives = (await sessions.get({ app, token: used })) !== undefined;
      }
    });
  });

  describe('a session that does not slide', () => {
    for (const [label, more] of [
      ['by default', { sliding: undefined }],
      ['with sliding: false', { sliding: false }],
      ['with a lifetime alone', { sliding: undefined, lifetime: 6000 }],
    ]) {
      test(`keeps its end when it is used: ${label}`, async () => {
        const app = freshName();
        const { token, end } = await shortened(app, more);
        await readAndWait(app, [token]);
        await sessions.update({ app, token, data: { a: 1 } });
        assert.equal(await endOf(app, token), end);
      });
    }
  });

  describe('the option sliding', () => {
    test('is the default of create, and create can say otherwise', async () => {
      const { sessions: other } = open({ sliding: true, defaultDuration: DURATION });
      const rows = [
        [undefined, true],
        [true, true],
        [false, false],
      ];
      for (const [sliding, slides] of rows) {
        const app = freshName();
        const token = await other.create({ app, ownerId, sliding });
        await other.refresh({ app, token, duration: SHORT });
        const [{ expiresAt: old }] = await other.list({ app, ownerId });
        await other.update({ app, token, data: {} });
        const [{ expiresAt }] = await other.list({ app, ownerId });
        assert.equal(expiresAt - old >= GAIN, slides, `sliding: ${sliding}`);
      }
    });
  });
});
