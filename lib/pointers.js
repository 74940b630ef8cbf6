'use strict';

// Completes calls on sessions whose token was not made for their owner. Such a session lies on the route of its token, and
// a pointer to it on its owner's route, so a call on both takes several steps, each atomic on one slot. The engine answers
// the first step with an object if more steps are needed. Decision 19 says which step must come first, and why.
//
// A pointer is a text: the public id of the session, 28 characters, and the nonce of its record.

const { encode } = require('./boundary.js');
const { SpotsSessionsError } = require('./errors.js');
const { LETTERS } = require('./letters.js');

/** @typedef {import('./boundary.js').Boundary} Boundary */
/**
 * A session as the engine describes it. The nonce of one whose token was not made for its owner is internal.
 *
 * @typedef {{ id: string, data: object, createdAt: number, expiresAt: number | null, nonce?: string,
 *   current: boolean }} Listed
 */

/** How long the public id of such a session is. That of others is shorter. */
const ID_LENGTH = 28;

/** How many sessions of an owner are read or ended at once. */
const MAX_PARALLEL_CALLS = 50;

/** How many bytes the records of a list may have, as in src/operation/list.rs. */
const MAX_LIST_BYTES = 16 * 1024 * 1024;

/**
 * Makes a pointer, or lets it be kept longer.
 *
 * @param {Boundary} boundary
 * @param {string} app as a field
 * @param {string} owner the owner as JSON, or the owner's hash
 * @param {string[]} pointer the token and the nonce, or nothing and the pointer, as fields
 * @param {string} until when it is kept, in milliseconds since 1970; empty: for twice `ms`
 * @param {number} ms the duration of the session; 0: it never expires
 * @returns {Promise<string | undefined>} until when it is kept; undefined if no session can have the token
 */
function point(boundary, app, owner, pointer, until, ms) {
  return boundary.send(LETTERS.point, [app, owner, ...pointer, until, ms].join('\n'));
}

/**
 * Completes a `refresh`: lengthens the pointer, then the session.
 *
 * @param {Boundary} boundary
 * @param {string} address app and token, as fields
 * @param {number} ms
 * @param {{ owner: string, pointer: string }} needed
 * @returns {Promise<boolean>}
 */
async function completeRefresh(boundary, address, ms, needed) {
  const [app] = address.split('\n');
  const until = await point(boundary, app, needed.owner, ['', needed.pointer], '', ms);
  const nonce = needed.pointer.slice(ID_LENGTH);
  const done = await boundary.send(LETTERS.refreshPointed, `${address}\n${ms}\n${nonce}\n${until}`);
  // If another call has given the session another owner meanwhile, it has another pointer.
  return typeof done === 'boolean' ? done : completeRefresh(boundary, address, ms, done);
}

/**
 * Completes a `rotate`: makes a pointer to the new id, then moves the session.
 *
 * @param {Boundary} boundary
 * @param {string} address app and token, as fields
 * @param {{ token: string, pointer: string, owner: string, nonce: string, until: string }} half
 * @returns {Promise<string | undefined>}
 */
async function completeRotate(boundary, address, half) {
  const { token, pointer, owner, nonce, until } = half;
  const [app] = address.split('\n');
  const pointed = () => owner !== '' && point(boundary, app, owner, ['', pointer], until, 0);
  await pointed();
  if (
    await boundary.send(
      LETTERS.rotatePointed,
      `${address}\n${encode(token)}\n${owner}\n${nonce}\n${until}`,
    )
  ) {
    await pointed();
    return token;
  }
  // The session has ended, or another call has given it another owner or lengthened its pointer meanwhile.
  const again = await boundary.send(LETTERS.rotate, address);
  return again === undefined ? undefined : completeRotate(boundary, address, again);
}

/**
 * Lists sessions of an owner.
 *
 * @param {Boundary} boundary
 * @param {string} appAndOwner app and owner, as fields
 * @param {string} token of the current session, as a field
 * @param {number} limit
 * @returns {Promise<Listed[]>}
 */
async function list(boundary, appAndOwner, token, limit) {
  const answer = await boundary.sendForLong(LETTERS.list, `${appAndOwner}\n${token}\n${limit}`);
  return Array.isArray(answer) ? answer : completeList(boundary, appAndOwner, limit, answer);
}

/**
 * Completes a `list`: reads the sessions that the pointers name.
 *
 * @param {Boundary} boundary
 * @param {string} appAndOwner
 * @param {number} limit
 * @param {{ sessions: Listed[], pointers: string[] | null, current: string }} half `pointers`: null while the owner's slot
 *   moves to another node. Only a call about them alone follows them there.
 * @returns {Promise<Listed[]>}
 */
