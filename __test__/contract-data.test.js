'use strict';

// What goes in as data comes out as JSON writes it, and updates merge as in JavaScript.

const assert = require('node:assert/strict');
const { describe, test, before } = require('node:test');
const fc = require('fast-check');
const { FAITHFUL, NOT_OBJECTS } = require('./support/data-rows.js');
const { rejection } = require('./support/rejection.js');
const { forEachTarget, freshName } = require('./support/targets.js');

/** What `update` does to data, by JavaScript's own rules. */
function merged(data, patch) {
  const result = JSON.parse(JSON.stringify(data));
  for (const [key, value] of Object.entries(JSON.parse(JSON.stringify(patch)))) {
    if (value === null) delete result[key];
    else
      Object.defineProperty(result, key, {
        value,
        writable: true,
        enumerable: true,
        configurable: true,
      });
  }
  return result;
}

forEachTarget((_target, open) => {
  let sessions;
  let app;
  before(() => {
    ({ sessions } = open({ maxDataSize: 2 ** 22 }));
    app = freshName();
  });
  const create = (data) => sessions.create({ app, ownerId: 'alice', data, duration: 600 });
  const read = async (token) => (await sessions.get({ app, token })).data;

  /** The same values in the same order: deepEqual does not look at the order of keys. */
  function assertSame(actual, expected) {
    assert.equal(JSON.stringify(actual), JSON.stringify(expected));
    assert.equal(Object.getPrototypeOf(actual), Object.prototype);
  }

  describe('data comes back as JSON.parse(JSON.stringify(data)), in the same order of keys', () => {
    for (const [label, data] of FAITHFUL) {
      test(label, async () => {
        const token = await create(data);
        assertSame(await read(token), JSON.parse(JSON.stringify(data)));
        assert.equal(await sessions.update({ app, token, data: { 'a patch': 1 } }), true);
        assertSame(await read(token), merged(data, { 'a patch': 1 }));
      });
      test(`${label}, given to update`, async () => {
        const token = await create({ before: 1 });
        assert.equal(await sessions.update({ app, token, data }), true);
        assertSame(await read(token), merged({ before: 1 }, data));
      });
    }

    test('data left out is {}, in create', async () => {
      const request = { app, ownerId: 'alice', duration: 600 };
      for (const token of [await sessions.create(request), await create(undefined)]) {
        assertSame(await read(token), {});
      }
    });

    test('an own __proto__ never becomes a prototype', async () => {
      const token = await create(JSON.parse('{"__proto__":{"isAdmin":true}}'));
      await sessions.update({ app, token, data: JSON.parse('{"__proto__":{"isAdmin":1},"x":1}') });
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
      const update = sessions.update({ app, token, data: patch });
      patch.a = 4;
      await update;
      assertSame(await read(token), { a: 3 });
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

    test('any data and any patches give what JavaScript gives', async () => {
      const key = fc.oneof(
        fc.constantFrom(
          'a',
          'b',
          'c',
          '',
          '1',
          '2',
          '__proto__',
          '\n',
          '"',
          '\ud800',
          'constructor',
        ),
        fc.string({ unit: 'binary', maxLength: 4 }),
      );
      const value = fc.oneof(
        fc.constantFrom(null, null, NaN, undefined, [], {}, 0, '', 2 ** 60, '\u2028', '\udfff'),
        fc.jsonValue({ maxDepth: 3 }),
      );
      const object = fc
        .array(fc.tuple(key, value), { maxLength: 8 })
        .map((entries) => Object.fromEntries(entries));
      await fc.assert(
        fc.asyncProperty(object, fc.array(object, { maxLength: 12 }), async (data, patches) => {
          const token = await create(data);
          // In one turn: they must take effect in their order.
          const answers = await Promise.all(
            patches.map((patch) => sessions.update({ app, token, data: patch })),
          );
          assert.ok(answers.every((answer) => answer === true));
          assertSame(await read(token), patches.reduce(merged, JSON.parse(JSON.stringify(data))));
        }),
        { numRuns: 200 },
      );
    });

    test('a thousand updates one after another leave the last value of each key', async () => {
      const token = await create({ base: true });
      let expected = { base: true };
      for (let n = 0; n < 1000; n++) {
        const patch = { [`key ${n % 7}`]: n % 5 === 0 ? null : { n, text: 'x'.repeat(n % 50) } };
        await sessions.update({ app, token, data: patch });
        expected = merged(expected, patch);
      }
      assertSame(await read(token), expected);
    });
  });
});
