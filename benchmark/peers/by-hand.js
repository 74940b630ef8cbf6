'use strict';

// Hand-written sessions on a plain client: JSON under a key that the caller already has in full. This does less than
// the package: parallel updates can overwrite each other, there is no index of an owner's sessions, and anyone who sees
// a key in Redis can open its session.

const { randomBytes } = require('node:crypto');

/**
 * @typedef {object} Commands the commands, in the API of one client
 * @property {(key: string, text: string, seconds: number) => Promise<unknown>} set SET EX
 * @property {(key: string) => Promise<string | null>} get
 * @property {(key: string, text: string) => Promise<unknown>} replace SET KEEPTTL
 * @property {(key: string, seconds: number) => Promise<unknown>} expire
 * @property {(key: string) => Promise<unknown>} del
 */

/**
 * @param {Commands} commands
 * @returns {import('./peer').Sessions}
 */
function byHand(commands) {
  return {
    async create({ app, ownerId, data, duration }) {
      const key = `session:${app}:${randomBytes(16).toString('base64url')}`;
      await commands.set(key, JSON.stringify({ ownerId, data }), duration);
      return key;
    },
    async get(key) {
      return JSON.parse(await commands.get(key)) ?? undefined;
    },
    async update(key, patch) {
      const session = JSON.parse(await commands.get(key));
      if (session === null) return false;
      merge(session.data, patch);
      return commands.replace(key, JSON.stringify(session));
    },
    refresh: commands.expire,
    kill: commands.del,
  };
}

/** Sets keys at the top level; `null` deletes. */
function merge(data, patch) {
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete data[name];
    else data[name] = value;
  }
}

module.exports = { byHand, merge };