async function completeList(boundary, appAndOwner, limit, { sessions, pointers, current }) {
  const named = pointers ?? (await lastPointers(boundary, appAndOwner, limit));
  const all = [...sessions];
  const seen = new Set();
  let bytes = 0;
  const read = async (pointers) => {
    const ids = new Set(pointers.map((pointer) => pointer.slice(0, ID_LENGTH)));
    const unseen = [...ids].filter((id) => !seen.has(id));
    for (let n = 0; n < unseen.length; n += MAX_PARALLEL_CALLS) {
      const some = unseen.slice(n, n + MAX_PARALLEL_CALLS);
      const asked = some.map((id) => boundary.send(LETTERS.peek, `${appAndOwner}\n${id}`));
      for (const id of some) seen.add(id);
      for (const session of await Promise.all(asked)) {
        if (session === undefined) continue;
        const { id, data, createdAt, expiresAt, nonce } = session;
        bytes += JSON.stringify(data).length;
        if (bytes > MAX_LIST_BYTES) throw listTooLarge();
        const isCurrent = current !== '' && id.startsWith(current);
        all.push({ id, data, createdAt, expiresAt, nonce, current: isCurrent });
      }
    }
  };
  await read(named);
  // Some of these were left of sessions that have ended. Others may name sessions that live.
  if (named.length === limit && all.length < limit)
    for await (const page of readPointers(boundary, appAndOwner)) await read(page);
  const end = (session) => session.expiresAt ?? Number.POSITIVE_INFINITY;
  all.sort((one, other) => compare(end(other), end(one)) || compare(other.id, one.id));
  const kept = all.slice(0, limit);
  return kept.sort(
    (one, other) => compare(other.createdAt, one.createdAt) || compare(one.id, other.id),
  );
}

/**
 * Completes a `killAll`: ends the sessions that the owner's pointers name. A rotation may move a session from an id that was
 * not looked up yet to one that was, or its pointer to a page that was read. So if a session was not where its pointer says,
 * or there are several pages, the pointers are read again, until no session was found and no such pointer is new.
 *
 * @param {Boundary} boundary
 * @param {string} appAndOwner app and owner, as fields
 * @param {{ killed: boolean, except: string }} half
 * @returns {Promise<boolean>}
 */
async function completeKillAll(boundary, appAndOwner, { killed, except }) {
  let missing = new Set();
  for (;;) {
    const { any, absent, pages } = await killPointed(boundary, appAndOwner, except);
    killed ||= any;
    if (pages === 1 && absent.size === 0) return killed;
    if (!any && [...absent].every((one) => missing.has(one))) return killed;
    missing = absent;
  }
}

/**
 * Ends the sessions that the pointers of an owner name, once.
 *
 * @param {Boundary} boundary
 * @param {string} appAndOwner
 * @param {string} except the id of a session that stays, or empty
 */
async function killPointed(boundary, appAndOwner, except) {
  const absent = new Set();
  let [any, pages] = [false, 0];
  for await (const page of readPointers(boundary, appAndOwner)) {
    pages++;
    const pointers = page.filter((pointer) => except === '' || !pointer.startsWith(except));
    for (let n = 0; n < pointers.length; n += MAX_PARALLEL_CALLS) {
      const asked = pointers.slice(n, n + MAX_PARALLEL_CALLS);
      const kills = asked.map((pointer) =>
        boundary.send(LETTERS.killPointed, killFields(appAndOwner, pointer)),
      );
      const killed = await Promise.all(kills);
      any ||= killed.some(Boolean);
      // If a reply was lost, the answer is no boolean: the session may have been moved before it was looked for again.
      for (const [m, pointer] of asked.entries()) if (killed[m] !== true) absent.add(pointer);
    }
  }
  return { any, absent, pages };
}

/**
 * Returns the fields that end the session of a pointer, or of a public id without a nonce.
 *
 * @param {string} appAndOwner app and owner, as fields
 * @param {string} pointer
 */
function killFields(appAndOwner, pointer) {
  return `${appAndOwner}\n${pointer.slice(0, ID_LENGTH)}\n${pointer.slice(ID_LENGTH)}`;
}

/**
 * Reads the pointers of an owner, page by page.
 *
 * @param {Boundary} boundary
 * @param {string} appAndOwner app and owner, as fields
 */
async function* readPointers(boundary, appAndOwner) {
  let from = '-inf';
  do {
    const [next, pointers] = await boundary.send(LETTERS.pointers, `${appAndOwner}\n${from}`);
    yield pointers;
    from = next;
  } while (from !== '');
}

/**
 * Reads the pointers of an owner that are kept longest.
 *
 * @param {Boundary} boundary
 * @param {string} appAndOwner app and owner, as fields
 * @param {number} count
 */
async function lastPointers(boundary, appAndOwner, count) {
  let last = [];
  for await (const page of readPointers(boundary, appAndOwner))
    last = [...last, ...page].slice(-count);
  return last;
}

/** @param {number | string} one @param {number | string} other */
function compare(one, other) {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

function listTooLarge() {
  return new SpotsSessionsError(
    'ERR_SESSIONS_TOO_LARGE',
    `the sessions of this list hold more than ${MAX_LIST_BYTES} bytes together: give a smaller \`limit\``,
  );
}

module.exports = {
  ID_LENGTH,
  completeKillAll,
  completeRefresh,
  completeRotate,
  killFields,
  list,
  point,
};
