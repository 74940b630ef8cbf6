'use strict';

// Which clock the times of a session come from: that of the server, and on `memory:` one that does not jump.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { movableClock } = require('./support/clock.js');
const { faultyServer } = require('./support/faults.js');
const { sessionKey } = require('./support/keys.js');
const { runScript } = require('./support/scripts.js');
const { expiryOf, serverTime, slackOf } = require('./support/times.js');
const { waitUntil } = require('./support/wait-until.js');

const DAY = 86_400;
const ownerId = 'alice';

for (const [label, ahead] of [
  ['ahead', DAY],
  ['behind', -DAY],
]) {
  test(`createdAt, expiresAt, lifetime and extensions follow the clock of a server that is a day ${label}`, async (t) => {
    const clock = movableClock(t);
    if (!clock) return t.skip('no C compiler for a clock that can be moved');
    clock.set(ahead);
    const { open, app, redis } = await faultyServer(t, { env: clock.env });
    const [sessions, slack] = [open(), await slackOf(redis)];
    const begin = await serverTime(redis);
    assert.ok(Math.abs(begin - Date.now()) > (DAY / 2) * 1000, 'the clock was moved');
    const more = { duration: 600, sliding: true, lifetime: 900 };
    const token = await sessions.create({ app, ownerId, ...more });
    const created = await serverTime(redis);
    const { createdAt, expiresAt } = await sessions.info({ app, token });
    assert.ok(begin <= createdAt && createdAt <= created);
    assert.ok(Math.abs(expiresAt - createdAt - 600_000) <= slack);

    await sessions.refresh({ app, token, duration: 60 });
    const used = await serverTime(redis);
    await sessions.update({ app, token, data: { a: 1 } });
    const updated = await serverTime(redis);
    const [{ expiresAt: end }] = await sessions.list({ app, ownerId });
    assert.ok(used + 600_000 <= end && end <= updated + 600_000);

    // By the extension behind a get: of a session that may live so long, and of one whose lifetime ends before.
    for (const lifetime of [900, 500]) {
      const owner = { app, ownerId: `${ownerId}-${lifetime}` };
      const read = await sessions.create({ ...owner, ...more, lifetime });
      const { createdAt: since } = await sessions.info({ app, token: read });
      const key = sessionKey(app, owner.ownerId, read);
      await redis.pexpire(key, 60_000);
      const begun = await serverTime(redis);
      assert.ok(await sessions.get({ app, token: read }));
      const isExtended = async () => (await redis.pttl(key)) > 60_000;
      await waitUntil(isExtended, 'the extension behind the get');
      const done = await serverTime(redis);
      const until = await expiryOf(redis, key);
      const [least, most] = [begun, done].map((now) =>
        Math.min(now + 600_000, Number(since) + lifetime * 1000),
      );
      assert.ok(least - slack <= until && until <= most + slack, `${least} ${until} ${most}`);
    }

    await sessions.refresh({ app, token, duration: Infinity });
    const expiry = await expiryOf(redis, sessionKey(app, ownerId, token));
    assert.ok(Math.abs(expiry - createdAt - 900_000) <= slack);
    const info = await sessions.info({ app, token });
    assert.deepEqual(
      [info.createdAt, Math.abs(info.expiresAt - expiry) <= slack],
      [createdAt, true],
    );
  });
}

test('on memory: a wall clock that jumps moves no time of a session, and ends none', async (t) => {
  const clock = movableClock(t);
  if (!clock) return t.skip('no C compiler for a clock that can be moved');
  const code = `
    const fs = require('node:fs');
    const fd = fs.openSync(process.env.CLOCK_FILE, 'r+');
    const setClock = (seconds) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(BigInt(seconds));
      fs.writeSync(fd, bytes, 0, 8, 0);
    };
    const HOUR = 3600;
    const sessions = new SpotsSessions('memory:');
    const owner = { app: 'app', ownerId: 'alice' };
    const create = () => sessions.create({ ...owner, duration: 600 });
    (async () => {
      const token = await create();
      const old = await sessions.info({ app: 'app', token });
      const real = Date.now();
      for (const ahead of [HOUR, -HOUR, 24 * HOUR]) {
        setClock(ahead);
        const moved = Math.abs(Date.now() - real) > HOUR * 500;
        const same = await sessions.info({ app: 'app', token });
        const fresh = await sessions.info({ app: 'app', token: await create() });
        const passed = fresh.createdAt - old.createdAt;
        console.log(moved, +same.expiresAt === +old.expiresAt, passed >= 0 && passed < HOUR * 500);
      }
      console.log((await sessions.list(owner)).length);
    })();`;
  const end = await runScript(code, { env: clock.env });
  const stdout = `${'true true true\n'.repeat(3)}4\n`;
  assert.deepEqual(end, { code: 0, signal: null, stdout, stderr: '' });
});
