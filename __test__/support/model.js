'use strict';

// A model of the contract in memory. It knows which answers to a call are right after the earlier calls.
//
// A call acts at some time after it was made and before it was answered. So a call close to the end of a session may
// find the session or not. The model asserts only what is certain.

const assert = require('node:assert/strict');

/** How far the server's clock and ours may drift apart while a short session lives, in ms. */
const DRIFT = 50;

const DEFAULT_DURATION = 86_400;

/** @typedef {{ begun: number, ended: number }} Span when a call was made and answered, in ms */

class Model {
  /** By app and token: the owner, the data by key as JSON, and the earliest and latest time of its end. */
  #sessions = new Map();
  /** Each session that ever was: `{ app, ownerId, token }`. */
  known = [];

  /**
   * Fails if the call cannot have this answer. Otherwise records what the call did.
   *
   * @param {string} method
   * @param {any} request
   * @param {any} answer
   * @param {Span} span
   */
  observe(method, request, answer, span) {
    if (method === 'create') this.#create(request, answer, span);
    else if (method === 'killAll') this.#killAll(request, answer, span);
    else this.#one(method, request, answer, span);
  }

  /** The time at which all sessions that end within a second have certainly ended, in ms. */
  get soonSettled() {
    const ends = [...this.#sessions.values()].map(({ latest }) => latest + DRIFT);
    return Math.max(0, ...ends.filter((end) => end < performance.now() + 1000));
  }

  #create({ app, ownerId, data = {}, duration = DEFAULT_DURATION }, token, span) {
    assert.equal(typeof token, 'string');
    const key = keyOf(app, token);
    assert.ok(!this.#sessions.has(key), 'a token is given once');
    const session = { app: String(app), ownerId: String(ownerId), fields: fieldsOf(data) };
    this.#sessions.set(key, lasting(session, duration, span));
    this.known.push({ app, ownerId, token });
  }

  #killAll({ app, ownerId }, answer, span) {
    const owned = [...this.#sessions].filter(
      ([, session]) => session.app === String(app) && session.ownerId === String(ownerId),
    );
    const states = owned.map(([, session]) => stateOf(session, span));
    if (answer === true) assert.ok(states.includes('there') || states.includes('either'), 'none');
    else assert.ok(answer === false && !states.includes('there'), 'the owner had a session');
    for (const [key] of owned) this.#sessions.delete(key);
  }

  #one(method, request, answer, span) {
    const key = keyOf(request.app, request.token);
    const session = this.#sessions.get(key);
    const state = stateOf(session, span);
    const absence = method === 'get' ? undefined : false;
    if (answer === absence) {
      assert.notEqual(state, 'there', `${method} did not find a session that is there`);
      this.#sessions.delete(key);
      return;
    }
    assert.notEqual(state, 'gone', `${method} found a session that is not there`);
    if (method === 'get') assertSession(answer, session);
    else assert.equal(answer, true);
    if (method === 'update') merge(session.fields, request.data);
    if (method === 'refresh') lasting(session, request.duration, span);
    if (method === 'kill') this.#sessions.delete(key);
  }
}

/** As JSON, because JSON escapes lone surrogates, so that they stay different. */
const keyOf = (app, token) => JSON.stringify([String(app), token]);

function stateOf(session, { begun, ended }) {
  if (!session || begun > session.latest + DRIFT) return 'gone';
  return ended < session.soonest - DRIFT ? 'there' : 'either';
}

function lasting(session, duration, { begun, ended }) {
  session.soonest = begun + 1000 * duration;
  session.latest = ended + 1000 * duration;
  return session;
}

/** The keys of data as JSON writes it, in order, each with its value as text. */
function fieldsOf(data) {
  const object = JSON.parse(JSON.stringify(data));
  return new Map(Object.keys(object).map((key) => [key, JSON.stringify(object[key])]));
}

function merge(fields, patch) {
  for (const [key, text] of fieldsOf(patch)) {
    if (text === 'null') fields.delete(key);
    else fields.set(key, text);
  }
}

function assertSession(answer, { ownerId, fields }) {
  const members = [...fields].map(([key, text]) => `${JSON.stringify(key)}:${text}`);
  const expected = { ownerId, data: JSON.parse(`{${members.join()}}`) };
  assert.deepEqual(answer, expected);
  assert.equal(JSON.stringify(answer), JSON.stringify(expected), 'in the same order');
}

module.exports = { Model };
