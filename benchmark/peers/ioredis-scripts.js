'use strict';

// This package's own Lua scripts, called through ioredis. The comparison shows the cost of the addon alone, because the
// server does the same work. The keys and ids are ready to use, so this peer hashes nothing, except the token that `rotate`
// makes.

const { createHash, randomBytes, randomFillSync } = require('node:crypto');
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
    redis.defineCommand('updateSession', { numberOfKeys: 1, lua: scriptText('update') });
    redis.defineCommand('killSession', { numberOfKeys: 2, lua: scriptText('kill') });
    redis.defineCommand('rotateSession', { numberOfKeys: 3, lua: scriptText('rotate') });
    return {
      async create({ app, ownerId, data, duration }) {
        const random = randomBytes(32);
        const tag = `spots:{${random.toString('hex', 16, 20)}:${app}}`;
        const id = random.toString('base64url', 0, 16);
        const owner = JSON.stringify(ownerId);
        const text = JSON.stringify(data);
        const keys = [`${tag}:s:${id}`, `${tag}:o:${random.toString('base64url', 20)}`];
        await redis.createSession(...keys, id, duration * 1000, owner, text);
        return [...keys, id].join(' ');
      },
      async get(handle) {
        const record = await redis.get(handle.split(' ')[0]);
        if (record === null) return undefined;
        const [, owner, data] = record.split('\n');
        return { ownerId: JSON.parse(owner), data: JSON.parse(data) };
      },
      update(handle, data) {
        const [session] = handle.split(' ');
        return redis.updateSession(session, JSON.stringify(data), maxRecordBytes);
      },
      refresh(handle, duration) {
        const [session, owned, id] = handle.split(' ');
        return redis.refreshSession(session, owned, id, duration * 1000);
      },
      kill(handle) {
        return redis.killSession(...handle.split(' '));
      },
      async rotate(handle) {
        const [session, owned, id] = handle.split(' ');
        const newId = idOf(mint(session, owned));
        const moved = session.slice(0, -id.length) + newId;
        const done = await redis.rotateSession(session, owned, moved, id, newId);
        return done === 1 ? [moved, owned, newId].join(' ') : undefined;
      },
    };
  },
};

/** Makes a token of the same owner, as long as the package's: the owner's 16 bytes, which the keys hold, come first. */
function mint(session, owned) {
  const token = Buffer.allocUnsafe(128);
  token.write(session.slice(session.indexOf('{') + 1), 0, 4, 'hex');
  token.write(owned.slice(owned.lastIndexOf(':') + 1), 4, 12, 'base64url');
  randomFillSync(token, 16);
  return token.toString('base64');
}

/** @param {string} token */
function idOf(token) {
  return createHash('sha256').update(token).digest().toString('base64url', 0, 16);
}
