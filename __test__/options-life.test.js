'use strict';

// The constructor's options about a session's life and about keys: what each takes, and what it refuses.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const { DURATIONS, FLAGS, SECRET, countsTo } = require('./support/bad-values.js');
const { readOptions } = require('../lib/options.js');
const { SpotsSessions } = require('../index.js');

const VALUE = { code: 'ERR_INVALID_ARG_VALUE', Kind: TypeError };
const RANGE = { code: 'ERR_OUT_OF_RANGE', Kind: RangeError };
const texts = [
  ['an opening brace', 'a{', VALUE],
  ['a closing brace', '}a', VALUE],
  ['a hash tag', `{${SECRET}}`, VALUE],
  ['half a surrogate pair', '\ud800', VALUE],
  ['257 bytes', 'x'.repeat(257), RANGE],
  ['256 bytes and a half of a character', `${'x'.repeat(255)}é`, RANGE],
  ['64 MiB', SECRET.padEnd(2 ** 26, 'x'), RANGE],
].map(([label, value, expected]) => ({ label, value, ...expected }));

/** The rows for values that are not texts, numbers included. */
const noTexts = DURATIONS.filter(({ value }) => typeof value !== 'string').map((row) => ({
  ...row,
  Kind: TypeError,
  code: 'ERR_INVALID_ARG_TYPE',
}));

const BAD = {
  sliding: FLAGS,
  lifetime: DURATIONS,
  maxSessions: countsTo(10_000),
  prefix: [...texts, ...noTexts],
};

const GOOD = {
  sliding: [true, false],
  lifetime: [1e-300, 0.001, 60, 1e300, Infinity],
  maxSessions: [1, 2, 10_000, Infinity],
  prefix: ['', 'team:', '*', 'x'.repeat(256), '\0\n', 'é🙂', 'a\\[b]?'],
};

const DEFAULTS = { sliding: false, lifetime: Infinity, maxSessions: Infinity, prefix: 'spots:' };

for (const [name, rows] of Object.entries(BAD)) {
  describe(name, () => {
    it('refuses every bad value, with an error that names it', () => {
      for (const { label, value, Kind, code } of rows) {
        if (value === null) continue;
        const check = (error) => {
          assert.ok(error instanceof Kind, `${label}: ${error.stack}`);
          assert.equal(error.code, code, label);
          assert.ok(error.message.includes(`\`${name}\``), error.message);
          assert.ok(error.message.length < 200 && !error.message.includes(SECRET), label);
          return true;
        };
        assert.throws(() => readOptions({ [name]: value }), check);
        assert.throws(
          () => new SpotsSessions({ connectionString: 'memory:', [name]: value }),
          ({ cause }) => check(cause),
        );
      }
    });

    it('takes every good value, and null and undefined mean the default', () => {
      for (const value of GOOD[name]) assert.equal(readOptions({ [name]: value })[name], value);
      for (const nothing of [{}, { [name]: undefined }, { [name]: null }])
        assert.equal(readOptions(nothing)[name], DEFAULTS[name]);
    });

    it('is refused in the query of a connection string, because it would be ignored there', () => {
      assert.throws(() => readOptions(`redis://h?${name}=1`), { code: 'ERR_INVALID_ARG_VALUE' });
    });
  });
}
