'use strict';

// A steady load of all methods. The state of each session is known, so every answer can be checked: no call may get the
// answer of another call, lose an acknowledged change, or fail without an outage.

const assert = require('node:assert/strict');
const { inspect } = require('node:util');
const { idOf } = require('./keys.js');

/** The errors that a call may reject with in an outage, by their `redisCode` or `code`. */
const OUTAGES = ['ERR_SESSIONS_TIMEOUT', 'ERR_SESSIONS_CONNECTION', 'LOADING'];
/** Seconds. No user's session is left alone for as long, so none ends by itself. */
const LIMITS = { duration: 900, sliding: true, lifetime: 86_400 };
const TICK = 10;
/** The largest number of calls that begin at once after a late turn of the event loop. */
const BURST = 200;

/** @typedef {{ ownerId: string, token: string, sliding: boolean, data: { nonce: number, updates: number, pad: string } }} Session */

/**
 * The known state of one user.
 *
 * @typedef {object} User
 * @property {string} ownerId
 * @property {Session} [session] the live session
 * @property {Session} [ended] a session that has ended
 * @property {boolean} busy whether a pending call may change it
 * @property {boolean} unsure whether an outage left the state unknown
 */

class Load {
  #instances;
  #app;
  #rate;
  /** @type {User[]} */
  #users;
  /** Owners of whom an outage left the state unknown. */
  #retired = /** @type {string[]} */ ([]);
  #calls = new Set();
  #timer;
  #nonce = 0;
  /** Calls that settled. */
  done = 0;
  /** How many of these calls failed because of an outage, by code. */
  outages = /** @type {Record<string, number>} */ ({});
  /** @type {Error | undefined} what must not happen */
  failure = undefined;

