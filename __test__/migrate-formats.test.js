'use strict';

// How `migrate` reads a key and a value of another system. The server's part is in migrate-*.test.js.

const assert = require('node:assert/strict');
const { createHash } = require('node:crypto');
const { describe, test } = require('node:test');
const { connectRedis } = require('../lib/migrate/connect-redis.js');
const { EXPIRY } = require('../lib/migrate/old-keys.js');
const { escapeGlob } = require('../lib/scan.js');
const { readOldSession } = require('../lib/migrate/old-session.js');
const { version1 } = require('../lib/migrate/version-1.js');

const TOKEN = Buffer.alloc(128, 0xfb).toString('base64');
const EXPIRES = 1_900_000_000_000;

/** Reads a key whose value is JSON, unless the value is a Buffer or null. */
function read(system, rest, value, { expiry = EXPIRES, takesEndless = false, key } = {}) {
  const isRaw = value === null || Buffer.isBuffer(value);
  const entry = {
    key: key ?? `${system.prefix}${rest}`,
    value: isRaw ? value : Buffer.from(JSON.stringify(value)),
    expiry,
  };
  return readOldSession(system, entry, takesEndless);
}

describe('a session of 1.x', () => {
  const shop = version1({ app: 'shop' });
  const data = { name: 'Ada', list: [1, null] };

  for (const [label, ownerId] of [
    ['plain', '42'],
    ['with the marks of a key', 'a|b:c|token:d'],
    ['with the mark of an owner', 'x|ownerId:y|ownerId:z'],
    ['that is only the mark of an owner', '|ownerId:'],
    ['with a pattern', '*[a-z]?\\'],
    ['with line breaks', 'a\r\nb'],
    ['with an emoji', 'Ada 🦀'],
    ['that the codes of a terminal are in', '\x1b[2J\x9b'],
  ]) {
    test(`has its owner after the first mark, ${label}`, () => {
      const session = read(shop, `${TOKEN}|ownerId:${ownerId}`, data);
      const json = JSON.stringify(data);
      assert.deepEqual(session, { token: TOKEN, ownerId, data, json });
    });
  }

  for (const encoding of ['base64', 'base64url', 'hex', 'latin1']) {
    test(`has a token in ${encoding}, of 128 bytes or of 16`, () => {
      for (const size of [16, 128]) {
        const token = Buffer.alloc(size, 0xfb).toString(encoding);
        assert.equal(read(shop, `${token}|ownerId:42`, data).token, token);
      }
    });
  }

  test('is left if its token cannot be taken over', () => {
    for (const token of [
      '',
      'a'.repeat(15),
      `${'a'.repeat(16)}€`,
      'a'.repeat(4097),
      '\ufffd'.repeat(128),
    ]) {
      assert.equal(read(shop, `${token}|ownerId:42`, data), 'badToken');
    }
  });

  test('is left if it has no owner, or one that is too long', () => {
    assert.equal(read(shop, TOKEN, data), 'badOwner');
    assert.equal(read(shop, `${TOKEN}|ownerId:`, data), 'badOwner');
    assert.equal(read(shop, `${TOKEN}|ownerId:${'o'.repeat(4097)}`, data), 'badOwner');
    assert.equal(read(shop, `${TOKEN}|ownerId:${'o'.repeat(4096)}`, data).token, TOKEN);
  });

  test('is none of this app if the name of its app goes on with the mark of a token', () => {
    const other = version1({ app: 'shop|token:KNOWN' });
    const rest = `${TOKEN}|ownerId:42`;
    const key = `${other.prefix}${rest}`;
    assert.equal(read(shop, '', data, { key }), undefined);
    assert.equal(read(other, rest, data, { key }).token, TOKEN);
  });

  test('is left if its value is no JSON, or no object', () => {
    const rest = `${TOKEN}|ownerId:42`;
    for (const text of ['', 'undefined', '{"a":1', '{"a":1}x']) {
      assert.equal(read(shop, rest, Buffer.from(text)), 'notJson', text);
    }
    assert.equal(read(shop, rest, Buffer.from([0x22, 0xff, 0x22])), 'notJson', 'not UTF-8');
    for (const value of [null, 1, 'text', [1], true]) {
      assert.equal(read(shop, rest, Buffer.from(JSON.stringify(value))), 'notSession');
    }
  });

  test('keeps a key __proto__ as data', () => {
    const session = read(
      shop,
      `${TOKEN}|ownerId:42`,
      Buffer.from('{"__proto__":{"isAdmin":true}}'),
    );
    assert.ok(Object.hasOwn(session.data, '__proto__'));
    assert.equal(session.data.isAdmin, undefined);
  });

  test('without an expiry is taken only if that is asked for', () => {
    const rest = `${TOKEN}|ownerId:42`;
    assert.equal(read(shop, rest, data, { expiry: EXPIRY.NEVER }), 'endless');
    const session = read(shop, rest, data, { expiry: EXPIRY.NEVER, takesEndless: true });
    assert.equal(session.token, TOKEN);
  });

  test('is not moved if it is gone, no string, or too large', () => {
    const rest = `${TOKEN}|ownerId:42`;
    for (const [state, why] of [
      ['GONE', 'gone'],
      ['NO_STRING', 'notString'],
      ['TOO_LARGE', 'tooLarge'],
    ]) {
      assert.equal(read(shop, rest, null, { expiry: EXPIRY[state] }), why);
    }
  });
});

