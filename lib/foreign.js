'use strict';

// Sessions whose token was not made by `create`: SessionStore's, and those that `migrate` takes over. They are no part of
// the public interface, because a program that passed on a token from a request would let an attacker choose it (session
// fixation).
//
// `app` is a name, `token` any text that decodes to 16 bytes or more, `ownerId` a name or undefined (nobody owns the
// session). Durations are milliseconds; Infinity: the session never expires. Errors are those of the public methods.

const { randomBytes } = require('node:crypto');
const { checkData, checkDuration, checkName, checkToken } = require('./arguments.js');
const { encode } = require('./boundary.js');
const { LETTERS } = require('./letters.js');
const { operations, partsOf } = require('./operations.js');
const { killFields, list, point } = require('./pointers.js');

/** @typedef {import('../index.js').SpotsSessions} Sessions */
/** @typedef {{ app: string, token: string }} Address */
/** @typedef {{ set: object, deleted: string[] }} Patch what changes of the data; `null` is a value */

/** The owner of a session that nobody owns, as JSON. */
const NOBODY = '""';

/** How many sessions one create or claim ends, if `maxSessions` says so. The next one ends the rest. */
const MAX_ENDED = 100;

/** @typedef {{ ownerId: string | undefined, data: any, createdAt: Date, expiresAt: Date | undefined }} Loaded */

/**
 * Reads a session.
 *
 * @param {Sessions} sessions
 * @param {Address} address
 * @returns {Promise<Loaded | undefined>}
 */
async function load(sessions, address) {
  return loaded(await partsOf(sessions).boundary.send(LETTERS.load, addressOf(address)));
}

/**
 * Reads a session by its public id, whoever owns it: for administration.
 *
 * @param {Sessions} sessions
 * @param {{ app: string, id: string }} session
 * @returns {Promise<Loaded | undefined>}
 */
async function loadById(sessions, { app, id }) {
  return loaded(await partsOf(sessions).boundary.send(LETTERS.peek, `${encode(app)}\n\n${id}`));
}

/** @param {any} session as src/operation/description.rs writes it @returns {Loaded | undefined} */
function loaded(session) {
  if (session === undefined) return undefined;
  const { ownerId, data, createdAt, expiresAt } = session;
  return {
    ownerId: ownerId === '' ? undefined : ownerId,
    data,
    createdAt: new Date(createdAt),
    expiresAt: expiresAt === null ? undefined : new Date(expiresAt),
  };
}

/**
 * Stores a session. On a Cluster it writes the pointer, the record, and the pointer again. Elsewhere one script does both.
 *
 * @param {Sessions} sessions
 * @param {Address & { ownerId: string | undefined, data: object, durationMs: number, notAfter?: number, replace: boolean
 *   }} session `notAfter`: when the duration ends at the latest, in ms since 1970 by the server's clock, however long the
 *   call takes; `replace`: whether it may take the place of a session that the token opens
 * @returns {Promise<boolean | undefined>} false: the token opens a session; undefined: no session can have this token
 */
async function create(sessions, { app, token, ownerId, data, durationMs, notAfter, replace }) {
  const { boundary, settings } = partsOf(sessions);
  const address = addressOf({ app, token });
  if (checkToken(token) === undefined) return undefined;
  const [owner, ms] = [ownerOf(ownerId), checkDuration(durationMs / 1000)];
  const times = `${ms}\n${timeField(notAfter)}\n${checkDuration(settings.lifetime)}`;
  const json = checkData(data, settings.maxDataSize);
  const put = (nonce, until, withPointer) => {
    const flags = `${withPointer ? 1 : 0}\n${replace ? 1 : 0}`;
    const fields = `${address}\n${owner}\n${nonce}\n${times}\n${until}\n${flags}`;
    return boundary.send(LETTERS.put, fields, json);
  };
  const inSteps = async (nonce) => {
    const pointer = pointerTo(boundary, address, owner, nonce, ms);
    const until = await pointer();
    if (until === undefined) return undefined;
    const stored = await put(nonce, until, false);
    if (stored === true) await pointer();
    return stored;
  };
  let stored;
  // If the reply was lost, and another call ended the session before the retry, the create starts again with a new nonce.
  do {
    const nonce = newNonce();
    stored = await (settings.server?.cluster ? inSteps(nonce) : put(nonce, '', owner !== NOBODY));
  } while (stored === 'again');
  if (!stored) return stored;
  await keepAtMost(sessions, app, ownerId);
  return true;
}

