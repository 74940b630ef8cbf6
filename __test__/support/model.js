'use strict';

// A model of the contract in memory. It knows which answers to a call are right after the earlier calls.
//
// A call acts at some time after it was made and before it was answered. So a call close to the end of a session may
// find the session or not. Which of two sessions ends sooner may be open, too, so it may be open which one `maxSessions`
// has ended. The model asserts only what is certain.

const assert = require('node:assert/strict');
const { idOf } = require('./keys.js');

/** How far the server's clock and ours may drift apart while a short session lives, in ms. */
const DRIFT = 50;

const DEFAULT_DURATION = 86_400;

/** @typedef {{ begun: number, ended: number }} Span when a call was made and answered, in ms */

class Model {
  /** By app and token: the owner, the data by key as JSON, and the earliest and latest time of its end. */
  #sessions = new Map();
  /** By app and owner: the most sessions that may be there. */
  #mosts = new Map();
  /** Each token that ever was: `{ app, ownerId, token }`. */
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
    else if (method === 'list') this.#list(request, answer, span);
    else this.#one(method, request, answer, span);
  }

  /** The time at which all sessions that end within a second have certainly ended, in ms. */
  get soonSettled() {
    const ends = [...this.#sessions.values()].map(({ latest }) => latest + DRIFT);
    return Math.max(0, ...ends.filter((end) => end < performance.now() + 1000));
  }

  #create(request, token, span) {
    const { app, ownerId, data = {}, duration = DEFAULT_DURATION } = request;
    const { sliding = false, lifetime = Infinity, maxSessions = Infinity } = request;
    const session = {
      ...{ app: String(app), ownerId: String(ownerId), fields: fieldsOf(data), created: span },
      capSoonest: span.begun + 1000 * lifetime,
      capLatest: span.ended + 1000 * lifetime,
      sliding: sliding ? duration : Infinity,
      usedLatest: 0,
    };
    const others = this.#ownedBy(request);
    this.#add(app, token, lasting(session, duration, span));
    endSome(others, maxSessions - 1, span);
    const owner = ownerOf(request);
    this.#mosts.set(owner, Math.min((this.#mosts.get(owner) ?? 0) + 1, maxSessions));
  }

  #add(app, token, session) {
    assert.equal(typeof token, 'string');
    const key = keyOf(app, token);
    assert.ok(!this.#sessions.has(key), 'a token is given once');
    this.#sessions.set(key, session);
    this.known.push({ app, ownerId: session.ownerId, token });
    Object.assign(session, { id: idOf(token), key });
  }

  /** The sessions of an owner that may be there. */
  #ownedBy({ app, ownerId }) {
    return [...this.#sessions.values()].filter(
      (session) => session.app === String(app) && session.ownerId === String(ownerId),
    );
  }

  #killAll({ except, ...owner }, answer, span) {
    const key = keyOf(owner.app, except);
    const owned = this.#ownedBy(owner).filter((session) => session.key !== key);
    const states = owned.map((session) => stateOf(session, span));
    if (answer === true) assert.ok(states.includes('there') || states.includes('either'), 'none');
    else assert.ok(answer === false && !states.includes('there'), 'the owner had a session');
    for (const session of owned) this.#sessions.delete(session.key);
  }

  #list({ token, limit = 100, ...owner }, answer, span) {
    const owned = this.#ownedBy(owner);
    const most = this.#mosts.get(ownerOf(owner)) ?? 0;
    assert.ok(answer.length <= Math.min(limit, most), `${answer.length} of ${limit}, ${most}`);
    for (const { current, ...listed } of answer) {
      const session = owned.find(({ id }) => id === listed.id);
      assert.notEqual(stateOf(session, span), 'gone', 'it lists a session that is not there');
      assertDescribed({ ...listed, ownerId: session.ownerId }, session);
      session.maybe = false;
      assert.equal(current, session.key === keyOf(owner.app, token));
    }
    const isNewestFirst = answer.every(
      ({ createdAt, id }, n) =>
        n === 0 ||
        answer[n - 1].createdAt > createdAt ||
        (Number(answer[n - 1].createdAt) === Number(createdAt) && answer[n - 1].id < id),
    );
    assert.ok(isNewestFirst, 'the newest first, and none twice');
    if (answer.length === limit) return;
    for (const session of owned) {
      if (answer.some(({ id }) => id === session.id)) continue;
      assert.notEqual(stateOf(session, span), 'there', 'it misses a session');
      this.#sessions.delete(session.key);
    }
  }

  #one(method, request, answer, span) {
    const session =
      'id' in request
        ? this.#ownedBy(request).find(({ id }) => id === request.id)
        : this.#sessions.get(keyOf(request.app, request.token));
    const state = stateOf(session, span);
    const absence = ['get', 'info', 'rotate'].includes(method) ? undefined : false;
    if (answer === absence) {
      assert.notEqual(state, 'there', `${method} did not find a session that is there`);
      this.#sessions.delete(session?.key);
      return;
    }
    assert.notEqual(state, 'gone', `${method} found a session that is not there`);
    session.maybe = false;
    if (method === 'get') assertSession(answer, session);
    else if (method === 'info') assertDescribed(answer, session);
    else if (method !== 'rotate') assert.equal(answer, true);
    if (method === 'update') merge(session.fields, request.data);
    if (method === 'get' || method === 'update') use(session, span);
    if (method === 'refresh') lasting(session, request.duration, span);
    const { key } = session;
    if (method === 'rotate') this.#add(request.app, answer, session);
    if (method === 'kill' || method === 'rotate') this.#sessions.delete(key);
  }
}

