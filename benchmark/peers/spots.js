'use strict';

// This package, called like its users call it.

const { app } = require('../payload');

module.exports = {
  label: '@spots-tech/sessions',

  async open(url) {
    const { SpotsSessions } = require('../..');
    const sessions = new SpotsSessions(url);
    return {
      create: (session) => sessions.create(session),
      get: (token) => sessions.get({ app, token }),
      update: (token, data) => sessions.update({ app, token, data }),
      refresh: (token, duration) => sessions.refresh({ app, token, duration }),
      kill: (token) => sessions.kill({ app, token }),
      rotate: (token) => sessions.rotate({ app, token }),
      list: (ownerId) => sessions.list({ app, ownerId }),
    };
  },
};
