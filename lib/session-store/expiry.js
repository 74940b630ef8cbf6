'use strict';

// When a session ends, by its cookie. Both frameworks write `expires` as a Date, which JSON turns into a string. It is
// null or false for a cookie that ends with the browser.

const { isDate } = require('node:util/types');

/**
 * @param {unknown} expires
 * @returns {number | undefined} in ms; undefined if it is not set
 */
function timeOf(expires) {
  if (!isDate(expires) && typeof expires !== 'string') return undefined;
  const time = typeof expires === 'string' ? Date.parse(expires) : expires.getTime();
  return Number.isNaN(time) ? undefined : time;
}

/**
 * @param {any} cookie of either framework, or a plain object
 * @returns {number | undefined} in ms; undefined if the cookie ends with the browser
 */
function endOf(cookie) {
  const end = timeOf(cookie?.expires);
  return end === undefined && typeof cookie?.maxAge === 'number' ? Date.now() + cookie.maxAge : end;
}

/**
 * Brings a cookie that was read up to date: the session may have been touched since the cookie was written.
 *
 * @param {any} cookie
 * @param {Date | undefined} expiresAt when the session ends
 */
function setEnd(cookie, expiresAt) {
  if (timeOf(cookie?.expires) !== undefined) cookie.expires = expiresAt ?? null;
}

module.exports = { endOf, setEnd, timeOf };
