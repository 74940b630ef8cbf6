'use strict';

// When a batch of calls is sent: at the end of the turn of the event loop, or before, when it is full.

/** This many calls are sent together at the most. */
const MAX_CALLS = 32;

/** A batch of this many characters is sent, so that no text grows too long for a string. */
const MAX_CHARACTERS = 64 * 1024;

/** With more calls than these pending, a half of them is sent at once: the server works on it while the other half
 * gathers. Halves of fewer would come back together, and both sides would wait for each other. */
const MAX_PENDING_NOT_HALVED = 20;

/**
 * Calls that continuations of answers make come in quick succession, so they are sent before the turn ends. Calls that
 * begin by themselves gather for the turn.
 */
class BatchPolicy {
  /** How many calls were pending when answers last came, those answered included. */
  #peak = 0;
  /** Whether calls gather until the turn ends, because no continuation of an answer makes them. */
  #gathers = false;
  /** Whether the last batch was one call, with no other pending. */
  #wasAlone = true;

  /**
   * Whether the batch is to be sent now.
   *
   * @param {number} batched calls in it
   * @param {number} characters its length
   * @param {number} pending calls that wait for an answer, those of the batch included
   */
  isFull(batched, characters, pending) {
    const inFlight = pending - batched;
    const gathers = this.#gathers && !(this.#wasAlone && inFlight === 0);
    const half = this.#peak > MAX_PENDING_NOT_HALVED ? this.#peak / 2 : inFlight;
    const enough = gathers ? MAX_CALLS : Math.min(half, MAX_CALLS);
    return batched >= enough || characters >= MAX_CHARACTERS;
  }

  /** A batch is sent. @param {number} pending */
  sent(pending) {
    this.#wasAlone = pending === 1;
  }

  /** Answers have come: their continuations run next. @param {number} pending those answered included */
  answered(pending) {
    this.#peak = pending;
    this.#gathers = false;
  }

  /** The continuations of the answers have run. */
  continued() {
    this.#gathers = true;
  }
}

module.exports = { BatchPolicy, MAX_CHARACTERS };
