'use strict';

// This package's own Lua scripts, called through ioredis. The comparison shows the cost of the addon alone, because the
// server does the same work. The keys and ids are ready to use, so this peer hashes nothing.

const { randomBytes } = require('node:crypto');
const { scriptText } = require('../lua');
const { connect } = require('./ioredis');

/** The package's default limit for one session's record. */
const maxRecordBytes = 2 * 2 ** 20;

module.exports = {
  label: 'ioredis, same scripts',

  async open(url) {
    const redis = connect(url);
    redis.defineCommand('createSession', { numberOfKeys: 2, lua: scriptText('create') });
    redis.defineCommand('refreshSession', { numberOfKeys: 2, lua: scriptText('refresh') });
    redis.defineCommand('updateSession', { numberOfKeys: 2, lua: scriptText('update') });
    redis.defineCommand('killSession', { numberOfKeys: 2, lua: scriptText('kill') });
    return {
      async create({ app, ownerId, data, duration }) {
        const random = randomBytes(32);
        const tag = `spots:{${random.toString('hex', 16, 20)}:${app}}`;
        const id = random.toString('base64url', 0, 16);
        const owner = JSON.stringify(ownerId);
        const text = JSON.stringify(data);
        const keys = [`${tag}:s:${id}`, `${tag}:o:${random.toString('base64url', 20)}`];
        await redis.createSession(...keys, id, duration * 1000, owner, text, '');
        return [...keys, id].join(' ');
      },
      async get(handle) {
        const record = await redis.get(handle.split(' ')[0]);
        if (record === null) return undefined;
        const [, owner, data] = record.split('\n');
        return { ownerId: JSON.parse(owner), data: JSON.parse(data) };
      },
      update(handle, data) {
        return redis.updateSession(...handle.split(' '), JSON.stringify(data), maxRecordBytes);
      },
      refresh(handle, duration) {
        const [session, owned, id] = handle.split(' ');
        return redis.refreshSession(session, owned, id, duration * 1000);
      },
      kill(handle) {
        return redis.killSession(...handle.split(' '));
      },
    };
  },
};
