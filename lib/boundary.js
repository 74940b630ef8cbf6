'use strict';

// The boundary with the engine. Calls gather in a batch, one text that crosses into Rust by one
// call; answers come back as one text that one JSON.parse reads. A promise waits in a slot, whose
// number crosses with the call. src/call.rs and src/answers.rs are the other side.

const { Engine } = require('./native.js');
const { SpotsSessionsError } = require('./errors.js');

// Node's own, taken when this module loads, so that a test's fake timers do not stop the sessions.
const { setImmediate, setTimeout } = require('node:timers');
const { performance } = require('node:perf_hooks');

/** A batch is sent when the turn of the event loop ends, or before, with so many calls. Those of what goes
 * on from answers come in quick succession, and as soon as they are half of all, so that the server works on
 * one half while the other gathers … */
const CALLS_AT_ONCE = 32;

/** … or, with no more than these in all, as soon as they are as many as are on their way: halves as small
 * would come back together, and both sides wait for each other. */
const TOO_FEW_TO_HALVE = 20;

/** A batch is sent with this many characters too, so that no text grows too long for a string. */
const LENGTH_AT_ONCE = 64 * 1024;

/** With so few calls pending the event loop's thread writes them and reads their answers itself, as
 * waking another thread takes longer. With more it would be the one that has too much to do. */
const FEW = process.versions.bun ? 0 : 64; // Bun lets addons find libuv, and aborts when they use it

/** Answers of so many characters wait until other calls have theirs: to parse them takes as long as to
 * parse those of hundreds. And data of so many crosses a turn later than it was written, as to copy it
 * blocks the event loop about as long as that has. */
const LONG = 256 * 1024;

/** … but not for more than so many milliseconds, as there may be no end to other work. */
const PATIENCE = 5;

/** @typedef {{ batch: string, line?: string, due: number }} Waiting */

class Boundary {
  #engine;
  /** This, while calls are pending: so long the engine keeps it. */
  #self = { busy: undefined };
  #maxPending;
  #onEvent;
  #pending = 0;
  #closed = false;
  /** @type {(() => void)[]} */
  #drained = [];

  #receivesMore = false;
  /** Long answers that let others go first, until when. @type {{ text: string, due: number }[]} */
  #long = [];
  /** Whether other answers came since the long ones were looked at. */
  #othersCome = false;
  #look;
  #settlesLong = false;
  #batch = '';
  #batched = 0;
  /** How many calls were pending when answers last came, those answered included. */
  #height = 0;
  /** Whether calls gather for a turn, as they do not come from what waited for answers. */
  #gathers = false;
  /** Whether the last batch was one call, with no other pending. */
  #wasAlone = true;
  /** Whether what is in the batch when the turn ends will be sent. */
  #flushes = false;
  /** Batches with long data, and those behind them. @type {Waiting[]} */
  #waiting = [];

  // By slot. Arrays, as a Map costs a third of the speed.
  #resolvers = [];
  #rejecters = [];
  #freeSlots = [];