/**
 * Takes over a session of another system in one step: stores it, and deletes the key that held it. Not on a Cluster, where
 * the two lie on different slots.
 *
 * @param {Sessions} sessions
 * @param {Address & { ownerId: string | undefined, data: object, key: string, json: string }} session `key`: the key of the
 *   other system; `json`: what was read there, which is also what a create would store
 * @returns {Promise<boolean>} false: nothing was done. The key does not hold `json` any more, or does not expire; a create
 *   would store other text; the token opens a session already, or can open none; or Redis is older than 7.0
 */
async function takeOver(sessions, { app, token, ownerId, data, key, json }) {
  const { boundary, settings } = partsOf(sessions);
  const address = addressOf({ app, token });
  const canExist = checkToken(token) !== undefined;
  if (!canExist || checkData(data, settings.maxDataSize) !== json) return false;
  const limits = `${newNonce()}\n${checkDuration(settings.lifetime)}`;
  const fields = `${address}\n${ownerOf(ownerId)}\n${limits}\n${encode(key)}`;
  const isDone = await boundary.send(LETTERS.takeOver, fields, json);
  if (isDone) await keepAtMost(sessions, app, ownerId);
  return isDone;
}

/**
 * Gives a session another owner, and changes its data.
 *
 * @param {Sessions} sessions
 * @param {Address & Patch & { before: string | undefined, after: string | undefined, durationMs: number }} claim
 * @returns {Promise<boolean>} false: there is no such session, or its owner is not `before`
 */
async function claim(sessions, { app, token, before, after, set, deleted, durationMs }) {
  const { boundary, settings } = partsOf(sessions);
  const address = addressOf({ app, token });
  if (checkToken(token) === undefined) return false;
  const [owner, ms, nonce] = [ownerOf(after), checkDuration(durationMs / 1000), newNonce()];
  const patch = patchOf(settings, set, deleted);
  /** Resolves to the milliseconds that the session has left if it would outlive its pointer. */
  const attempt = async (/** @type {number} */ keptFor) => {
    const pointer = pointerTo(boundary, address, owner, nonce, keptFor);
    const until = await pointer();
    if (until === undefined) return false;
    const fields = [address, ownerOf(before), owner, nonce, until].join('\n');
    const claimed = await boundary.send(LETTERS.claim, fields, patch).catch(async (error) => {
      if (error.code !== 'ERR_SESSIONS_TOO_LARGE') throw error;
      // The record is full of patches. An update folds them.
      return (
        (await boundary.send(LETTERS.update, address, patch)) &&
        boundary.send(LETTERS.claim, fields, '')
      );
    });
    if (claimed === true) await pointer();
    return claimed;
  };
  let claimed = await attempt(ms);
  while (typeof claimed === 'number') claimed = await attempt(claimed);
  if (claimed) await keepAtMost(sessions, app, after);
  return claimed;
}

/**
 * Changes the data of a session.
 *
 * @param {Sessions} sessions
 * @param {Address & Patch} update
 * @returns {Promise<boolean>}
 */
async function update(sessions, { app, token, set, deleted }) {
  const { boundary, settings } = partsOf(sessions);
  const patch = patchOf(settings, set, deleted);
  // To return the promise itself would take three microtasks.
  return await boundary.send(LETTERS.update, addressOf({ app, token }), patch);
}

/**
 * Gives a session a new duration, which begins now.
 *
 * @param {Sessions} sessions
 * @param {Address & { durationMs: number }} refresh
 * @returns {Promise<boolean>}
 */
async function refresh(sessions, { app, token, durationMs }) {
  return operations.refresh.send(partsOf(sessions), { app, token, duration: durationMs / 1000 });
}

/**
 * Ends a session.
 *
 * @param {Sessions} sessions
 * @param {Address} address
 * @returns {Promise<boolean>}
 */
async function kill(sessions, address) {
  return operations.kill.send(partsOf(sessions), address);
}

/**
 * Ends a session by its public id.
 *
 * @param {Sessions} sessions
 * @param {{ app: string, ownerId: string | undefined, id: string }} session
 * @returns {Promise<boolean>}
 */
async function killById(sessions, { app, ownerId, id }) {
  const fields = killFields(`${encode(app)}\n${ownerOf(ownerId)}`, id);
  return Boolean(await partsOf(sessions).boundary.send(LETTERS.killPointed, fields));
}

