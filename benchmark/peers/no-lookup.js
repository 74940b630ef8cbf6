'use strict';

// No store at all. It shows the request rate of a server without sessions, the upper limit for all peers.

const { sessionOf } = require('../payload');

const session = sessionOf(170, 0);

module.exports = {
  label: 'no look-up',

  async open() {
    return {
      // As long as a real token (128 bytes in base64), so that the requests have the same size.
      create: async () => '0'.repeat(172),
      get: async () => session,
    };
  },
};