  /**
   * @param {object} engineSettings what `EngineSettings` of binding.d.ts says
   * @param {number} maxPending
   * @param {(event: [string, ...string[]]) => void} onEvent
   */
  constructor(engineSettings, maxPending, onEvent) {
    this.#maxPending = maxPending;
    this.#onEvent = onEvent;
    const self = this.#self;
    // Events come while no call is pending too, and must not keep an instance that is forgotten.
    const idle = new WeakRef(this);
    this.#engine = new Engine(
      engineSettings,
      (text, more) => (self.busy ?? idle.deref())?.receive(text, more),
      (text, more) => (self.busy ?? idle.deref())?.settle(text, more),
      () => (self.busy ?? idle.deref())?.afterRead() ?? true,
    );
  }

  /**
   * Sends a call and returns the promise of its answer.
   *
   * @param {string} operation its letter
   * @param {string} fields one a line
   * @param {string} [data] a last field, which may be long
   * @returns {Promise<any>}
   */
  send(operation, fields, data) {
    if (this.#closed) return Promise.reject(closedError());
    if (this.#pending >= this.#maxPending) return Promise.reject(overloadedError(this.#maxPending));
    const slot = this.#freeSlots.pop() ?? this.#resolvers.length;
    const promise = new Promise(capture);
    this.#resolvers[slot] = capturedResolve;
    this.#rejecters[slot] = capturedReject;
    if (this.#pending++ === 0) this.#self.busy = this;

    const isLong = data !== undefined && data.length >= LENGTH_AT_ONCE;
    if (isLong) this.flush();
    this.#batch += `${operation}${slot}\n${fields}\n`;
    this.#batched++;
    if (isLong) {
      // It crosses as it is: one string of all would be put together first.
      this.flush(data);
      return promise;
    }
    if (data !== undefined) this.#batch += `${data}\n`;
    if (this.#isFull()) {
      this.flush();
    } else if (!this.#flushes) {
      this.#flushes = true;
      setImmediate(endTurn, this);
    }
    return promise;
  }

  #isFull() {
    const onTheirWay = this.#pending - this.#batched;
    const gathers = this.#gathers && !(this.#wasAlone && onTheirWay === 0);
    const half = this.#height > TOO_FEW_TO_HALVE ? this.#height / 2 : onTheirWay;
    const enough = gathers ? CALLS_AT_ONCE : Math.min(half, CALLS_AT_ONCE);
    return this.#batched >= enough || this.#batch.length >= LENGTH_AT_ONCE;
  }

  endTurn() {
    this.#flushes = false;
    this.flush();
  }

  get closed() {
    return this.#closed;
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
   * What waited for the answers that this thread has read has gone on.
   *
   * @returns {boolean} whether no call is pending any more
   */
  afterRead() {
    this.#gathers = true;
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
    if (text.length >= LONG && this.#pending > 1) {
      this.#long.push({ text, due: performance.now() + PATIENCE });
    } else if (text !== '') {
      this.#othersCome = true;
      this.#settleAll(JSON.parse(text));
    }
    if (this.#long.length > 0) this.#letOthersGoFirst();
    return this.#pending === 0;
  }

  /** Has the next long answer settled in a later turn, when no other call is pending; until then it is
   * looked at again as long as answers of others come. */
  #letOthersGoFirst() {
    if (this.#settlesLong) return;
    if (this.#pending === this.#long.length) {
      // What waited for the others goes on before the next turn.
      this.#settlesLong = true;
      setImmediate(settleLong, this);
    } else {
      this.#look ??= setTimeout(lookAtLong, 1, this);
    }
  }

  lookAtLong() {
    this.#look = undefined;
    if (this.#long.length === 0) return;
    if (this.#othersCome && performance.now() < this.#long[0].due) {
      this.#othersCome = false;
      this.#letOthersGoFirst();
    } else if (!this.#settlesLong) {
      this.settleLong();
    }
  }

  settleLong() {
    this.#settlesLong = false;
    const next = this.#long.shift();
    if (next === undefined) return;
    this.#settleAll(JSON.parse(next.text));
    if (this.#long.length > 0) this.#letOthersGoFirst();
    if (this.#pending === 0) this.#engine.release();
  }

  /** A turn of the event loop later, so that other work is not held up by many answers. */
  #receiveMore() {
    const text = this.#engine.take();
    this.#receivesMore = text !== null;
    if (text === null) return;
    setImmediate(() => this.#receiveMore());
    this.receive(text, false);
  }

  /** Takes no more calls; resolves when those pending have settled. */
  async close() {
    this.#closed = true;
    this.flush();
    if (this.#pending > 0) await new Promise((resolve) => this.#drained.push(resolve));
    this.#engine.close();
  }

  /**
   * Sends the batch, if there is one. It crosses at once, unless it must wait or another does.
   *
   * @param {string} [line] its last line, if that is long
   */
  flush(line) {
    if (this.#batched === 0) return;
    this.#wasAlone = this.#pending === 1;
    const batch = this.#batch;
    this.#batch = '';
    this.#batched = 0;
    const mayCross = line === undefined || line.length < LONG;
    if (mayCross && this.#waiting.length === 0) return this.#cross(batch, line);
    this.#waiting.push({ batch, line, due: performance.now() + PATIENCE });
    if (this.#waiting.length === 1) setImmediate(() => setImmediate(crossNext, this));
  }

  /** Has the next batch that waits cross; with it those behind it, up to one with a line of its own that
   * has not waited long enough. */
  crossNext() {
    const now = performance.now();
    const follows = (next) => next !== undefined && (next.line === undefined || next.due < now);
    try {
      do {
        const { batch, line } = /** @type {Waiting} */ (this.#waiting.shift());
        this.#cross(batch, line);
      } while (follows(this.#waiting[0]));
    } finally {
      if (this.#waiting.length > 0) setImmediate(crossNext, this);
    }
  }

  /** @param {string} batch @param {string} [line] */
  #cross(batch, line) {
    const here = this.#pending <= FEW && batch.length < LENGTH_AT_ONCE && line === undefined;
    if (!this.#engine.submit(batch, here, line)) this.#rejectAll();
  }

  /** @param {any[][]} columns as src/answers.rs describes them */
  #settleAll([slots, owners, data, others, events]) {
    this.#height = this.#pending;
    this.#gathers = false; // what waited for these goes on
    for (let i = 0; i < slots.length; i++) {
      this.#resolve(slots[i], { ownerId: owners[i], data: data[i] });
    }
    for (let i = 0; i < others.length; i += 2) {
      const slot = others[i];
      const value = others[i + 1];
      if (slot === null) this.#rejectAll();
      else if (slot < 0) this.#reject(~slot, new SpotsSessionsError(...value));
      else this.#resolve(slot, value === null ? undefined : value);
    }
    if (this.#pending === 0) this.#release();
    for (const event of events ?? []) this.#onEvent(event);
  }

  #resolve(slot, value) {
    const resolve = this.#resolvers[slot];
    if (resolve === undefined) return; // given up, when a batch could not be read
    this.#free(slot);
    resolve(value);
  }

  #reject(slot, error) {
    const reject = this.#rejecters[slot];
    if (reject === undefined) return;
    this.#free(slot);
    reject(error);
  }

  #free(slot) {
    this.#resolvers[slot] = undefined;
    this.#rejecters[slot] = undefined;
    this.#freeSlots.push(slot);
    this.#pending--;
  }

  #rejectAll() {
    for (const [slot, reject] of this.#rejecters.entries()) {
      if (reject !== undefined) this.#reject(slot, internalError());
    }
    // Answers may be on their way all the same, and must not be taken for a later call's.
    this.#freeSlots = [];
    this.#long = [];
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

/** @param {Boundary} boundary */
function crossNext(boundary) {
  boundary.crossNext();
}

/** @param {Boundary} boundary */
function settleLong(boundary) {
  boundary.settleLong();
}

/** @param {Boundary} boundary */
function lookAtLong(boundary) {
  boundary.lookAtLong();
}

// One function for every promise is cheaper than a closure for each.
let capturedResolve;
let capturedReject;
function capture(resolve, reject) {
  capturedResolve = resolve;
  capturedReject = reject;
}

/**
 * Spells a name or a token as one line. One that holds a newline, or a lone surrogate, which UTF-8
 * cannot, becomes a JSON string; so does one that could be taken for that.
 *
 * @param {string} text
 */
function spell(text) {
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

function internalError() {
  return new SpotsSessionsError(
    'ERR_SESSIONS_INTERNAL',
    'a bug in @spots-tech/sessions: please report it',
  );
}

module.exports = { Boundary, closedError, spell };
