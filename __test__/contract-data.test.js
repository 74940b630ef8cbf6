'use strict';

// Data goes in and comes out, and updates merge, as JavaScript itself would do it: for any data that JSON
// can write, the more hostile the better. What JSON does not write as an object is refused.

const assert = require('node:assert/strict');
const { describe, test, before } = require('node:test');
const fc = require('fast-check');
const {
  KEYS,
  NUMBERS,
  STRINGS,
  anyDeep,
  anyForeign,
  anyKey,
  anyObject,
  anyPatch,
} = require('./support/any-data.js');
const { FAITHFUL, NOT_OBJECTS } = require('./support/data-rows.js');
const { sessionKey } = require('./support/keys.js');
const { rejection } = require('./support/rejection.js');
const { forEachTarget, freshName } = require('./support/targets.js');

const OWNER = 'alice';
const times = (count, make) => Array.from({ length: count }, (_, n) => make(n));

/** What JSON makes of data. */
const asJson = (data) => JSON.parse(JSON.stringify(data));

/** What `update` does, in JavaScript: `null` deletes, the rest replaces or goes last. */
function merged(data, patch) {
  const result = { ...data };
  for (const [name, value] of Object.entries(patch)) {
    // Not by assignment, which `__proto__` would take for the prototype.
    const property = { value, writable: true, enumerable: true, configurable: true };
    if (value === null) delete result[name];
    else Object.defineProperty(result, name, property);
  }
  return result;
}

/** What is left of data after these patches, each as JSON writes it. */
const after = (data, ...patches) => patches.map(asJson).reduce(merged, asJson(data));

/** Equal values, with equal keys in the same order, at every level. */
function assertSame(actual, expected) {
  const [got, wanted] = [actual, expected].map((data) => JSON.stringify(data));
  // Not assert.equal: it would print megabytes.
  if (got !== wanted) assert.fail(difference(got, wanted));
  assert.equal(Object.getPrototypeOf(actual), Object.prototype);
}

function difference(got, wanted) {
  let at = 0;
  while (got[at] === wanted[at]) at++;
  const around = (text) => text.slice(Math.max(0, at - 40), at + 80);
  return `got …${around(got)}…, expected …${around(wanted)}…`;
}

/** Runs a property so many times. */
const property = (numRuns, ...args) => fc.assert(fc.asyncProperty(...args), { numRuns });

