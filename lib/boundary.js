'use strict';

// The boundary with the engine. Calls gather in a batch, one text that crosses into Rust in one call. Answers come back
// as one text, which one JSON.parse reads. A call crosses with an id, under which its promise waits. The other side is in
// src/call.rs, src/operation/ and src/answers.rs.

const { BatchPolicy, MAX_CHARACTERS, MAX_LONG_ANSWERS } = require('./batch-policy.js');
const { SpotsSessionsError, withCaller } = require('./errors.js');
const { Engine } = require('./native.js');

// Node's own, taken when this module loads, so that a test's fake timers do not stop the sessions.
const { setImmediate } = require('node:timers');

/** With at most this many calls pending, the event loop's thread writes them and reads their answers itself, because it
 * takes longer to wake another thread. With more calls, this thread would have too much to do. */
const MAX_PENDING_INLINE = 64;

class Boundary {
  #engine;
  /** This object, while calls are pending and until the first event that is no question. The engine keeps it for as long. */
  #self = { busy: undefined, unheard: this };
  #maxPending;
  #onEvent;
  #questions;
  #showsCaller;
  #pending = 0;
  #closed = false;
  /** @type {(() => void)[]} */
  #drained = [];

  #receivesMore = false;
  #batch = '';
  #batched = 0;
  /** How many of those in the batch have long answers. */
  #longAnswers = 0;
  #policy = new BatchPolicy();
  /** Whether what is in the batch when the turn ends will be sent. */
  #flushes = false;

  // By id. Arrays, because a Map costs a third of the speed.
  #resolvers = [];
  #rejecters = [];
  #freeIds = [];

