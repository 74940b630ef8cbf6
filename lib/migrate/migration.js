'use strict';

// Moves the live sessions of another system to this package, under the tokens that they have. It works in batches:
// read, create, delete. A session is created only if its token opens none yet. Its old key is deleted only if it still is
// what was read. So a run may end at any point, and the next run does the rest.
//
// On one server and behind Sentinel, one script creates and deletes, which is faster. Whatever it does not move, and
// everything on a Cluster, is read again and moved as above: decision 19.

const { isUtf8 } = require('node:buffer');
const { createHash } = require('node:crypto');
const { isDeepStrictEqual } = require('node:util');
const { create, load, takeOver } = require('../foreign.js');
const { partsOf } = require('../operations.js');
const { EXPIRY, OldKeys } = require('./old-keys.js');
const { readOldSession } = require('./old-session.js');

/**
 * @typedef {import('./old-keys.js').OldEntry} OldEntry
 * @typedef {import('./old-session.js').OldSession} OldSession
 * @typedef {import('./old-session.js').Why} Why
 *
 * @typedef {object} Sample a session that a dry run shows
 * @property {string} key a hash of its key
 * @property {string | undefined} ownerId
 * @property {number} bytes of its data
 * @property {Date | undefined} expiresAt
 */

/** How many batches are under way at once. */
const MAX_PARALLEL_BATCHES = 8;
/** How many of the keys that are not moved are named, for each reason. */
const MAX_NAMED_KEYS = 20;
/** How many sessions a dry run shows. */
const MAX_SAMPLES = 5;
/** Ours counts as the same session if it ends at most this much earlier. */
const TOLERANCE_MS = 10;

/** Extra duration, so that a slow call does not shorten the session. `notAfter` cuts it to the millisecond. */
const SPARE_MS = 1000;

class Migration {
  #sessions;
  #app;
  #system;
  #mode;
  #endlessMs;
  #maxDataSize;
  #oldKeys;
  /** Whether one step moves a session. */
  #movesInOneStep;
  /** The beginning of our own keys. */
  #ours;
  /** The keys that are under way, because SCAN may give a key twice. @type {Set<string>} */
  #underWay = new Set();

  /** How many sessions were moved, copied, or by a dry run found. */
  done = 0;
  /** How many were ours already, from an earlier run. */
  already = 0;
  /** How many keys were not moved, and some of them by a hash. @type {Map<Why, { count: number, keys: string[] }>} */
  notMoved = new Map();
  /** @type {Sample[]} */
  samples = [];
  /** How many keys the server had at the beginning, of all kinds. */
  keys = 0;

  /**
   * @param {import('../../index.js').SpotsSessions} sessions where they move to. They come from the same server
   * @param {object} what
   * @param {string} what.app
   * @param {import('./old-session.js').OldSystem} what.system
   * @param {'move' | 'copy' | 'dry-run'} what.mode
   * @param {number} [what.endlessMs] how long a session without an expiry lives from now on; left out: it is not moved
   */
  constructor(sessions, { app, system, mode, endlessMs }) {
    this.#sessions = sessions;
    this.#app = app;
    this.#system = system;
    this.#mode = mode;
    this.#endlessMs = endlessMs;
    const { commandTimeout, maxDataSize, prefix, server } = partsOf(sessions).settings;
    this.#maxDataSize = maxDataSize;
    this.#ours = Buffer.from(`${prefix}{`);
    this.#movesInOneStep = mode === 'move' && !server?.cluster;
    this.#oldKeys = new OldKeys(sessions.client, system.prefix, commandTimeout);
  }

  /** How many keys were looked at so far, of all kinds. */
  get scanned() {
    return this.#oldKeys.scanned;
  }

  /** Whether `stop` ended it. */
  get isStopped() {
    return this.#oldKeys.isStopped;
  }

  /** Lets the batches that are under way end, begins no other, and looks for no more keys. */
  stop() {
    this.#oldKeys.isStopped = true;
  }

  /** Resolves when all is moved, or when it was stopped and the batches under way have ended. */
  async run() {
    this.keys = await this.#oldKeys.count();
    const batches = this.#oldKeys.batches();
    const worker = async () => {
      for await (const keys of batches) {
        if (this.isStopped) return;
        await this.#moveAll(keys);
      }
    };
    const ends = await Promise.allSettled(Array.from({ length: MAX_PARALLEL_BATCHES }, worker));
    const failed = ends.find(({ status }) => status === 'rejected');
    if (failed) throw failed.reason;
  }

