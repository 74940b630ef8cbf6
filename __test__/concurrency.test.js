'use strict';

// Thousands of calls at once on a few sessions. Only this suite folds a record under so many calls. It finds a fold
// that loses an update or an expiry, or that brings a killed session back. Only this suite finds a call that overtakes
// an earlier call of its instance: in the same batch, in the next batch, or before the first connection.

const assert = require('node:assert/strict');
const { describe, test, before } = require('node:test');
const fc = require('fast-check');
const { idOf, sessionKey } = require('./support/keys.js');
const { waitUntil } = require('./support/redis-server.js');
const { repeat, runScript } = require('./support/scripts.js');
const { forEachTarget, freshName, onRedis } = require('./support/targets.js');

const ROUNDS = 2000;
const AT_ONCE = 50;
const OWNER = 'alice';

/** A patch that makes the record long enough to be folded. */
const LONG_PATCH = { text: 'x'.repeat(5000) };

/** How long a record may be, for data of this length. */
const bound = (data) => Math.max(8192, 4 * JSON.stringify(data).length);

const times = (count, make) => Array.from({ length: count }, (_, n) => make(n));

onRedis((open, server) => {
  let sessions;
  let redis;
  before(() => {
    ({ sessions, redis } = open());
  });

  /** Nobody waits for a fold, so it may end a little after the updates. */
  const becomesShort = (key, data) =>
    waitUntil(async () => (await redis.strlen(key)) <= bound(data), 'a short record', 10_000);

  test('1,000 updates of one session from four processes at once are all kept', async () => {
    const app = freshName();
    const token = await sessions.create({ app, ownerId: OWNER, data: {}, duration: 600 });
    const code = `
      const sessions = new SpotsSessions(given.url);
      const calls = Array.from({ length: 250 }, (_, n) =>
        sessions.update({ app: given.app, token: given.token, data: { [given.name + n]: n } }));
      Promise.all(calls).then((answers) => console.log(answers.filter(Boolean).length));`;
    await Promise.all(
      ['a', 'b', 'c', 'd'].map(async (name) => {
        const given = { url: server().url, app, token, name };
        assert.equal((await runScript(code, { given })).stdout.trim(), '250');
      }),
    );
    const { data } = await sessions.get({ app, token });
    const expected = ['a', 'b', 'c', 'd'].flatMap((name) => times(250, (n) => [name + n, n]));
    // The order of the keys is open, because processes race.
    assert.deepEqual(data, Object.fromEntries(expected));
    const key = sessionKey(app, OWNER, token);
    await becomesShort(key, data);
    assert.deepEqual((await sessions.get({ app, token })).data, data);
  });

  test('up to 5,000 updates of one key at once leave the last value in a short record', async () => {
    const app = freshName();
    // Many sizes, because chance decides where folds happen between the updates.
    for (const size of [5000, ...times(15, (n) => 600 + 250 * n)]) {
      const token = await sessions.create({ app, ownerId: OWNER, data: { a: 1 }, duration: 600 });
      const patch = (n) => ({ app, token, data: { key: `value ${n}`, text: 'x'.repeat(50) } });
      const answers = await Promise.all(times(size, (n) => sessions.update(patch(n))));
      assert.ok(answers.every((answer) => answer === true));
      const { data } = await sessions.get({ app, token });
      assert.deepEqual(data, { a: 1, key: `value ${size - 1}`, text: 'x'.repeat(50) });
      const key = sessionKey(app, OWNER, token);
      await becomesShort(key, data);
      assert.deepEqual((await sessions.get({ app, token })).data, data);
      assert.ok((await redis.pttl(key)) > 0, 'folding keeps the expiry');
    }
  });

  test('no record comes back or loses its expiry while updates, folds and kills race', async () => {
    const app = freshName();
    const other = open().sessions;
    await repeat(ROUNDS, AT_ONCE, async (n) => {
      const token = await sessions.create({ app, ownerId: OWNER, data: {}, duration: 600 });
      const key = sessionKey(app, OWNER, token);
      // Its fold is in flight while the other calls race.
      if (n % 4 < 2) await sessions.update({ app, token, data: LONG_PATCH });
      const update = () => sessions.update({ app, token, data: { n } });
      const kill = () => other.kill({ app, token });
      const sample = () => redis.pttl(key);
      const [first, second] = n % 2 ? [update, kill] : [kill, update];
      const [ttls, answers] = await Promise.all([
        Promise.all(times(4, sample)),
        Promise.all([first(), second(), update()]),
      ]);
      assert.equal(answers[n % 2 ? 1 : 0], true, 'the kill found its session');
      for (const ttl of [...ttls, await sample()]) assert.notEqual(ttl, -1, 'without expiry');
      assert.equal(await sessions.get({ app, token }), undefined);
    });
    // Folds are done in the background, and end before calls that are made after them.
    for (let n = 0; n < 3; n++) await sessions.get({ app, token: 'the token of nobody' });
    assert.deepEqual(await redis.keys(`*${app}*`), []);
  });
});

