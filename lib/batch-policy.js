'use strict';

// Decides when a batch of calls is sent: when it is full, or else at the end of the turn of the event loop.

/** The most calls in one batch. */
const MAX_CALLS = 32;

/**
 * The most calls with long answers in one batch. With 32 of them the server and this process would wait for each other:
 * with 64 in flight there were 0.7 times as many lists a second.
 */
const MAX_LONG_ANSWERS = 8;

/** A batch of this many characters is sent at once, so that no text becomes too long for a JavaScript string. */
const MAX_CHARACTERS = 64 * 1024;

/**
 * With more pending calls than this, each half of them is a batch: the server works on one half while the other half
 * gathers. The answers to smaller halves would arrive together, and client and server would wait for each other.
 */
const MAX_PENDING_NOT_HALVED = 20;

/**
 * Continuations of answers make their calls in quick succession, so these calls are sent before the turn ends. Other
 * calls gather until the turn ends.
 */
class BatchPolicy {
  /** How many calls were pending when answers last arrived, including the answered ones. */
  #peak = 0;
  /** Whether calls gather until the turn ends, because the continuations of the last answers have run. */
  #gathers = false;
  /** Whether the last batch was a single call, and no other call was pending. */
  #wasAlone = true;

  /**
   * Whether the batch should be sent now.
   *
   * @param {number} batched calls in the batch
   * @param {number} characters the length of the batch
   * @param {number} pending calls without an answer, including those in the batch
   */
  isFull(batched, characters, pending) {
    const inFlight = pending - batched;
    const gathers = this.#gathers && !(this.#wasAlone && inFlight === 0);
    const half = this.#peak > MAX_PENDING_NOT_HALVED ? this.#peak / 2 : inFlight;
    const enough = gathers ? MAX_CALLS : Math.min(half, MAX_CALLS);
    return batched >= enough || characters >= MAX_CHARACTERS;
  }

  /** Notes that a batch is being sent. @param {number} pending calls without an answer */
  sent(pending) {
    this.#wasAlone = pending === 1;
  }

  /** Notes that answers have arrived. Their continuations run next. @param {number} pending including these calls */
  answered(pending) {
    this.#peak = pending;
    this.#gathers = false;
  }

  /** Notes that the continuations of the answers have run. */
  continued() {
    this.#gathers = true;
  }
}

module.exports = { BatchPolicy, MAX_CHARACTERS, MAX_LONG_ANSWERS };
