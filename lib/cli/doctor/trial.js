'use strict';

// A throw-away session, in an app of its own, that is created, read and ended by the methods themselves.

const { randomUUID } = require('node:crypto');
const { describeError } = require('../errors.js');
const { ok, problem } = require('./finding.js');

const APP = 'spots-doctor';
/** Seconds. If it cannot be ended, it ends soon by itself. */
const DURATION = 10;

/** @param {import('../../../index.js').SpotsSessions} sessions */
async function trySession(sessions) {
  const ownerId = randomUUID();
  let attempt = 'created';
  try {
    const token = await sessions.create({ app: APP, ownerId, duration: DURATION });
    attempt = 'read';
    const found = await sessions.get({ app: APP, token });
    attempt = 'ended';
    const killed = await sessions.kill({ app: APP, token });
    if (found?.ownerId === ownerId && killed) return [ok('a session was created, read and ended')];
    return [problem('a new session was not found', 'ask whether the URL leads to one server only')];
  } catch (error) {
    return [problem(`a session cannot be ${attempt}: ${describeError(error)}`)];
  }
}

module.exports = { trySession };
