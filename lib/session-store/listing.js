'use strict';

// Lists the sessions of an app, for administration: `all`, `ids`, `length` and `clear`. It goes page by page, so it is no
// snapshot.

const { setEnd } = require('./expiry.js');
const { pagesInMemory } = require('./memory-pages.js');
const { pagesOnServer } = require('./server-pages.js');

/**
 * @typedef {object} Entry a session that was found
 * @property {string} id its public id
 * @property {() => Promise<{ data: any, expiresAt: Date | undefined } | undefined>} load
 * @property {() => Promise<unknown>} kill
 */

class Listing {
  #pages;

  /** @param {import('./options.js').StoreSettings} settings */
  constructor(settings) {
    this.#pages = () => (settings.isInMemory ? pagesInMemory : pagesOnServer)(settings);
  }

  async ids() {
    const ids = [];
    for await (const page of this.#pages()) ids.push(...page.map(({ id }) => id));
    return ids;
  }

  async length() {
    return (await this.ids()).length;
  }

  /** @returns {Promise<object[]>} each with its public id as its property `id` */
  async all() {
    const sessions = [];
    for await (const page of this.#pages()) {
      const found = await Promise.all(page.map(({ load }) => load()));
      for (const [index, session] of found.entries()) {
        if (session === undefined) continue;
        setEnd(session.data.cookie, session.expiresAt);
        sessions.push(Object.assign(session.data, { id: page[index].id }));
      }
    }
    return sessions;
  }

  async clear() {
    for await (const page of this.#pages()) await Promise.all(page.map(({ kill }) => kill()));
  }
}

module.exports = { Listing };
