'use strict';

// What is so long that it holds up the event loop: of answers, those of other calls go first; data crosses a
// turn after it was written.

// Node's own, taken when this module loads, so that a test's fake timers do not stop the sessions.
const { setImmediate, setTimeout } = require('node:timers');
const { performance } = require('node:perf_hooks');

/** So many characters of JSON are long. To parse them takes as long as to parse the answers of hundreds of
 * calls; to copy them into Rust blocks the event loop about as long as to write them has; and to look at the
 * first of what was just written takes up to a millisecond per mebibyte, as V8 has it in pieces. */
const LONG_CHARACTERS = 256 * 1024;

/** For so many milliseconds it waits for other work at the most, as there may be no end to that. */
const MAX_WAIT_MS = 5;

/** Long answers that let others go first. */
class LongAnswers {
  #boundary;
  /** @type {{ text: string, due: number }[]} */
  #waiting = [];
  /** Whether other answers came since these were looked at. */
  #othersCame = false;
  #look;
  #settlesNext = false;

  /** @param {{ readonly pending: number, settleLong: (text: string) => void }} boundary */
  constructor(boundary) {
    this.#boundary = boundary;
  }

  /** @param {string} text */
  keep(text) {
    this.#waiting.push({ text, due: performance.now() + MAX_WAIT_MS });
  }

  othersCome() {
    this.#othersCame = true;
  }

  forget() {
    this.#waiting = [];
  }

  /** Has the next one settled in a later turn, when no other call is pending; until then it is looked at again
   * as long as answers of others come. */
  letOthersGoFirst() {
    if (this.#waiting.length === 0 || this.#settlesNext) return;
    if (this.#boundary.pending === this.#waiting.length) {
      // What waited for the others goes on before the next turn.
      this.#settlesNext = true;
      setImmediate(settleNext, this);
    } else {
      this.#look ??= setTimeout(look, 1, this);
    }
  }

  look() {
    this.#look = undefined;
    if (this.#waiting.length === 0) return;
    if (this.#othersCame && performance.now() < this.#waiting[0].due) {
      this.#othersCame = false;
      this.letOthersGoFirst();
    } else if (!this.#settlesNext) {
      this.settleNext();
    }
  }

  settleNext() {
    this.#settlesNext = false;
    const next = this.#waiting.shift();
    if (next === undefined) return;
    this.#boundary.settleLong(next.text);
    this.letOthersGoFirst();
  }
}

/** @typedef {{ batch: string, line?: string, due: number }} Waiting */

/** Batches that cross in their order: at once, unless one has a long line, or waits behind one that has. */
class Crossing {
  #cross;
  /** @type {Waiting[]} */
  #waiting = [];

  /** @param {(batch: string, line?: string) => void} cross */
  constructor(cross) {
    this.#cross = cross;
  }

  /**
   * @param {string} batch
   * @param {string} [line] its last line, if that may be long
   */
  send(batch, line) {
    const mayCross = line === undefined || line.length < LONG_CHARACTERS;
    if (mayCross && this.#waiting.length === 0) return this.#cross(batch, line);
    this.#waiting.push({ batch, line, due: performance.now() + MAX_WAIT_MS });
    if (this.#waiting.length === 1) setImmediate(() => setImmediate(sendNext, this));
  }

  /** Has the next batch that waits cross; with it those behind it, up to one with a line of its own that
   * has not waited long enough. */
  sendNext() {
    const now = performance.now();
    const follows = (next) => next !== undefined && (next.line === undefined || next.due < now);
    try {
      do {
        const { batch, line } = /** @type {Waiting} */ (this.#waiting.shift());
        this.#cross(batch, line);
      } while (follows(this.#waiting[0]));
    } finally {
      if (this.#waiting.length > 0) setImmediate(sendNext, this);
    }
  }
}

/** @param {LongAnswers} answers */
function settleNext(answers) {
  answers.settleNext();
}

/** @param {LongAnswers} answers */
function look(answers) {
  answers.look();
}

/** @param {Crossing} crossing */
function sendNext(crossing) {
  crossing.sendNext();
}

module.exports = { Crossing, LONG_CHARACTERS, LongAnswers };
