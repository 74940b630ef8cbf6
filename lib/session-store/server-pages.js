'use strict';

// The sessions of a store on a server, found by SCAN on each primary, through `sessions.client`. Sessions that `create`
// made may be in the same app. The mark in the first line of a record tells them apart: docs/storage.md.

const { partsOf } = require('../operations.js');
const { publicId } = require('./names.js');
const { readRecord } = require('./record.js');

/** How many keys the server looks at in one step. */
const STEP = 1000;

/** The longest first line of a record, in bytes. */
const MAX_FIRST_LINE = 200;

/**
 * @param {import('./options.js').StoreSettings} settings
 * @returns {AsyncGenerator<import('./listing.js').Entry[]>}
 */
async function* pagesOnServer({ sessions, app }) {
  const { client } = sessions;
  const { prefix } = partsOf(sessions).settings;
  const pattern = `${escaped(prefix)}{????????:${escaped(app)}}:s:*`;
  const seen = new Set();
  for (const primary of await primariesOf(client)) {
    let cursor = '0';
    do {
      const [next, keys] = await primary.scan(cursor, 'MATCH', pattern, 'COUNT', STEP);
      cursor = next;
      // SCAN may name a key twice.
      const fresh = keys.filter((key) => !seen.has(key));
      for (const key of fresh) seen.add(key);
      const marked = await Promise.all(fresh.map((key) => isMarked(client, key)));
      yield fresh.flatMap((key, index) => {
        const id = idIn(key, prefix, app);
        return id !== undefined && marked[index] ? entryOf(sessions, app, key, id) : [];
      });
    } while (cursor !== '0');
  }
}

/** @param {any} client @returns {Promise<any[]>} */
async function primariesOf(client) {
  if (!client.isCluster) return [client];
  // It knows the nodes once one of them has answered.
  await client.ping();
  return client.nodes('master');
}

/** Takes their meaning from the characters that have one in a pattern of Redis. @param {string} text */
function escaped(text) {
  return text.replace(/[*?[\]\\^-]/g, '\\$&');
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
  const { client } = sessions;
  const read = async () => {
    const text = await client.get(key);
    return text === null ? undefined : readRecord(text);
  };
  return {
    id,
    async load() {
      const [session, left] = await Promise.all([read(), client.pttl(key)]);
      const expiresAt = left < 0 ? undefined : new Date(Date.now() + left);
      return session && { data: session.data, expiresAt };
    },
    async kill() {
      const ownerId = (await read())?.ownerId;
      return ownerId === undefined ? client.del(key) : sessions.kill({ app, ownerId, id });
    },
  };
}

module.exports = { pagesOnServer };
