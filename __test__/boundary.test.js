'use strict';

// The boundary between JavaScript and the engine, crossed by batches in both directions: every call
// gets its own answer, in its turn, whatever its neighbours do.

const assert = require('node:assert/strict');
const { createHash } = require('node:crypto');
const { describe, test, before, mock } = require('node:test');
const { sessionKey } = require('./support/keys.js');
const { runScript } = require('./support/scripts.js');
const { forEachTarget, freshName, onRedis } = require('./support/targets.js');
const { waitUntil } = require('./support/wait-until.js');

const OWNER = 'alice';
const times = (count, make) => Array.from({ length: count }, (_, n) => make(n));
const hash = (text) => createHash('sha256').update(text).digest('hex');

/** A well-formed token that opens no session. */
const strangeToken = (n) => Buffer.from(`${n}`.padStart(128, '-')).toString('base64');

/**
 * How far calls were overtaken: the largest distance, in the order in which they were made, between
 * a call and a later one that settled before it.
 *
 * @param {number[]} order the numbers of the calls in the order in which they settled
 */
function worstOvertaking(order) {
  let last = -1;
  let worst = 0;
  for (const call of order) {
    worst = Math.max(worst, last - call);
    last = Math.max(last, call);
  }
  return worst;
}

forEachTarget((_target, open) => {
  let sessions;
  let redis;
  let app;
  before(() => {
    ({ sessions, redis } = open({ maxDataSize: 2 ** 26 }));
    app = freshName();
  });
  const create = (data, ownerId = OWNER) => sessions.create({ app, ownerId, data, duration: 600 });

  test('each of 100,000 gets at once has its own answer, rejections among them', async () => {
    const good = await Promise.all(times(2000, () => create({})));
    await Promise.all(
      good.map((token, n) => {
        const data = { hash: hash(token), pad: 'x'.repeat(n % 300) };
        return sessions.update({ app, token, data });
      }),
    );
    const corrupt = redis ? await Promise.all(times(50, () => create({}))) : [];
    for (const token of corrupt)
      await redis.set(sessionKey(app, OWNER, token), `${token} {"broken`);

    // Computed before, so that the calls are really made at once.
    const hashes = good.map(hash);
    const check = {
      good: (n) =>
        sessions.get({ app, token: good[n] }).then((session) => {
          assert.equal(session.data.hash, hashes[n]);
        }),
      strange: (n) =>
        sessions.get({ app, token: strangeToken(n) }).then((session) => {
          assert.equal(session, undefined);
        }),
      corrupt: (token) =>
        sessions.get({ app, token }).then(assert.fail, (error) => {
          assert.equal(error.code, 'ERR_SESSIONS_CORRUPT');
        }),
      invalid: (n) =>
        sessions.refresh({ app, token: good[0], duration: -n }).then(assert.fail, (error) => {
          assert.equal(error.code, 'ERR_OUT_OF_RANGE');
          assert.ok(error.message.endsWith(`got ${-n}`), error.message);
        }),
    };
    const calls = times(100_000, (n) => {
      if (n % 97 === 0) return check.invalid(n);
      if (n % 31 === 0) return check.strange(n);
      if (n % 29 === 0 && redis) return check.corrupt(corrupt[n % corrupt.length]);
      return check.good((n * 7919) % good.length);
    });
    await Promise.all(calls);
  });

  test('answers of all kinds are not mixed up, in one batch and across batches', async () => {
    const kinds = [
      async (n) => {
        const token = await create({ n });
        assert.equal((await sessions.get({ app, token })).data.n, n);
      },
      async (n) => {
        const ownerId = `owner ${n}`;
        const token = await create({ n }, ownerId);
        assert.deepEqual(await sessions.get({ app, token }), { ownerId, data: { n } });
        assert.equal(await sessions.killAll({ app, ownerId }), true);
        assert.equal(await sessions.killAll({ app, ownerId }), false);
        assert.equal(await sessions.get({ app, token }), undefined);
      },
      async (n) => {
        const token = strangeToken(n);
        assert.equal(await sessions.refresh({ app, token, duration: 1 }), false);
        assert.equal(await sessions.update({ app, token, data: { n } }), false);
        assert.equal(await sessions.kill({ app, token }), false);
      },
      async (n) => {
        const token = await create({ text: 'x'.repeat(n), a: 0 });
        const changes = [
          sessions.update({ app, token, data: { a: n } }),
          sessions.refresh({ app, token, duration: 600 }),
        ];
        assert.deepEqual(await Promise.all(changes), [true, true]);
        const { data } = await sessions.get({ app, token });
        assert.deepEqual(data, { text: 'x'.repeat(n), a: n });
        assert.equal(await sessions.kill({ app, token }), true);
      },
      (n) => assert.rejects(create({}, Symbol(n)), { code: 'ERR_INVALID_ARG_TYPE' }),
    ];
    await Promise.all(times(5000, (n) => kinds[n % kinds.length](n)));
  });

  test('calls beyond maxPending are rejected at once, and those before all settle', async () => {
    const { sessions: narrow } = open({ maxPending: 100 });
    const ownerId = OWNER;
    const tokens = await Promise.all(
      times(100, (n) => narrow.create({ app, ownerId, data: { n } })),
    );
    for (let round = 0; round < 3; round++) {
      const settled = [];
      const calls = times(1000, async (n) => {
        try {
          const { data } = await narrow.get({ app, token: tokens[n % 100] });
          settled.push('answer');
          return data.n;
        } catch (error) {
          settled.push(error.code);
          return error;
        }
      });
      const results = await Promise.all(calls);
      assert.deepEqual(
        results.slice(0, 100),
        times(100, (n) => n),
      );
      for (const error of results.slice(100)) {
        assert.equal(error.name, 'SpotsSessionsError');
        assert.equal(error.code, 'ERR_SESSIONS_OVERLOADED');
        assert.match(error.message, /100 calls are pending .*maxPending/);
      }
      const rejectedFirst = [
        ...Array(900).fill('ERR_SESSIONS_OVERLOADED'),
        ...Array(100).fill('answer'),
      ];
      assert.deepEqual(settled, rejectedFirst);
    }
  });

  describe('fairness', () => {
    test('none of 10,000 calls is overtaken by more than the batches around it', async () => {
      const tokens = await Promise.all(times(100, (n) => create({ n })));
      const order = [];
      const methods = ['get', 'update', 'refresh', 'get'];
      const calls = times(10_000, async (n) => {
        const request = { app, token: tokens[n % 100], data: { n }, duration: 600 };
        await sessions[methods[n % 4]](request);
        order.push(n);
      });
      await Promise.all(calls);
      assert.ok(worstOvertaking(order) < 500, `overtaken by ${worstOvertaking(order)}`);
    });

    test('a killAll of thousands of sessions, in several steps, does not hold up other calls', async () => {
      const ownerId = 'an owner of thousands';
      await Promise.all(times(2500, () => create({}, ownerId)));
      const token = await create({});
      const order = [];
      const calls = times(10_000, async (n) => {
        if (n === 5000) return assert.equal(await sessions.killAll({ app, ownerId }), true);
        await sessions.get({ app, token });
        order.push(n);
      });
      await Promise.all(calls);
      assert.ok(worstOvertaking(order) < 500, `overtaken by ${worstOvertaking(order)}`);
    });

    test('the event loop turns while many answers arrive', async () => {
      const token = await create({ text: 'x'.repeat(2000) });
      let pending = 10_000;
      let inThisTurn = 0;
      let mostInOneTurn = 0;
      const turn = () => {
        mostInOneTurn = Math.max(mostInOneTurn, inThisTurn);
        inThisTurn = 0;
        if (pending > 0) setImmediate(turn);
      };
      setImmediate(turn);
      const one = () =>
        sessions.get({ app, token }).then(() => {
          inThisTurn++;
          pending--;
        });
      await Promise.all(times(pending, one));
      // At most about 1 MiB of their 20 MiB.
      assert.ok(mostInOneTurn <= 500, `${mostInOneTurn} of 10,000 in one turn`);
    });
  });

  test('fake timers do not stop calls', async () => {
    const { sessions: early } = open();
    mock.timers.enable({ apis: ['setImmediate', 'setInterval', 'setTimeout', 'Date'] });
    try {
      const { sessions: late } = open();
      for (const instance of [early, late]) {
        const token = await instance.create({ app, ownerId: OWNER, data: { a: 1 }, duration: 600 });
        const calls = times(200, () => instance.get({ app, token }));
        for (const { data } of await Promise.all(calls)) assert.deepEqual(data, { a: 1 });
        await instance.close();
      }
    } finally {
      mock.timers.reset();
    }
  });

  test('a call that was answered while the event loop was blocked does not time out', async () => {
    const { sessions: hasty } = open({ commandTimeout: 1000 });
    const create = () =>
      hasty.create({ app, ownerId: OWNER, data: { a: 1 }, duration: 600 }).catch(() => undefined);
    const token = await waitUntil(create, 'a connection');
    // Full batches, which are in flight during the block, and one that is not full.
    const calls = times(100, () => hasty.get({ app, token }));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2000);
    for (const { data } of await Promise.all(calls)) assert.deepEqual(data, { a: 1 });
  });

  test('small data and data of 1 and 16 MiB cross beside each other', async () => {
    const sizes = [10, 2 ** 20, 10, 2 ** 24, 10, 2 ** 20, 10];
    const text = (size, n) => String.fromCharCode(97 + n).repeat(size);
    const tokens = await Promise.all(sizes.map((size, n) => create({ text: text(size, n) })));
    const gets = tokens.map(async (token, n) => {
      const { data } = await sessions.get({ app, token });
      assert.ok(data.text === text(sizes[n], n), `${sizes[n]} characters came back changed`);
    });
    const updates = tokens.map((token) => sessions.update({ app, token, data: { small: true } }));
    await Promise.all([...gets, ...updates]);
    for (const [n, token] of tokens.entries()) {
      const { data } = await sessions.get({ app, token });
      assert.ok(data.text === text(sizes[n], n) && data.small === true);
      assert.equal(await sessions.kill({ app, token }), true);
    }
  });
});

onRedis((open, server) => {
  test('gets of four processes at once stay with their own callers', async () => {
    const app = freshName();
    const { sessions } = open({ maxDataSize: 2 ** 26 });
    const tokens = await Promise.all(
      times(100, (n) => sessions.create({ app, ownerId: OWNER, data: { n } })),
    );
    const code = `
      const sessions = new SpotsSessions(given.url);
      const { app, tokens } = given;
      const calls = Array.from({ length: 5000 }, (_, i) => sessions
        .get({ app, token: tokens[(i * given.step) % 100] })
        .then(({ data }) => data.n === (i * given.step) % 100));
      Promise.all(calls).then((right) => console.log(right.filter(Boolean).length));`;
    await Promise.all(
      [1, 3, 7, 9].map(async (step) => {
        const { stdout } = await runScript(code, {
          given: { url: server().url, app, tokens, step },
        });
        assert.equal(stdout.trim(), '5000');
      }),
    );
  });
});
