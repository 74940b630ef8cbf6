'use strict';

// Reads one session of another system, or says why it is none that can be moved. Nothing here asks the server.

const { isUtf8 } = require('node:buffer');
const { checkName } = require('../arguments.js');
const { EXPIRY } = require('./old-keys.js');

/**
 * @typedef {object} OldSystem
 * @property {string} prefix what all its keys begin with
 * @property {boolean} needsOwner whether each of its sessions has an owner
 * @property {(rest: string) => { token: string, ownerOf: (data: any) => string | undefined } | undefined} parseKey
 *   reads what follows the prefix in a key; undefined if the key is not one of this app
 * @property {(data: any) => boolean} isSession whether an object is a session
 *
 * @typedef {object} OldSession
 * @property {string} token
 * @property {string | undefined} ownerId
 * @property {object} data
 * @property {string} json the data as it was read
 */

/** Why a key is not moved. The first two are no fault. */
const WHY = Object.freeze({
  gone: 'ended before it was read',
  endless: 'never expires',
  notString: 'not a string',
  notJson: 'not JSON',
  notSession: 'JSON, but no session',
  tooLarge: 'larger than maxDataSize',
  badKey: 'a key that is not UTF-8',
  badToken: 'a token of fewer than 16 bytes, or beyond Latin-1',
  badOwner: 'an owner that is empty, or longer than 4096 characters',
  differs: 'the token opens another session already',
  changed: 'changed while it was moved',
});

/** @typedef {keyof typeof WHY} Why */

/** A token that can be taken over: its text is Latin-1, and any encoding of 16 bytes has at least 16 characters. */
const TOKEN = /^[\0-\xff]{16,4096}$/;

/** @type {Record<number, Why>} */
const WITHOUT_VALUE = {
  [EXPIRY.GONE]: 'gone',
  [EXPIRY.NO_STRING]: 'notString',
  [EXPIRY.TOO_LARGE]: 'tooLarge',
};

/**
 * Reads a session.
 *
 * @param {OldSystem} system
 * @param {{ key: string, value: Buffer | null, expiry?: number }} entry
 * @param {boolean} takesEndless whether a session without an expiry is moved
 * @returns {OldSession | Why | undefined} undefined if the key is not one of the app
 */
function readOldSession(system, { key, value, expiry }, takesEndless) {
  const parsed = system.parseKey(key.slice(system.prefix.length));
  if (parsed === undefined) return undefined;
  if (value === null) return WITHOUT_VALUE[expiry];
  if (!isUtf8(value)) return 'notJson';
  const json = value.toString();
  const data = parseObject(json);
  if (data === undefined) return 'notJson';
  if (data === null || !system.isSession(data)) return 'notSession';
  const { token, ownerOf } = parsed;
  if (!TOKEN.test(token)) return 'badToken';
  const ownerId = ownerOf(data);
  if ((system.needsOwner || ownerId !== undefined) && !isName(ownerId)) return 'badOwner';
  if (expiry === EXPIRY.NEVER && !takesEndless) return 'endless';
  return { token, ownerId, data, json };
}

/**
 * Parses JSON. Returns null if it is no object, and undefined if it is not JSON.
 *
 * @param {string} json
 */
function parseObject(json) {
  try {
    const value = JSON.parse(json);
    return typeof value === 'object' && !Array.isArray(value) ? value : null;
  } catch {
    return undefined;
  }
}

/** @param {unknown} ownerId */
function isName(ownerId) {
  try {
    return checkName('ownerId', ownerId) !== undefined;
  } catch {
    return false;
  }
}

module.exports = { WHY, readOldSession };
