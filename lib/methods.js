'use strict';

// The six methods: each checks its argument, spells the call and sends it. The fields of a call
// are in the order in which src/call.rs reads them. What is thrown here becomes a rejection.

const {
  checkData,
  checkDuration,
  checkName,
  checkToken,
  mistakenDuration,
  unreadable,
} = require('./arguments.js');
const { spell } = require('./boundary.js');

/** @typedef {{ boundary: import('./boundary.js').Boundary, settings: { defaultDuration: number, maxDataSize: number } }} Parts of an instance */

/**
 * @param {Parts} parts
 * @param {{ app: string, ownerId: string, data?: object, duration?: number }} request
 * @returns {Promise<string>}
 */
function create({ boundary, settings }, request) {
  let app, ownerId, data, duration, ttl, maxAge, expiresIn, expires;
  try {
    ({ app, ownerId, data = {}, duration = settings.defaultDuration } = request);
    ({ ttl, maxAge, expiresIn, expires } = /** @type {any} */ (request));
  } catch (cause) {
    throw unreadable(request, cause);
  }
  if (
    !(ttl === undefined && maxAge === undefined && expiresIn === undefined && expires === undefined)
  ) {
    throw mistakenDuration({ ttl, maxAge, expiresIn, expires });
  }
  const place = placeOf(app, ownerId);
  const ms = checkDuration(duration);
  return boundary.send('c', `${place}\n${ms}`, checkData(data, settings.maxDataSize));
}

/**
 * @param {Parts} parts
 * @param {{ app: string, token?: string | null }} request
 * @returns {Promise<{ ownerId: string, data: object } | undefined>}
 */
function get({ boundary }, request) {
  const address = readAddress(request);
  return address === undefined ? boundary.answer(undefined) : boundary.send('g', address);
}

/**
 * @param {Parts} parts
 * @param {{ app: string, token?: string | null, duration: number }} request
 * @returns {Promise<boolean>}
 */
function refresh({ boundary }, request) {
  let app, token, duration;
  try {
    ({ app, token, duration } = request);
  } catch (cause) {
    throw unreadable(request, cause);
  }
  const address = addressOf(app, token);
  const ms = checkDuration(duration);
  return address === undefined ? boundary.answer(false) : boundary.send('r', `${address}\n${ms}`);
}

/**
 * @param {Parts} parts
 * @param {{ app: string, token?: string | null, data: object }} request
 * @returns {Promise<boolean>}
 */
function update({ boundary, settings }, request) {
  let app, token, data;
  try {
    ({ app, token, data } = request);
  } catch (cause) {
    throw unreadable(request, cause);
  }
  const address = addressOf(app, token);
  const patch = checkData(data, settings.maxDataSize);
  return address === undefined ? boundary.answer(false) : boundary.send('u', address, patch);
}

/**
 * @param {Parts} parts
 * @param {{ app: string, token?: string | null }} request
 * @returns {Promise<boolean>}
 */
function kill({ boundary }, request) {
  const address = readAddress(request);
  return address === undefined ? boundary.answer(false) : boundary.send('k', address);
}

/**
 * @param {Parts} parts
 * @param {{ app: string, ownerId: string }} request
 * @returns {Promise<boolean>}
 */
function killAll({ boundary }, request) {
  let app, ownerId;
  try {
    ({ app, ownerId } = request);
  } catch (cause) {
    throw unreadable(request, cause);
  }
  return boundary.send('a', placeOf(app, ownerId));
}

/**
 * The fields that say whose sessions are meant. Records spell the owner as JSON.
 *
 * @param {unknown} app
 * @param {unknown} ownerId
 */
function placeOf(app, ownerId) {
  const name = spell(checkName('app', app));
  return `${name}\n${JSON.stringify(checkName('ownerId', ownerId))}`;
}

/**
 * Reads the request of a method that takes no more than an address.
 *
 * @param {{ app: unknown, token: unknown }} request
 */
function readAddress(request) {
  let app, token;
  try {
    ({ app, token } = request);
  } catch (cause) {
    throw unreadable(request, cause);
  }
  return addressOf(app, token);
}

/**
 * The fields that say which session is meant; nothing if there can be no such session.
 *
 * @param {unknown} app
 * @param {unknown} token
 */
function addressOf(app, token) {
  const name = spell(checkName('app', app));
  const text = checkToken(token);
  return text === undefined ? undefined : `${name}\n${spell(text)}`;
}

module.exports = { create, get, refresh, update, kill, killAll };