forEachTarget((target, open) => {
  let sessions;
  let redis;
  let app;
  before(() => {
    ({ sessions, redis } = open({ maxDataSize: 2 ** 24 }));
    app = freshName();
  });
  const create = (data) => sessions.create({ app, ownerId: OWNER, data, duration: 600 });
  const read = async (token) => (await sessions.get({ app, token })).data;
  const update = async (token, data) =>
    assert.equal(await sessions.update({ app, token, data }), true);

  /** The data as created, then as updated by each patch; read after each, or only at the end. */
  async function follow(data, patches, { eachTime = true } = {}) {
    const token = await create(data);
    let expected = asJson(data);
    assertSame(await read(token), expected);
    for (const patch of patches) {
      await update(token, patch);
      expected = merged(expected, asJson(patch));
      if (eachTime) assertSame(await read(token), expected);
    }
    assertSame(await read(token), expected);
  }

  describe('data comes back as JSON.parse(JSON.stringify(data)), in the same order of keys', () => {
    for (const [label, data] of FAITHFUL) {
      test(label, () => follow(data, [{ 'a patch': 1 }]));
      test(`${label}, given to update`, () => follow({ before: 1 }, [data]));
    }

    test('data left out is {}, in create', async () => {
      const request = { app, ownerId: OWNER, duration: 600 };
      for (const token of [await sessions.create(request), await create(undefined)]) {
        assertSame(await read(token), {});
      }
    });

    test('an own __proto__ never becomes a prototype', async () => {
      const token = await create(JSON.parse('{"__proto__":{"isAdmin":true}}'));
      await update(token, JSON.parse('{"__proto__":{"isAdmin":1},"x":1}'));
      const data = await read(token);
      assert.equal(data.isAdmin, undefined);
      assert.equal(Object.getPrototypeOf(data), Object.prototype);
      assert.deepEqual(Object.keys(data), ['__proto__', 'x']);
      assert.deepEqual(Object.getOwnPropertyDescriptor(data, '__proto__').value, { isAdmin: 1 });
      assert.equal({}.isAdmin, undefined);
    });

    test('the data is read when the method is called: what happens to it later does not matter', async () => {
      const data = { a: 1 };
      const creation = create(data);
      data.a = 2;
      const token = await creation;
      assertSame(await read(token), { a: 1 });
      const patch = { a: 3 };
      const updated = update(token, patch);
      patch.a = 4;
      await updated;
      assertSame(await read(token), { a: 3 });
    });

    test('every key can be set, replaced in its place, deleted, and set again at the end', async () => {
      for (const name of KEYS) {
        const own = (value) => Object.fromEntries([[name, value]]);
        const data = { ...own(1), first: 1, [`${name} `]: 2 };
        await follow(data, [own({ x: 2 }), own(null), own(null), own([3]), own('')]);
      }
      const all = Object.fromEntries(KEYS.map((name, n) => [name, n]));
      const none = Object.fromEntries(KEYS.map((name) => [name, null]));
      await follow(all, [all, none, all]);
    });

    test('every number and string stays what it is, as a value, in an array and in a patch', async () => {
      const leaves = [...NUMBERS, ...STRINGS];
      const data = Object.fromEntries(leaves.map((leaf, n) => [`key ${n}`, leaf]));
      await follow(data, [{ all: leaves }, { nested: { leaves } }, data]);
    });
  });

  describe('what JSON does not write as an object is a TypeError, with nothing done', () => {
    for (const [label, data] of NOT_OBJECTS) {
      test(label, async () => {
        const name = freshName();
        const request = { app: name, ownerId: 'alice', data, duration: 600 };
        const token = await sessions.create({ ...request, data: { a: 1 } });
        for (const call of [
          () => sessions.create(request),
          () => sessions.update({ app: name, token, data }),
        ]) {
          const error = await rejection(call);
          assert.ok(error instanceof TypeError, String(error));
          assert.equal(error.code, 'ERR_INVALID_ARG_TYPE');
          assert.match(error.message, /`data`/);
        }
        assert.deepEqual((await sessions.get({ app: name, token })).data, { a: 1 });
      });
    }
  });

  describe('update merges at the top level', () => {
    const rows = [
      ['a value replaces', { a: 1 }, [{ a: 2 }], { a: 2 }],
      ['a new key goes last', { b: 1 }, [{ a: 2 }], { b: 1, a: 2 }],
      [
        'a replaced key keeps its place',
        { a: 1, b: 2, c: 3 },
        [{ c: 9, a: 8 }],
        { a: 8, b: 2, c: 9 },
      ],
      ['null deletes', { a: 1, b: 2 }, [{ a: null }], { b: 2 }],
      [
        'NaN and Infinity, which JSON writes as null, delete',
        { a: 1, b: 2, c: 3 },
        [{ a: NaN, b: Infinity }],
        { c: 3 },
      ],
      ['undefined leaves alone', { a: 1, b: 2 }, [{ a: undefined }], { a: 1, b: 2 }],
      ['a function leaves alone', { a: 1 }, [{ a() {} }], { a: 1 }],
      ['null of a key that is not there does nothing', { a: 1 }, [{ b: null }], { a: 1 }],
      ['deleted and set again goes last', { a: 1, b: 2 }, [{ a: null }, { a: 3 }], { b: 2, a: 3 }],
      ['deleted and created data may hold null', { a: null, b: 1 }, [{ b: 2 }], { a: null, b: 2 }],
      [
        'null within a value stays',
        { a: 1 },
        [{ a: { b: null, c: [null] } }],
        { a: { b: null, c: [null] } },
      ],
      [
        'values are replaced, not merged',
        { a: { x: 1, y: 2 } },
        [{ a: { x: 3 } }],
        { a: { x: 3 } },
      ],
      ['arrays are replaced', { a: [1, 2, 3] }, [{ a: [4] }], { a: [4] }],
      ['an empty patch changes nothing', { a: 1 }, [{}, {}], { a: 1 }],
      ['everything deleted leaves {}', { a: 1, b: 2 }, [{ a: null, b: null }], {}],
      [
        'falsy values are values',
        { a: 1, b: 1, c: 1 },
        [{ a: 0, b: '', c: false }],
        { a: 0, b: '', c: false },
      ],
      [
        'the last of many wins',
        { a: 0 },
        [{ a: 1 }, { a: 2 }, { a: null }, { a: 4 }, { b: 1 }],
        { a: 4, b: 1 },
      ],
      [
        'keys spelled with escapes are the same keys',
        { '\n"é': 1 },
        [{ '\n"é': 2 }, { '\ud800': 1 }, { '\ud800': null }],
        { '\n"é': 2 },
      ],
    ];
    for (const [label, data, patches, expected] of rows) {
      test(label, async () => {
        const token = await create(data);
        for (const patch of patches)
          assert.equal(await sessions.update({ app, token, data: patch }), true);
        assertSame(await read(token), expected);
      });
    }

    test('any updates of any data give what JavaScript gives, after each of them', () =>
      property(500, anyObject, fc.array(anyPatch, { maxLength: 5 }), (data, patches) =>
        follow(data, patches),
      ));

    test('so do updates that are made in one turn, in their order', () =>
      property(200, anyObject, fc.array(anyPatch, { maxLength: 12 }), async (data, patches) => {
        const token = await create(data);
        await Promise.all(patches.map((patch) => update(token, patch)));
        assertSame(await read(token), after(data, ...patches));
      }));

    test('so do so many updates that the record is folded again and again', async () => {
      const padded = anyPatch.map((changes) => ({ pad: 'x'.repeat(1500), ...changes }));
      const patches = fc.array(padded, { minLength: 10, maxLength: 30 });
      await property(20, anyObject, patches, (data, many) =>
        follow(data, many, { eachTime: false }),
      );
    });

    test('a thousand updates one after another leave the last value of each key', () =>
      follow(
        { base: true },
        times(1000, (n) => ({
          [`key ${n % 7}`]: n % 5 === 0 ? null : { n, text: 'x'.repeat(n % 50) },
        })),
        { eachTime: false },
      ));
  });

  describe('data that is deep or wide', () => {
    test('1,000 levels of arrays and objects', () =>
      property(10, anyDeep, anyDeep, (data, patch) =>
        follow(data, [patch, { wrapped: [] }, patch]),
      ));

    test('10,000 keys, of which updates replace, delete and add some', () => {
      const names = fc.uniqueArray(
        anyKey.map((text) => `${text} `),
        { minLength: 100, maxLength: 100 },
      );
      const patch = fc.dictionary(fc.nat(12_000).map(String), fc.constantFrom(null, 1, '€', []));
      return property(5, names, fc.array(patch, { maxLength: 5 }), async (names, patches) => {
        const entries = times(10_000, (n) => [n % 100 ? String(n) : names[n / 100], { n }]);
        const data = Object.fromEntries(entries);
        await follow(data, [...patches, data]);
      });
    });
  });

  // V8 and the addon keep each of these texts in a way of its own.
  describe('values of 1 MiB', () => {
    const rows = [
      ['ASCII', 'x'],
      ['quotes, which JSON escapes', '"'],
      ['NUL, which JSON spells in six characters', '\0'],
      ['Latin-1, of which V8 keeps each character in a byte', 'é'],
      ['emoji', '😀'],
      ['lone surrogates', '\ud800'],
      ['separators of lines', '\u2028'],
    ];
    for (const [label, unit] of rows) {
      test(label, async () => {
        const text = unit.repeat(2 ** 20 / Buffer.byteLength(unit));
        const key = unit.repeat(2 ** 16);
        await follow({ text, before: 1 }, [{ [key]: text }, { text: [text] }, { text: null }]);
      });
    }
  });

  if (target === 'memory') return;
  test('records that another program wrote are read as JavaScript reads them', async () => {
    const token = await create({});
    const record = sessionKey(app, OWNER, token);
    const foreign = fc.array(anyForeign, { minLength: 1, maxLength: 6 });
    await property(300, foreign, async (lines) => {
      await redis.set(record, ['{"createdAt":1}', '"alice"', ...lines].join('\n'));
      const got = await read(token);
      const expected = lines.map((text) => JSON.parse(text)).reduce(merged);
      // Not as JSON, which writes Infinity as null.
      assert.deepEqual(got, expected);
      assert.deepEqual(Object.keys(got), Object.keys(expected));
    });
  });
});
