'use strict';

// The sessions that every peer stores: flat, so that redis-sessions can hold them too.

const app = 'benchmark';

/** Seconds; long enough that nothing expires while a run lasts. */
const duration = 3600;

/** Data by the length of its JSON text, in bytes, to within a few. */
const payloads = {
  170: {
    firstName: 'John',
    lastName: 'Doe',
    role: 'editor',
    ip: '203.0.113.195',
    device: 'Firefox 131 on Linux x86_64',
    locale: 'en-GB',
    visits: 42,
    verified: true,
    theme: 'dark',
  },
  250: {
    firstName: 'John',
    lastName: 'Doe',
    role: 'editor',
    ip: '203.0.113.195',
    userAgent:
      'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36',
    locale: 'en-GB',
    visits: 42,
    verified: true,
  },
};

/**
 * The session number `index`: one per owner.
 *
 * @param {keyof typeof payloads} size
 * @param {number} index
 */
function sessionOf(size, index) {
  return { app, ownerId: `user-${index}`, data: { ...payloads[size], visits: index }, duration };
}

/** What `update` merges: about 30 bytes. */
function patchOf(index) {
  return { theme: 'dark', visits: index };
}

module.exports = { app, duration, sessionOf, patchOf };
