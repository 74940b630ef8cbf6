'use strict';

// Random text that crosses the boundary: names, tokens and data that are hard to encode, many at once,
// so that one that is read wrongly would shift its neighbours' answers. In memory, because Redis plays
// no part.

const assert = require('node:assert/strict');
const { describe, it, before, after } = require('node:test');
const fc = require('fast-check');
const { SpotsSessions } = require('../index.js');
const { encode } = require('../lib/boundary.js');
const { fuzz } = require('./support/fuzz.js');
const { idOf } = require('./support/keys.js');

/** Any JavaScript string: texts that are hard to encode, any UTF-16 units, and any valid Unicode. */
const piece = fc.oneof(
  fc.constantFrom('\n', '"', '\\', '\r', '\0', '\ud83d', '\ude00', '\u2028', '\ufeff', 'é', '🙂'),
  fc.constantFrom('g1\na\nt\n', '\\n', '\\ud800', '"]]', '],[', 'null', '{}', '%', 'a', ' '),
  fc.nat(0xffff).map((unit) => String.fromCharCode(unit)),
);
const name = fc.array(piece, { minLength: 1, maxLength: 6 }).map((pieces) => pieces.join(''));
const data = fc.dictionary(name, fc.oneof(fc.jsonValue({ maxDepth: 2 }), name), { maxKeys: 4 });

describe('a random text', () => {
  let sessions;
  before(() => {
    sessions = new SpotsSessions({ connectionString: 'memory:', tokenSize: 32 });
  });
  after(() => sessions.close());

  it(
    'crosses as one line, and is read back unchanged',
    fuzz(
      fc.property(name, (text) => {
        const line = encode(text);
        assert.ok(!line.includes('\n') && line.isWellFormed());
        assert.equal(line.startsWith('"') ? JSON.parse(line) : line, text);
      }),
      { numRuns: 5000 },
    ),
  );

  const call = fc.record({ app: name, ownerId: name, data, patch: data, stranger: name });
  it(
    'in one of many calls of a batch comes back as the answer to its own call',
    fuzz(
      fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 12 }), async (calls) => {
        const all = (make) => Promise.all(calls.map(make));
        const tokens = await all(({ app, ownerId, data }) =>
          sessions.create({ app, ownerId, data, duration: Infinity }),
        );
        const found = await all(async ({ app, patch, stranger }, index) => {
          const token = tokens[index];
          return Promise.all([
            sessions.get({ app, token }),
            sessions.get({ app: app + stranger, token }),
            sessions.get({ app, token: stranger }),
            sessions.refresh({ app, token, duration: 3600 }),
            sessions.update({ app, token, data: patch }),
            sessions.get({ app, token }),
            sessions.kill({ app, token: stranger }),
            sessions.info({ app, token }),
            sessions.info({ app, token: stranger }),
            sessions.rotate({ app, token: stranger }),
          ]);
        });
        const rotated = await all(({ app }, index) =>
          sessions.rotate({ app, token: tokens[index] }),
        );
        const lists = await all(({ app, ownerId }, index) =>
          sessions.list({ app, ownerId, token: rotated[index] }),
        );
        const gone = await all(({ app }, index) => sessions.kill({ app, token: tokens[index] }));
        const killed = await all(({ app, ownerId }, index) => {
          const token = rotated[index];
          return index % 2
            ? sessions.kill({ app, token })
            : sessions.kill({ app, ownerId, id: idOf(token) });
        });

        for (const [index, { ownerId, data, patch }] of calls.entries()) {
          const session = { ownerId, data: plain(data) };
          const patched = { ownerId, data: merged(plain(data), plain(patch)) };
          const none = [undefined, undefined];
          const [info] = found[index].splice(7, 1);
          const expected = [session, undefined, undefined, true, true, patched, false, ...none];
          assert.deepStrictEqual(found[index], expected);
          assert.equal(JSON.stringify(found[index]), JSON.stringify(expected), 'in the same order');
          const { id, createdAt, expiresAt, ...described } = info;
          assert.deepStrictEqual(described, { data: patched.data, ownerId });
          assert.equal(JSON.stringify(described.data), JSON.stringify(patched.data));
          assert.deepEqual([id, createdAt < expiresAt], [idOf(tokens[index]), true]);
          const own = lists[index].find(({ current }) => current);
          assert.deepStrictEqual(own.data, patched.data);
          assert.equal(own.id, idOf(rotated[index]));
        }
        assert.ok(gone.every((killed) => killed === false));
        assert.ok(killed.every((killed) => killed === true));
      }),
      { numRuns: 150 },
    ),
  );

  it(
    'as an id ends no session, and its neighbours get their own answers',
    fuzz(
      fc.asyncProperty(name, name, name, async (app, ownerId, text) => {
        const owner = { app, ownerId };
        const token = await sessions.create(owner);
        const ids = [text, `${idOf(token)}${text}`, `${text}${idOf(token)}`, idOf(token).slice(1)];
        const calls = ids.flatMap((id) => [
          sessions.kill({ ...owner, id }),
          sessions.list({ ...owner, token: text, limit: 1 }),
          sessions.killAll({ app: app + text, ownerId, except: text }),
        ]);
        for (const [n, answer] of (await Promise.all(calls)).entries()) {
          if (n % 3 !== 1) assert.equal(answer, false);
          else assert.deepEqual([answer[0].id, answer[0].current], [idOf(token), false]);
        }
        assert.equal(await sessions.killAll({ ...owner, except: token }), false);
        assert.equal(await sessions.kill({ ...owner, id: idOf(token) }), true);
      }),
      { numRuns: 150 },
    ),
  );

  it(
    'names one owner of one app in killAll',
    fuzz(
      fc.asyncProperty(name, name, name, async (app, ownerId, other) => {
        fc.pre(other !== ownerId);
        const [own, foreign] = await Promise.all([
          sessions.create({ app, ownerId }),
          sessions.create({ app, ownerId: other }),
        ]);
        const killed = [await sessions.killAll({ app, ownerId })];
        killed.push(await sessions.killAll({ app, ownerId }));
        assert.deepEqual(killed, [true, false]);
        assert.equal(await sessions.get({ app, token: own }), undefined);
        assert.equal((await sessions.get({ app, token: foreign })).ownerId, other);
        assert.equal(await sessions.killAll({ app, ownerId: other }), true);
      }),
      { numRuns: 150 },
    ),
  );
});

/** @param {object} data */
function plain(data) {
  return JSON.parse(JSON.stringify(data));
}

/** As `update` merges. @param {object} data @param {object} patch */
function merged(data, patch) {
  const entries = new Map(Object.entries(data));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) entries.delete(key);
    else entries.set(key, value);
  }
  return Object.fromEntries(entries);
}