  /** @param {Buffer[]} keys */
  async #moveAll(keys) {
    const fresh = keys.map((key) => this.#claim(key)).filter((key) => key !== undefined);
    try {
      const left = this.#movesInOneStep ? await this.#takeOverAll(fresh) : fresh;
      for await (const entries of this.#oldKeys.read(left, this.#maxDataSize)) {
        const taken = await Promise.all(entries.map((entry) => this.#take(entry)));
        if (this.#mode === 'move')
          await this.#removeAll(taken.filter((each) => each !== undefined));
      }
    } finally {
      for (const key of fresh) this.#underWay.delete(key);
    }
  }

  /**
   * Marks a key as under way. Returns undefined if it is ours, is under way already, or cannot be moved.
   *
   * @param {Buffer} bytes
   */
  #claim(bytes) {
    if (this.#isOurs(bytes)) return undefined;
    if (!isUtf8(bytes)) return this.#leave(bytes, 'badKey');
    const key = bytes.toString();
    if (this.#underWay.has(key)) return undefined;
    this.#underWay.add(key);
    return key;
  }

  /**
   * Whether a key is ours. If theirs have no prefix, or the beginning of ours, the scan gives ours, too.
   *
   * @param {Buffer} key
   */
  #isOurs(key) {
    const { length } = this.#ours;
    const isLike = key.subarray(0, length).equals(this.#ours);
    return isLike && /^[0-9a-f]{8}:/.test(key.toString('latin1', length, length + 9));
  }

  /**
   * Moves sessions each in one step. Resolves to the keys that it has not moved.
   *
   * @param {string[]} keys
   */
  async #takeOverAll(keys) {
    const values = await this.#oldKeys.values(keys, this.#maxDataSize);
    const taken = await Promise.all(keys.map((key, n) => this.#takeOver(key, values[n])));
    // If it moves none, it hardly moves others: Redis is old, or the JSON is not as JavaScript writes it.
    if (keys.length > 0 && !taken.includes(true)) this.#movesInOneStep = false;
    return keys.filter((_, n) => !taken[n]);
  }

  /** @param {string} key @param {Buffer | null} value @returns {Promise<boolean>} whether it is moved */
  async #takeOver(key, value) {
    const session = readOldSession(this.#system, { key, value }, true);
    if (typeof session !== 'object') return false;
    const request = { app: this.#app, key, ...session };
    try {
      if (!(await takeOver(this.#sessions, request))) return false;
    } catch (error) {
      if (error.code === 'ERR_OUT_OF_RANGE') return false; // its JSON is too long if it is written anew
      throw error;
    }
    this.done += 1;
    return true;
  }

  /**
   * Takes a session over. Resolves to it, or to undefined if it is not moved.
   *
   * @param {OldEntry} entry
   */
  async #take(entry) {
    const session = readOldSession(this.#system, entry, this.#endlessMs !== undefined);
    if (session === undefined) return undefined;
    if (typeof session === 'string') return this.#leave(entry.key, session);
    if (this.#mode === 'dry-run') return this.#show(entry, session);
    const isNew = await this.#create(entry, session);
    if (typeof isNew === 'string') return this.#leave(entry.key, isNew);
    const taken = { entry, isNew };
    if (this.#mode === 'copy') this.#count(taken);
    return taken;
  }

  /**
   * Resolves to whether the session is new, or to the reason for leaving it.
   *
   * @param {OldEntry} entry
   * @param {OldSession} session
   * @returns {Promise<boolean | Why>}
   */
  async #create({ expiry, left }, { token, ownerId, data }) {
    const app = this.#app;
    const isEndless = expiry === EXPIRY.NEVER;
    const request = {
      app,
      token,
      ownerId,
      data,
      durationMs: isEndless ? this.#endlessMs : Math.max(left, 0) + SPARE_MS,
      notAfter: isEndless ? undefined : expiry,
      replace: false,
    };
    try {
      if (await create(this.#sessions, request)) return true;
    } catch (error) {
      // Written anew, its JSON may be longer than it was.
      if (error.code === 'ERR_OUT_OF_RANGE') return 'tooLarge';
      throw error;
    }
    const ours = await load(this.#sessions, { app, token });
    const isSame =
      ours?.ownerId === ownerId &&
      isDeepStrictEqual(ours?.data, data) &&
      !(ours.expiresAt < expiry - TOLERANCE_MS);
    return isSame ? false : 'differs';
  }

  /** @param {{ entry: OldEntry, isNew: boolean }[]} taken */
  async #removeAll(taken) {
    const removed = await this.#oldKeys.remove(taken.map(({ entry }) => entry));
    for (const [n, each] of taken.entries()) {
      if (removed[n]) this.#count(each);
      else this.#leave(each.entry.key, 'changed');
    }
  }

  /** @param {{ isNew: boolean }} taken */
  #count({ isNew }) {
    if (isNew) this.done += 1;
    else this.already += 1;
  }

  /** @param {OldEntry} entry @param {OldSession} session */
  #show({ key, value, expiry }, { ownerId }) {
    this.done += 1;
    if (this.samples.length === MAX_SAMPLES) return;
    const expiresAt = expiry === EXPIRY.NEVER ? undefined : new Date(expiry);
    this.samples.push({ key: nameOf(key), ownerId, bytes: value.length, expiresAt });
  }

  /** @param {Buffer | string} key @param {Why} why @returns {undefined} */
  #leave(key, why) {
    const { count = 0, keys = [] } = this.notMoved.get(why) ?? {};
    const named = keys.length < MAX_NAMED_KEYS ? [...keys, nameOf(key)] : keys;
    this.notMoved.set(why, { count: count + 1, keys: named });
  }
}

/** Names a key, which may hold a token, by a hash. @param {Buffer | string} key */
function nameOf(key) {
  return createHash('sha256').update(key).digest('hex').slice(0, 16);
}

module.exports = { Migration };