  /**
   * @param {object} engineSettings `EngineSettings` of binding.d.ts
   * @param {number} maxPending
   * @param {(event: [string, ...string[]]) => void} onEvent
   * @param {object} [more]
   * @param {import('./questions.js').Questions} [more.questions] answers the engine's questions
   * @param {boolean} [more.showsCaller] whether the stack of an error is that of its call
   */
  constructor(engineSettings, maxPending, onEvent, { questions, showsCaller = false } = {}) {
    this.#maxPending = maxPending;
    this.#onEvent = onEvent;
    this.#questions = questions;
    this.#showsCaller = showsCaller;
    const self = this.#self;
    // Events come while no call is pending too, and they must not keep an instance that the program has forgotten. But it
    // may wait for the first one: `await once(sessions, 'ready')` alone keeps nothing.
    const weak = new WeakRef(this);
    const kept = () => self.busy ?? self.unheard ?? weak.deref();
    this.#engine = new Engine(
      engineSettings,
      (text, more) => kept()?.receive(text, more),
      (text, more) => kept()?.settle(text, more),
      () => kept()?.afterRead() ?? true,
    );
  }

  /**
   * Sends a call and returns the promise of its answer.
   *
   * @param {string} operation its letter
   * @param {string} fields each on a line of its own
   * @param {string} [data] the last field, which may be long
   * @returns {Promise<any>}
   */
  send(operation, fields, data) {
    if (this.#closed) return Promise.reject(closedError());
    if (this.#pending >= this.#maxPending) return Promise.reject(overloadedError(this.#maxPending));
    const id = this.#freeIds.pop() ?? this.#resolvers.length;
    const promise = new Promise(capture);
    this.#resolvers[id] = capturedResolve;
    this.#rejecters[id] = this.#showsCaller ? withCaller(capturedReject) : capturedReject;
    if (this.#pending++ === 0) this.#self.busy = this;

    const isLong = data !== undefined && data.length >= MAX_CHARACTERS;
    if (isLong) this.flush();
    this.#batch += `${operation}${id}\n${fields}\n`;
    this.#batched++;
    if (isLong) {
      // It crosses as a string of its own. Otherwise V8 would first copy it into one string with the other calls.
      this.flush(data);
      return promise;
    }
    if (data !== undefined) this.#batch += `${data}\n`;
    if (this.#policy.isFull(this.#batched, this.#batch.length, this.#pending)) {
      this.flush();
    } else if (!this.#flushes) {
      this.#flushes = true;
      setImmediate(endTurn, this);
    }
    return promise;
  }

  /**
   * Sends a call that has a long answer.
   *
   * @param {string} operation
   * @param {string} fields
   * @returns {Promise<any>}
   */
  sendForLong(operation, fields) {
    const promise = this.send(operation, fields);
    if (++this.#longAnswers >= MAX_LONG_ANSWERS) this.flush();
    return promise;
  }

  endTurn() {
    this.#flushes = false;
    this.flush();
  }

  get closed() {
    return this.#closed;
  }

  get pending() {
    return this.#pending;
  }

  /**
   * Answers a call without the engine.
   *
   * @template T
   * @param {T} value
   * @returns {Promise<T>}
   */
  answer(value) {
    return this.#closed ? Promise.reject(closedError()) : Promise.resolve(value);
  }

  /**
   * Settles the promises that a batch of answers names, and lets the process end after the last.
   *
   * @param {string} text
   * @param {boolean} more
   */
  receive(text, more) {
    if (this.settle(text, more)) this.#engine.release();
  }

  /**
   * The continuations of the answers that this thread has read have run.
   *
   * @returns {boolean} whether no call is pending any more
   */
  afterRead() {
    this.#policy.continued();
    return this.#pending === 0;
  }

  /**
   * Settles the promises that a batch of answers names.
   *
   * @param {string} text
   * @param {boolean} more whether another batch is ready
   * @returns {boolean} whether no call is pending any more
   */
  settle(text, more) {
    if (more && !this.#receivesMore) {
      this.#receivesMore = true;
      setImmediate(() => this.#receiveMore());
    }
    if (text !== '') this.#settleText(text);
    return this.#pending === 0;
  }

  /** @param {string} text */
  #settleText(text) {
    let columns;
    try {
      columns = JSON.parse(text);
    } catch {
      // The text does not say which calls it answers. If this threw, no call would ever settle.
      return this.#rejectAll();
    }
    this.#settleAll(columns);
  }

  /** Takes more answers, a turn of the event loop later, so that many answers do not hold up other work. */
  #receiveMore() {
    const text = this.#engine.take();
    this.#receivesMore = text !== null;
    if (text === null) return;
    setImmediate(() => this.#receiveMore());
    this.receive(text, false);
  }

  /** Takes no more calls. Resolves when the pending calls have settled. */
  async close() {
    this.#closed = true;
    this.#self.unheard = undefined;
    this.flush();
    if (this.#pending > 0) await new Promise((resolve) => this.#drained.push(resolve));
    this.#engine.close();
  }

  /**
   * Sends the batch, if there is one.
   *
   * @param {string} [line] its last line, if that is long
   */
  flush(line) {
    if (this.#batched === 0) return;
    this.#policy.sent(this.#pending);
    const batch = this.#batch;
    this.#batch = '';
    this.#batched = 0;
    this.#longAnswers = 0;
    const here =
      this.#pending <= MAX_PENDING_INLINE && batch.length < MAX_CHARACTERS && line === undefined;
    try {
      if (this.#engine.submit(batch, here, line)) return;
    } catch {
      // There is no memory for the batch. If it has a long line, it has one call, and begins with its letter and its id.
      if (line !== undefined) return this.#rejectAlone(Number.parseInt(batch.slice(1), 10));
    }
    this.#rejectAll();
    this.#engine.release();
  }

  /** @param {number} id of a call that has not crossed */
  #rejectAlone(id) {
    this.#reject(id, memoryError());
    if (this.#pending > 0) return;
    this.#release();
    this.#engine.release();
  }

  /** @param {any[][]} columns as src/answers.rs describes them */
  #settleAll([ids, owners, data, others, events]) {
    this.#policy.answered(this.#pending);
    for (let i = 0; i < ids.length; i++) {
      this.#resolve(ids[i], { ownerId: owners[i], data: data[i] });
    }
    for (let i = 0; i < others.length; i += 2) {
      const id = others[i];
      const value = others[i + 1];
      if (id === null) this.#rejectAll();
      else if (id < 0) this.#reject(~id, new SpotsSessionsError(...value));
      else this.#resolve(id, value === null ? undefined : value);
    }
    if (this.#pending === 0) this.#release();
    if (events === undefined) return;
    for (const event of events) {
      if (event[0] === 'asks') this.#ask(event);
      else this.#tell(event);
    }
  }

  /** @param {[kind: string, number: string, name: string, argument: string]} question */
  #ask([, number, name, argument]) {
    // A function may take long, and must not keep an instance that the program has forgotten.
    const weak = new WeakRef(this);
    const answer = (number, text) => weak.deref()?.#engine.answer(number, text);
    this.#questions?.ask(number, name, argument, answer);
  }

  #tell(event) {
    this.#self.unheard = undefined;
    this.#onEvent(event);
  }

  #resolve(id, value) {
    const resolve = this.#resolvers[id];
    if (resolve === undefined) return; // it was rejected before, by #rejectAll
    this.#free(id);
    resolve(value);
  }

  #reject(id, error) {
    const reject = this.#rejecters[id];
    if (reject === undefined) return;
    this.#free(id);
    reject(error);
  }

  #free(id) {
    this.#resolvers[id] = undefined;
    this.#rejecters[id] = undefined;
    this.#freeIds.push(id);
    this.#pending--;
  }

  #rejectAll() {
    for (const [id, reject] of this.#rejecters.entries()) {
      if (reject !== undefined) this.#reject(id, internalError());
    }
    // Answers to these calls may still arrive. Later calls must not have the same ids.
    this.#freeIds = [];
    this.#release();
  }

  #release() {
    this.#self.busy = undefined;
    for (const resolve of this.#drained.splice(0)) resolve();
  }
}

/** @param {Boundary} boundary */
function endTurn(boundary) {
  boundary.endTurn();
}

// One function for all promises is cheaper than a closure for each.
let capturedResolve;
let capturedReject;
function capture(resolve, reject) {
  capturedResolve = resolve;
  capturedReject = reject;
}

/**
 * Encodes a name or a token as one line. A text that holds a newline, or a lone surrogate, which UTF-8 cannot encode,
 * becomes a JSON string. So does a text that begins with a quote, because it could be taken for a JSON string.
 *
 * @param {string} text
 */
function encode(text) {
  return text.charCodeAt(0) === 34 /* " */ || text.includes('\n') || !text.isWellFormed()
    ? JSON.stringify(text)
    : text;
}

function closedError() {
  return new SpotsSessionsError('ERR_SESSIONS_CLOSED', 'the sessions were closed');
}

/** @param {number} maxPending */
function overloadedError(maxPending) {
  return new SpotsSessionsError(
    'ERR_SESSIONS_OVERLOADED',
    `${maxPending} calls are pending already (maxPending): redis does not keep up`,
  );
}

function memoryError() {
  return new SpotsSessionsError(
    'ERR_SESSIONS_OVERLOADED',
    'this process has not enough memory for the data of the call: nothing was done',
  );
}

function internalError() {
  return new SpotsSessionsError(
    'ERR_SESSIONS_INTERNAL',
    'a bug in @spots-tech/sessions: please report it',
  );
}

module.exports = { Boundary, closedError, encode };
