'use strict';

// No store at all: what a server does without sessions, the ceiling for all others.

const { sessionOf } = require('../payload');

const session = sessionOf(170, 0);

module.exports = {
  label: 'no look-up',

  async open() {
    return {
      // As long as a token of 128 bytes, so that the requests are as long as with sessions.
      create: async () => '0'.repeat(172),
      get: async () => session,
    };
  },
};