/** As JSON, because JSON escapes lone surrogates, so that they stay different. */
const keyOf = (app, token) => JSON.stringify([String(app), token]);

const ownerOf = ({ app, ownerId }) => keyOf(app, String(ownerId));

function stateOf(session, { begun, ended }) {
  if (!session || begun > session.latest + DRIFT) return 'gone';
  return ended < session.soonest - DRIFT && !session.maybe ? 'there' : 'either';
}

/** Gives a session a new duration, up to its lifetime. An extension of an earlier use may still be on its way. */
function lasting(session, duration, { begun, ended }) {
  session.soonest = Math.min(begun + 1000 * duration, session.capSoonest);
  const latest = Math.max(ended + 1000 * duration, session.usedLatest);
  session.latest = Math.min(latest, session.capLatest);
  return session;
}

/** Lets a sliding session live longer, if its extension arrives in time. */
function use(session, { ended }) {
  if (session.sliding === Infinity) return;
  session.usedLatest = ended + 1000 * session.sliding;
  session.latest = Math.max(session.latest, Math.min(session.usedLatest, session.capLatest));
}

/** Whether a session certainly ends after another one, or at the same time and is certainly newer. */
function endsAfter(one, other) {
  if (one.soonest > other.latest + DRIFT) return true;
  const isTie = one.soonest === Infinity && other.soonest === Infinity;
  return isTie && one.created.begun > other.created.ended + DRIFT;
}

/** Ends all sessions but those of an owner that end last. Some end certainly, and others may. */
function endSome(sessions, most, span) {
  const ends = sessions.map((session) => {
    const others = sessions.filter((other) => other !== session);
    const after = others.filter((other) => endsAfter(other, session));
    if (after.filter((other) => stateOf(other, span) === 'there').length >= most) return 'ended';
    const before = others.filter(
      (other) => endsAfter(session, other) || stateOf(other, span) === 'gone',
    );
    return others.length - before.length < most ? 'left' : 'either';
  });
  for (const [n, session] of sessions.entries()) {
    if (ends[n] === 'ended') session.latest = -Infinity;
    if (ends[n] === 'either') session.maybe = true;
  }
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
  const data = JSON.parse(`{${members.join()}}`);
  assert.deepEqual(answer, { ownerId, data });
  assert.equal(JSON.stringify(answer.data), JSON.stringify(data), 'in the same order');
}

/** Times of the server are compared with each other, and with ours only as far as the session's creation tells. */
function assertDescribed({ id, createdAt, expiresAt, ...answer }, session) {
  assertSession(answer, session);
  assert.equal(id, session.id);
  session.createdAt ??= Number(createdAt);
  assert.equal(Number(createdAt), session.createdAt, 'the time of its creation stays');
  const life = Number(expiresAt ?? Infinity) - session.createdAt;
  const { begun, ended } = session.created;
  const [least, most] = [session.soonest - ended - DRIFT, session.latest - begun + DRIFT];
  assert.ok(life >= least && life <= most, `it lives for ${life} ms, not ${least} to ${most}`);
}

module.exports = { Model };