  /**
   * @param {import('../../index.js').SpotsSessions[]} instances share the calls
   * @param {{ app: string, rate: number, users: number }} options rate: calls a second
   */
  constructor(instances, { app, rate, users }) {
    this.#instances = instances;
    this.#app = app;
    this.#rate = rate;
    this.#users = Array.from({ length: users }, (_, n) => ({
      ownerId: `user ${n}`,
      busy: false,
      unsure: false,
    }));
  }

  start() {
    let last = performance.now();
    let due = 0;
    this.#timer = setInterval(() => {
      const now = performance.now();
      due = Math.min(due + ((now - last) / 1000) * this.#rate, BURST);
      last = now;
      for (; due >= 1; due--) this.#track(this.#next());
    }, TICK);
  }

  /** Begins no more calls, and resolves when all have settled. */
  async stop() {
    clearInterval(this.#timer);
    await Promise.all(this.#calls);
  }

  /** Ends every session with killAll, because an outage may have lost the answer with a token. */
  async endAll() {
    const owners = [...this.#retired, ...this.#users.map(({ ownerId }) => ownerId)];
    while (owners.length > 0) {
      const some = owners.splice(0, 1000);
      await Promise.all(some.map((ownerId) => this.#call('killAll', { ownerId })));
    }
    for (const user of this.#users) {
      user.ended = user.session ?? user.ended;
      user.session = undefined;
    }
  }

  /** @param {Promise<void>} call */
  #track(call) {
    const tracked = call
      .catch((error) => {
        this.failure ??= error;
      })
      .finally(() => {
        this.done++;
        this.#calls.delete(tracked);
      });
    this.#calls.add(tracked);
  }

  #next() {
    if (Math.random() < 0.02) return this.#ping();
    const user = pick(this.#users);
    if (user.busy) return this.#glance(user);
    const chance = Math.random();
    if (user.unsure) return this.#alone(user, () => this.#renew(user));
    if (!user.session) return this.#alone(user, () => this.#create(user));
    if (chance < 0.56) return this.#alone(user, () => this.#read(user));
    if (chance < 0.58) return this.#alone(user, () => this.#endOthers(user));
    if (chance < 0.6) return this.#alone(user, () => this.#replace(user));
    if (chance < 0.65) return this.#alone(user, () => this.#list(user));
    if (chance < 0.7) return this.#alone(user, () => this.#rotate(user));
    if (chance < 0.8) return this.#alone(user, () => this.#update(user.session));
    if (chance < 0.9) return this.#alone(user, () => this.#refresh(user.session));
    const how = chance < 0.94 ? 'killAll' : chance < 0.97 ? 'kill' : 'kill by id';
    return this.#alone(user, () => this.#end(user, how));
  }

  /** @param {User} user @param {() => Promise<void>} work what no other call of the user's meets */
  async #alone(user, work) {
    user.busy = true;
    try {
      await work();
    } catch (error) {
      this.#excuse(error);
      user.unsure = true;
    } finally {
      user.busy = false;
    }
  }

  async #ping() {
    try {
      assert.equal(await this.#call('ping'), undefined, 'ping');
    } catch (error) {
      this.#excuse(error);
    }
  }

  /** @param {User} user */
  async #create(user) {
    user.session = await this.#newSession(user.ownerId, { maxSessions: 1 + (this.#nonce % 3) });
  }

  /** @param {string} ownerId @param {{ maxSessions?: number }} [more] @returns {Promise<Session>} */
  async #newSession(ownerId, more) {
    const pad = 'p'.repeat(Math.random() * 1000);
    const data = { nonce: ++this.#nonce, updates: 0, pad };
    const sliding = Math.random() < 0.5;
    const life = sliding ? LIMITS : { duration: 3600 };
    const token = await this.#call('create', { ownerId, data, ...life, ...more });
    return { ownerId, token, sliding, data };
  }

  /** Another session, for which the old one ends. @param {User} user */
  async #replace(user) {
    const old = user.session;
    const fresh = await this.#newSession(user.ownerId, { maxSessions: 1 });
    user.ended = old;
    user.session = fresh;
    await this.#read(user);
  }

  /** Another session, which ends with all others but the user's own. @param {User} user */
  async #endOthers(user) {
    const { ownerId, session } = user;
    const other = await this.#newSession(ownerId);
    const ends = this.#call('killAll', { ownerId, except: session.token });
    assert.equal(await ends, true, 'killAll with except');
    user.ended = other;
    await this.#read(user);
  }

  /** @param {User} user */
  async #read({ session, ended }) {
    const { ownerId, token, data } = session;
    assert.deepEqual(await this.#call('get', { token }), { ownerId, data }, 'not the session');
    if (ended)
      assert.equal(await this.#call('get', { token: ended.token }), undefined, 'it is over');
  }

  /** @param {User} user */
  async #list({ ownerId, session }) {
    const { token, sliding, data } = session;
    const { id, createdAt, expiresAt } = await this.#call('info', { token });
    assert.equal(id, idOf(token), 'not the id');
    const listed = await this.#call('list', { ownerId, token });
    const [{ expiresAt: end = expiresAt } = {}] = listed;
    // An extension behind an earlier call may have come between the two.
    assert.ok(sliding ? end >= expiresAt : +end === +expiresAt, 'not when it expires');
    const expected = { id, data, createdAt, expiresAt: end, current: true };
    assert.deepEqual(listed, [expected], 'not the list');
  }

  /** @param {User} user */
  async #rotate(user) {
    const { session } = user;
    user.session = undefined; // until it is known that it has another token
    const token = await this.#call('rotate', { token: session.token });
    assert.equal(typeof token, 'string', 'rotate');
    user.ended = session;
    user.session = { ...session, token };
  }

  /** @param {Session} session */
  async #update({ token, data }) {
    data.updates++;
    const { updates } = data;
    assert.equal(await this.#call('update', { token, data: { updates } }), true, 'update');
  }

  /** @param {Session} session */
  async #refresh({ token }) {
    assert.equal(await this.#call('refresh', { token, duration: 3600 }), true, 'refresh');
  }

  /** @param {User} user @param {'killAll' | 'kill' | 'kill by id'} how */
  async #end(user, how) {
    const { ownerId, token } = user.session;
    user.ended = user.session;
    user.session = undefined;
    const requests = {
      killAll: { ownerId },
      kill: { token },
      'kill by id': { ownerId, id: idOf(token) },
    };
    const [method] = how.split(' ');
    assert.equal(await this.#call(method, requests[how]), true, how);
  }

  /** Under another name, as what was sent before an outage may still be carried out. @param {User} user */
  async #renew(user) {
    await this.#call('killAll', { ownerId: user.ownerId });
    this.#retired.push(user.ownerId);
    user.ownerId = `user ${this.#retired.length} anew`;
    user.session = undefined;
    user.ended = undefined;
    user.unsure = false;
  }

  /** A get while another call is pending: it may find nothing, but no other session. @param {User} user */
  async #glance({ session, ended }) {
    const expected = session ?? ended;
    if (!expected) return;
    try {
      const found = await this.#call('get', { token: expected.token });
      if (!found) return;
      const { ownerId, data } = expected;
      assert.deepEqual([found.ownerId, found.data.nonce], [ownerId, data.nonce], 'another session');
    } catch (error) {
      this.#excuse(error);
    }
  }

  #call(method, request) {
    return pick(this.#instances)[method]({ app: this.#app, ...request });
  }

  /** A call may fail because of an outage, and for no other reason. */
  #excuse(error) {
    const code = error.redisCode ?? error.code;
    if (!OUTAGES.includes(code)) {
      const why =
        error instanceof assert.AssertionError ? error.message.slice(0, 500) : inspect(error);
      throw new Error(`after ${this.done} calls: ${why}`);
    }
    this.outages[code] = (this.outages[code] ?? 0) + 1;
  }
}

/** @template T @param {T[]} list @returns {T} */
function pick(list) {
  return list[Math.floor(Math.random() * list.length)];
}

module.exports = { Load };