describe('a session of connect-redis', () => {
  const cookie = { originalMaxAge: null, expires: null, httpOnly: true, path: '/' };
  const sid = 'Qn3pUvn4Lw2sV1mW7o2L8eJcVvHqj3bT';
  const system = connectRedis({ prefix: 'sess:', owner: 'passport.user' });
  const ownerOf = (session) => read(system, sid, { cookie, ...session }).ownerId;

  test('gets the token that SessionStore derives from its id, and keeps all of its JSON', () => {
    const session = { cookie, passport: { user: 42 }, views: 3 };
    const token = createHash('sha256').update(sid).digest('base64url');
    const json = JSON.stringify(session);
    assert.deepEqual(read(system, sid, session), { token, ownerId: '42', data: session, json });
  });

  test('may have an id of any letters and of any length', () => {
    for (const id of ['', 'a', '*', 'a|b:c', 'ünï🦀', 'x'.repeat(5000)]) {
      const token = createHash('sha256').update(id).digest('base64url');
      assert.equal(read(system, id, { cookie }).token, token);
    }
  });

  test('has the owner that the path names, if that is a text or a number', () => {
    assert.equal(ownerOf({ passport: { user: 'ada|ownerId:*' } }), 'ada|ownerId:*');
    assert.equal(ownerOf({ passport: { user: 0 } }), '0');
  });

  test('is the session of a visitor otherwise', () => {
    for (const passport of [undefined, null, 'user', [], {}, { user: '' }, { user: null }]) {
      assert.equal(ownerOf({ passport }), undefined);
    }
    for (const user of [true, {}, ['ada']])
      assert.equal(ownerOf({ passport: { user } }), undefined);
    const ofPrototype = connectRedis({ prefix: 'sess:', owner: 'constructor.name' });
    assert.equal(read(ofPrototype, sid, { cookie }).ownerId, undefined);
    const withoutPath = connectRedis({ prefix: 'sess:' });
    assert.equal(read(withoutPath, sid, { cookie, userId: 42 }).ownerId, undefined);
  });

  test('is left if it has no cookie, because express-session would fail with it', () => {
    for (const session of [{}, { cookie: null }, { cookie: 'a' }]) {
      assert.equal(read(system, sid, session), 'notSession');
    }
  });

  test('is left if its owner is too long', () => {
    const passport = { user: 'o'.repeat(4097) };
    assert.equal(read(system, sid, { cookie, passport }), 'badOwner');
  });
});

test('a prefix matches only itself in a pattern of Redis', () => {
  assert.equal(escapeGlob('app:[a-z]*?\\^|token:'), 'app:\\[a-z\\]\\*\\?\\\\\\^|token:');
});
