'use strict';

// The sessions of an app on `memory:`, which has no SCAN. So their tokens are kept here.

const { kill, load } = require('../foreign.js');
const { idOf } = require('./names.js');

/** How many sessions are loaded at once. */
const PAGE = 100;

/** By instance, which is a store of its own on `memory:`, and by app. @type {WeakMap<object, Map<string, Tokens>>} */
const known = new WeakMap();

class Tokens {
  /** When each session ends, in ms, or Infinity. @type {Map<string, number>} */
  #ends = new Map();
  #pruneAt = PAGE;

  /** @param {string} token @param {number} expiresAt */
  add(token, expiresAt) {
    this.#ends.set(token, expiresAt);
    if (this.#ends.size < this.#pruneAt) return;
    const now = Date.now();
    for (const [each, end] of this.#ends) if (end <= now) this.#ends.delete(each);
    this.#pruneAt = PAGE + 2 * this.#ends.size;
  }

  /** @param {string} token */
  delete(token) {
    this.#ends.delete(token);
  }

  [Symbol.iterator]() {
    return this.#ends.keys();
  }
}

/** @param {import('./options.js').StoreSettings} settings */
function tokensOf({ sessions, app }) {
  const apps = known.get(sessions) ?? new Map();
  known.set(sessions, apps);
  const tokens = apps.get(app) ?? new Tokens();
  apps.set(app, tokens);
  return tokens;
}

/**
 * @param {import('./options.js').StoreSettings} settings
 * @returns {AsyncGenerator<import('./listing.js').Entry[]>}
 */
async function* pagesInMemory({ sessions, app }) {
  const tokens = [...tokensOf({ sessions, app })];
  while (tokens.length > 0) {
    const places = tokens.splice(0, PAGE).map((token) => ({ app, token }));
    const found = await Promise.all(places.map((place) => load(sessions, place)));
    yield places.flatMap((place, index) =>
      found[index] === undefined
        ? []
        : {
            id: idOf(place.token),
            load: async () => found[index],
            kill: () => kill(sessions, place),
          },
    );
  }
}

module.exports = { pagesInMemory, tokensOf };
