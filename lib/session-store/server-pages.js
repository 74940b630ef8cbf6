'use strict';

// The sessions of a store on a server, found by SCAN on each primary, through `sessions.client`. Sessions that `create`
// made may be in the same app. The mark in the first line of a record tells them apart: docs/storage.md.

const { killById, loadById } = require('../foreign.js');
const { partsOf } = require('../operations.js');
const { escapeGlob, inTime, primariesOf, scan } = require('../scan.js');
const { publicId } = require('./names.js');

/** The longest first line of a record, in bytes. */
const MAX_FIRST_LINE = 200;

/**
 * @param {import('./options.js').StoreSettings} settings
 * @returns {AsyncGenerator<import('./listing.js').Entry[]>}
 */
async function* pagesOnServer({ sessions, app }) {
  const { client } = sessions;
  const { prefix, commandTimeout } = partsOf(sessions).settings;
  const pattern = `${escapeGlob(prefix)}{????????:${escapeGlob(app)}}:s:*`;
  const seen = new Set();
  for (const primary of await primariesOf(client, commandTimeout)) {
    for await (const found of scan(primary, pattern, commandTimeout)) {
      const keys = found.map((key) => key.toString());
      const fresh = keys.filter((key) => !seen.has(key));
      for (const key of fresh) seen.add(key);
      const marked = await inTime(
        commandTimeout,
        Promise.all(fresh.map((key) => isMarked(client, key))),
      );
      yield fresh.flatMap((key, index) => {
        const id = idIn(key, prefix, app);
        return id !== undefined && marked[index] ? entryOf(sessions, app, key, id) : [];
      });
    }
  }
}

/** Returns the public id of the session with this key, or undefined if it is no key of the app's sessions. */
function idIn(/** @type {string} */ key, /** @type {string} */ prefix, /** @type {string} */ app) {
  const route = key.slice(`${prefix}{`.length).slice(0, 8);
  const name = key.slice(-22);
  const isOurs = key === `${prefix}{${route}:${app}}:s:${name}`;
  const isNamed = /^[0-9a-f]{8}$/.test(route) && /^[\w-]{22}$/.test(name);
  return isOurs && isNamed ? publicId(name, Buffer.from(route, 'hex')) : undefined;
}

/** Whether a session has a token from elsewhere. @param {any} client @param {string} key */
async function isMarked(client, key) {
  try {
    const [line] = (await client.getrange(key, 0, MAX_FIRST_LINE - 1)).split('\n', 1);
    return line.includes('"mark":');
  } catch (error) {
    if (/^WRONGTYPE/.test(error.message)) return false;
    throw error;
  }
}

/** @returns {import('./listing.js').Entry} */
function entryOf(sessions, app, key, id) {
  const load = () =>
    loadById(sessions, { app, id }).catch((error) => {
      if (error.code !== 'ERR_SESSIONS_CORRUPT') throw error;
      return undefined;
    });
  return {
    id,
    load,
    async kill() {
      const found = await load();
      // What cannot be read belongs to nobody, and goes, too.
      if (found) return killById(sessions, { app, id, ...found });
      return inTime(partsOf(sessions).settings.commandTimeout, sessions.client.del(key));
    },
  };
}

module.exports = { pagesOnServer };