/**
 * Returns a function that makes the owner's pointer to a session, for twice `ms`, and resolves to the time until which it
 * is kept. A session that nobody owns has none.
 *
 * @param {import('./boundary.js').Boundary} boundary
 * @param {string} address
 * @param {string} owner as JSON
 * @param {string} nonce
 * @param {number} ms
 */
function pointerTo(boundary, address, owner, nonce, ms) {
  const [app, token] = address.split('\n');
  return () => (owner === NOBODY ? '' : point(boundary, app, owner, [token, nonce], '', ms));
}

/**
 * Ends sessions of an owner who has more than `maxSessions` allows.
 *
 * @param {Sessions} sessions
 * @param {string} app
 * @param {string | undefined} ownerId
 */
async function keepAtMost(sessions, app, ownerId) {
  const { boundary, settings } = partsOf(sessions);
  const most = settings.maxSessions;
  if (ownerId === undefined || most === Number.POSITIVE_INFINITY) return;
  const appAndOwner = `${encode(app)}\n${ownerOf(ownerId)}`;
  const ended = surplus(await list(boundary, appAndOwner, '', most + MAX_ENDED), most);
  const end = ({ id, nonce }) =>
    nonce === undefined
      ? sessions.kill({ app, ownerId, id })
      : // Not a session that has taken its place meanwhile.
        boundary.send(LETTERS.killPointed, killFields(appAndOwner, id + nonce));
  await Promise.all(ended.map(end));
}

/**
 * Chooses the sessions to end. It replays the creations in order: a session above the limit ends the one that would end
 * soonest; if several tie, the oldest. So of many logins at once, all choose the same sessions, whatever else each of them
 * sees.
 *
 * @param {import('./pointers.js').Listed[]} all
 * @param {number} most
 */
function surplus(all, most) {
  const [kept, ended] = [[], []];
  const end = (session) => session.expiresAt ?? Number.POSITIVE_INFINITY;
  all.sort((one, other) => (orderOf(one) < orderOf(other) ? -1 : 1));
  for (const session of all) {
    if (kept.length === most) {
      const soonest = kept.reduce((one, other) => (end(other) < end(one) ? other : one));
      ended.push(...kept.splice(kept.indexOf(soonest), 1));
    }
    kept.push(session);
  }
  return ended;
}

/**
 * What sorts sessions as they were created or claimed.
 *
 * @param {{ nonce?: string, createdAt: number }} session
 */
function orderOf({ nonce, createdAt }) {
  return nonce ?? timeOf(createdAt);
}

/** A time as a nonce begins. Many creates in a row have the same time. @param {number} ms */
function timeOf(ms) {
  if (ms !== lastTime) [lastTime, lastText] = [ms, ms.toString(36).padStart(9, '0')];
  return lastText;
}

let [lastTime, lastText] = [0, ''];

/** A time of 13 digits as a field. Later ones, from the year 2286 on, count as left out. @param {number | undefined} time */
function timeField(time) {
  return time === undefined || time >= 1e13 ? '' : time;
}

/** @param {Address} address */
function addressOf({ app, token }) {
  return `${encode(checkName('app', app))}\n${encode(checkToken(token) ?? '')}`;
}

/** @param {string | undefined} ownerId */
function ownerOf(ownerId) {
  return ownerId === undefined ? NOBODY : JSON.stringify(checkName('ownerId', ownerId));
}

/**
 * @param {{ maxDataSize: number }} settings
 * @param {object} set
 * @param {string[]} deleted
 */
function patchOf({ maxDataSize }, set, deleted) {
  return `[${checkData(set, maxDataSize)},${JSON.stringify(deleted)}]`;
}

/** The end of this process's nonces. Made once, because random bytes take longer than the rest of a create. */
const processSuffix = randomBytes(3).toString('hex');
let nonces = 0;

/** Makes a nonce, which tells a session from an earlier one with the same token. Later ones sort after earlier ones. */
function newNonce() {
  nonces = (nonces + 1) % 36 ** 3;
  return timeOf(Date.now()) + nonces.toString(36).padStart(3, '0') + processSuffix;
}

module.exports = {
  claim,
  create,
  kill,
  killById,
  load,
  loadById,
  refresh,
  takeOver,
  update,
};
