'use strict';

// One call of each operation, for the driver to repeat. A call that does not find its session fails.

const { duration, ownerOf, sessionOf, patchOf } = require('./payload');

/** The number of calls of each operation in 100 calls of the mix. */
const shares = { get: 90, refresh: 4, update: 3, create: 2, kill: 1 };

/** The order of the mix. It walks through the shares in steps of 37, which spreads the rare operations evenly. */
const mix = Object.entries(shares)
  .flatMap(([operation, share]) => Array(share).fill(operation))
  .map((_, index, sorted) => sorted[(index * 37) % 100]);

/**
 * @param {import('./peers/peer').Sessions} sessions
 * @param {object} live
 * @param {string[]} live.handles the calls use these in turn; only `kill` removes their sessions, and `rotate` replaces
 *   the handles
 * @param {string[]} live.spare the mix appends the sessions that it creates, and kills from the front
 * @param {number} live.count how many sessions there are
 * @param {number} live.perOwner how many of them each owner has
 * @param {string} size
 * @returns {Record<string, (index: number) => Promise<unknown>>}
 */
function operationsOn(sessions, { handles, spare, count, perOwner }, size) {
  const handle = (index) => handles[index % handles.length];
  const operations = {
    async get(index) {
      if ((await sessions.get(handle(index))) == null) throw missing();
    },
    create: (index) => sessions.create(sessionOf(size, index)),
    update: (index) => sessions.update(handle(index), patchOf(index)).then(found),
    refresh: (index) => sessions.refresh(handle(index), duration).then(found),
    kill: (index) => sessions.kill(handles[index]).then(found),
    async rotate(index) {
      const rotated = await sessions.rotate(handle(index));
      if (rotated === undefined) throw missing();
      handles[index % handles.length] = rotated;
    },
    async list(index) {
      const listed = await sessions.list(ownerOf((index * perOwner) % count, perOwner));
      if (listed.length !== perOwner) throw missing();
    },
    mix: (index) => ofMix[mix[index % mix.length]](index),
  };
  const ofMix = {
    ...operations,
    create: (index) => operations.create(index).then((handle) => spare.push(handle)),
    kill: () => sessions.kill(spare.shift()).then(found),
  };
  return operations;
}

/** @param {unknown} done `undefined` if the peer does not report it */
function found(done) {
  if (done === false || done === 0) throw missing();
}

function missing() {
  return new Error('the peer did not find a session that it had created');
}

/**
 * Calls every operation that a peer has and compares the answers with the expected data, so that no peer gets into the
 * table with fast but wrong answers.
 *
 * @param {import('./peers/peer').Sessions} sessions
 * @param {string} size
 */
async function check(sessions, size) {
  const { data, ownerId, ...rest } = sessionOf(size, 1);
  const handle = await sessions.create({ data, ownerId, ...rest });
  const shows = async (expected) => same(await sessions.get(handle), expected);
  await shows({ ownerId, data });
  if (sessions.update) {
    const { firstName: _, ...kept } = data;
    await sessions.update(handle, { ...patchOf(2), firstName: null });
    await shows({ ownerId, data: { ...kept, ...patchOf(2) } });
  }
  await sessions.refresh?.(handle, duration);
  if (sessions.kill) {
    await sessions.kill(handle);
    same(await sessions.get(handle), undefined);
  }
}

/** @param {unknown} given @param {unknown} expected */
function same(given, expected) {
  if (JSON.stringify(given) !== JSON.stringify(expected)) {
    throw new Error('the peer returned other data than it had stored');
  }
}

module.exports = { operationsOn, check, same };
