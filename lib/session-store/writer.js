'use strict';

// Writes sessions: creates them, sends what has changed since they were loaded, and lets them live on.

const { claim, create, kill, load, refresh, update } = require('../foreign.js');
const { tokensOf } = require('./memory-pages.js');
const { differenceOf, isSame, snapshotOf, valuesOf } = require('./snapshot.js');

/** @typedef {import('./base.js').Place} Place where a session is kept */
/**
 * @typedef {object} State what a session holds now
 * @property {import('./snapshot.js').Snapshot} snapshot
 * @property {string | undefined} ownerId
 * @property {number | undefined} end of its cookie, in ms
 */

class Writer {
  #settings;
  #tokens;
  #onLogin;
  /**
   * The creates that are under way, by token. On a Cluster a create takes steps, and a kill in between would find nothing.
   *
   * @type {Map<string, Promise<unknown>>}
   */
  #creating = new Map();

  /**
   * @param {import('./options.js').StoreSettings} settings
   * @param {(before: object) => void} onLogin is called when a session that was loaded without an owner has got one
   */
  constructor(settings, onLogin) {
    this.#settings = settings;
    this.#tokens = settings.isInMemory ? tokensOf(settings) : undefined;
    this.#onLogin = onLogin;
  }

  /**
   * @param {import('./base.js').Base} base
   * @param {State} state
   * @returns {Promise<boolean>} false: the session is gone, and nothing was written
   */
  async write(base, { snapshot, ownerId, end }) {
    const { place } = base;
    const now = Date.now();
    const expiresAt = end ?? now + this.#settings.durationMs;
    if (expiresAt <= now) {
      await this.destroy(place);
      return true;
    }
    const durationMs = expiresAt - now;
    if (base.snapshot === undefined) {
      const session = { ...place, ownerId, data: valuesOf(snapshot), durationMs, replace: true };
      await this.#create(session);
      base.expiresAt = expiresAt;
    } else if (!(await this.#update(base, { snapshot, ownerId }, expiresAt, durationMs))) {
      return false;
    }
    this.#tokens?.add(place.token, expiresAt);
    Object.assign(base, { snapshot, ownerId });
    return true;
  }

  /**
   * Whether a write of a session would send nothing. `base` is as it was loaded.
   *
   * @param {import('./base.js').Base} base
   * @param {any} session of which only the cookie can have changed
   * @param {string | undefined} ownerId
   * @param {number | undefined} end of its cookie, in ms
   */
  isCurrent(base, { cookie }, ownerId, end) {
    const now = Date.now();
    const expiresAt = end ?? now + this.#settings.durationMs;
    return (
      expiresAt > now &&
      !this.#isDue(base, expiresAt, expiresAt - now) &&
      ownerId === base.ownerId &&
      isSame(snapshotOf({ cookie }).get('cookie'), base.snapshot?.get('cookie'))
    );
  }

  /**
   * Whether a session must be told of its new end.
   *
   * @param {import('./base.js').Base} base
   * @param {number} expiresAt
   * @param {number} durationMs
   */
  #isDue(base, expiresAt, durationMs) {
    const { touchAfterMs = durationMs / 10 } = this.#settings;
    return expiresAt < base.expiresAt || expiresAt - base.expiresAt >= touchAfterMs;
  }

  /** @param {Parameters<typeof create>[1]} session */
  #create(session) {
    const { token } = session;
    const created = create(this.#settings.sessions, session);
    const all = Promise.allSettled([this.#creating.get(token), created]);
    this.#creating.set(token, all);
    all.then(() => {
      if (this.#creating.get(token) === all) this.#creating.delete(token);
    });
    return created;
  }

  /** @param {Place} place */
  async destroy(place) {
    await this.#creating.get(place.token);
    await kill(this.#settings.sessions, place);
    this.#tokens?.delete(place.token);
  }

  /**
   * @param {import('./base.js').Base} base
   * @param {{ snapshot: import('./snapshot.js').Snapshot, ownerId: string | undefined }} state
   * @param {number} expiresAt
   * @param {number} durationMs
   */
  async #update(base, { snapshot, ownerId }, expiresAt, durationMs) {
    const { sessions } = this.#settings;
    const { app, token } = base.place;
    const { set, deleted } = differenceOf(base.snapshot, snapshot);
    const isChanged = Object.keys(set).length > 0 || deleted.length > 0;
    const isDue = Object.hasOwn(set, 'cookie') || this.#isDue(base, expiresAt, durationMs);
    const calls = [];
    if (isChanged || ownerId !== base.ownerId) {
      calls.push(this.#send({ app, token, set, deleted, durationMs }, base.ownerId, ownerId));
    }
    if (isDue) calls.push(refresh(sessions, { app, token, durationMs }));
    const answers = calls.length === 1 ? [await calls[0]] : await Promise.all(calls);
    if (answers.includes(false)) return false;
    if (isDue) base.expiresAt = expiresAt;
    const isLogin = base.ownerId === undefined && ownerId !== undefined && isChanged;
    if (isLogin && base.isLoaded) this.#onLogin(valuesOf(base.snapshot));
    return true;
  }

  /**
   * Sends a patch, and claims the session if its owner is another one. If a request at the same time has claimed it, the
   * later claim wins, together with its data.
   *
   * @param {Place & { set: object, deleted: string[], durationMs: number }} patch
   * @param {string | undefined} before
   * @param {string | undefined} after
   */
  async #send(patch, before, after) {
    const { sessions } = this.#settings;
    for (let owner = before; owner !== after; ) {
      if (await claim(sessions, { ...patch, before: owner, after })) return true;
      const found = await load(sessions, patch);
      if (found === undefined) return false;
      owner = found.ownerId;
    }
    return await update(sessions, patch); // as there, this takes fewer microtasks
  }
}

module.exports = { Writer };
