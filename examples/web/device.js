'use strict';

// The browser and the system of a device, as its User-Agent header tells them. It is enough for users to recognise their
// own devices, and proves nothing. A library such as ua-parser-js knows many more.

// The order counts: Edge and Opera also say "Chrome", Chrome says "Safari", Android "Linux", and an iPhone "Mac OS".
const browsers = ['Edg', 'OPR', 'Firefox', 'FxiOS', 'Chrome', 'CriOS', 'Safari'];
const systems = ['iPhone', 'iPad', 'Android', 'Windows', 'CrOS', 'Mac OS', 'Linux'];
/** @type {Record<string, string>} What people call those whose header says something else. */
const names = { Edg: 'Edge', OPR: 'Opera', FxiOS: 'Firefox', CriOS: 'Chrome', CrOS: 'ChromeOS' };

/** @param {string} [userAgent] @returns {string} such as "Firefox on Windows" */
function describeDevice(userAgent = '') {
  const browser = browsers.find((name) => userAgent.includes(name)) ?? 'A browser';
  const system = systems.find((name) => userAgent.includes(name)) ?? 'an unknown system';
  return `${names[browser] ?? browser} on ${names[system] ?? system}`;
}

module.exports = { describeDevice };