forEachTarget((_target, open) => {
  let sessions;
  let app;
  before(() => {
    ({ sessions } = open());
    app = freshName();
  });
  const create = () => sessions.create({ app, ownerId: OWNER, data: { a: 1 }, duration: 600 });

  describe('calls that are made without waiting take effect in their order', () => {
    /** A call of one of three sessions. */
    const step = fc.record({
      method: fc.constantFrom(
        ...['get', 'get', 'get', 'update', 'update', 'update', 'update', 'refresh', 'info'],
        ...['kill', 'killById', 'rotate'],
      ),
      session: fc.nat(2),
      value: fc.nat(9),
    });

    test('any calls answer as they would if each were awaited', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 200 }), async (steps) => {
          const tokens = await Promise.all(times(3, () => create()));
          const model = tokens.map(() => ({ a: 1 }));
          const expected = steps.map((step) => expect(model, step));
          const answers = steps.map((step) => begin(tokens[step.session], step));
          assert.deepEqual(await Promise.all(answers), expected);
        }),
        { numRuns: 50 },
      );
    });

    /** Makes a call, and resolves to its answer; to a boolean if only `rotate` knows the answer. */
    async function begin(token, { method, value }) {
      if (method === 'update') return sessions.update({ app, token, data: { a: value } });
      if (method === 'refresh') return sessions.refresh({ app, token, duration: 600 });
      if (method === 'killById') return sessions.kill({ app, ownerId: OWNER, id: idOf(token) });
      if (method === 'rotate') return (await sessions.rotate({ app, token })) !== undefined;
      if (method !== 'info') return sessions[method]({ app, token });
      const found = await sessions.info({ app, token });
      return found && { ownerId: found.ownerId, data: found.data };
    }

    function expect(model, { method, session, value }) {
      const data = model[session];
      if (method === 'get' || method === 'info') return data && { ownerId: OWNER, data };
      if (data && method === 'update') model[session] = { a: value };
      if (['kill', 'killById', 'rotate'].includes(method)) model[session] = undefined;
      return data !== undefined;
    }

    test('across batches, the last of 1,000 updates wins, and each get sees the update before it', async () => {
      const token = await create();
      const calls = times(1000, (n) => [
        sessions.update({ app, token, data: { a: n } }),
        n % 7 === 0 && sessions.get({ app, token }).then(({ data }) => assert.equal(data.a, n)),
      ]);
      await Promise.all(calls.flat());
      assert.deepEqual((await sessions.get({ app, token })).data, { a: 999 });
    });
  });
});

onRedis((open, server) => {
  test('calls made before the server answers take effect in their order, too', async () => {
    const app = freshName();
    const { sessions } = open();
    for (let round = 0; round < 5; round++) {
      const token = await sessions.create({ app, ownerId: OWNER, data: {}, duration: 600 });
      server().kill('SIGSTOP');
      const calls = [];
      const early = open().sessions;
      try {
        for (let n = 0; n < 300; n++) {
          calls.push(early.update({ app, token, data: { n } }));
          if (n % 7) continue;
          calls.push(early.get({ app, token }).then(({ data }) => assert.equal(data.n, n)));
        }
        // Lets every batch reach the engine before there is a connection.
        await new Promise((resolve) => setImmediate(resolve));
      } finally {
        server().kill('SIGCONT');
      }
      await Promise.all(calls);
      assert.deepEqual((await sessions.get({ app, token })).data, { n: 299 });
    }
  });
});
