'use strict';

// Which thread works on a large record. The I/O thread serves all instances of the process, so other
// threads do long work. Measured in processor time of threads, which a busy machine does not change.

const assert = require('node:assert/strict');
const { existsSync, readdirSync, readFileSync } = require('node:fs');
const { test } = require('node:test');
const { sessionKey } = require('./support/keys.js');
const { freshName, onRedis } = require('./support/targets.js');
const { waitUntil } = require('./support/wait-until.js');

const MIB = 2 ** 20;
const OWNER = 'ann';

/** The names of the I/O thread, and of tokio's threads for long work. */
const IO = 'spots-sessions';
const POOL = 'tokio-rt-worker';

const read = (id, name) => readFileSync(`/proc/self/task/${id}/${name}`, 'utf8');
const hasTimes = existsSync('/proc/self/schedstat') && !/^0 /.test(read(process.pid, 'schedstat'));
const skip = hasTimes ? false : 'only Linux shows the time of a thread';

const testTimes = (name, run) => test(skip ? `${name} (skipped: ${skip})` : name, { skip }, run);

/** The processor time that each thread has used, in ms, by its id. */
function threadTimes() {
  const times = new Map();
  for (const id of readdirSync('/proc/self/task')) {
    try {
      const used = Number(read(id, 'schedstat').split(' ')[0]) / 1e6;
      times.set(id, { name: read(id, 'comm').trim(), used });
    } catch (error) {
      // The thread has ended. Those of the pool end after ten idle seconds.
      if (!['ENOENT', 'ESRCH'].includes(error.code)) throw error;
    }
  }
  return times;
}

/** Asserts that threads of the pool do the long work, and not the I/O thread. */
async function assertDoneElsewhere(act) {
  const before = threadTimes();
  await act();
  const used = { [IO]: 0, [POOL]: 0 };
  for (const [id, thread] of threadTimes())
    if (thread.name in used) used[thread.name] += thread.used - (before.get(id)?.used ?? 0);
  const all = `${used[IO]} ms of the I/O thread, ${used[POOL]} ms of others`;
  assert.ok(used[IO] > 0, `it reads and writes: ${all}`);
  assert.ok(used[POOL] > 2 * used[IO], all);
}

/** Compares the data as text, because comparing so many keys takes seconds. */
function assertHolds(session, data) {
  assert.equal(session.ownerId, OWNER);
  assert.ok(JSON.stringify(session.data) === JSON.stringify(data), 'it holds other data');
}

onRedis((open) => {
  /** A record of 12 MiB, half of it a patch. Reading it takes longer than moving its bytes. */
  const begin = async (maxDataSize) => {
    const { sessions, redis } = open({ maxDataSize, commandTimeout: 60_000 });
    const app = freshName();
    const data = {};
    for (let n = 0; n < (6 * MIB) / 24; n++) data[`key ${n}`.padEnd(12, '.')] = 'value';
    const token = await sessions.create({ app, ownerId: OWNER, duration: 600 });
    const key = sessionKey(app, OWNER, token);
    const text = JSON.stringify(data);
    await redis.set(key, `{"createdAt":1}\n"${OWNER}"\n${text}\n${text}`, 'KEEPTTL');
    const about = async () => JSON.parse((await redis.getrange(key, 0, 199)).split('\n')[0]);
    return { sessions, app, token, data, about };
  };

  testTimes('R90 a get of a large record is answered by a thread of its own', async () => {
    const { sessions, app, token, data } = await begin(64 * MIB);
    let found;
    await assertDoneElsewhere(async () => {
      found = await sessions.get({ app, token });
    });
    assertHolds(found, data);
  });

  testTimes('R90 a large record is folded in the background by a thread of its own', async () => {
    const { sessions, app, token, data, about } = await begin(64 * MIB);
    await assertDoneElsewhere(async () => {
      assert.equal(await sessions.update({ app, token, data: { one: 1 } }), true);
      await waitUntil(async () => (await about()).folds === 1, 'a fold');
    });
    assertHolds(await sessions.get({ app, token }), { ...data, one: 1 });
  });

  testTimes(
    'R90 a large record that is full is folded before an update by a thread of its own',
    async () => {
      const { sessions, app, token, data, about } = await begin(5 * MIB);
      await assertDoneElsewhere(async () => {
        assert.equal(await sessions.update({ app, token, data: { one: 1 } }), true);
      });
      assert.equal((await about()).folds, 1);
      assertHolds(await sessions.get({ app, token }), { ...data, one: 1 });
    },
  );
});
