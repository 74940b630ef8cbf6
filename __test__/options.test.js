// The constructor's options: defaults, ranges, refusals, and what TLS trusts.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { join } = require('node:path');
const { describe, it } = require('node:test');
const tls = require('node:tls');
const fc = require('fast-check');
const { readOptions } = require('../lib/options.js');

const CERTIFICATE = tls.rootCertificates[0];
const DEFAULTS = {
  tokenEncoding: 'base64',
  tokenSize: 128,
  defaultDuration: 86_400,
  commandTimeout: 5000,
  connectTimeout: 10_000,
  maxPending: 100_000,
  readFrom: 'primary',
};

/** @param {RegExp | string} message @param {string} code @param {unknown} options */
function refuses(options, code, message) {
  const Kind = code === 'ERR_OUT_OF_RANGE' ? RangeError : TypeError;
  assert.throws(
    () => readOptions(options),
    (error) => {
      assert.ok(error instanceof Kind, error.stack);
      assert.equal(error.code, code);
      assert.match(error.message, typeof message === 'string' ? new RegExp(message) : message);
      return true;
    },
  );
}

describe('options', () => {
  it('have a default each', () => {
    const { server, ...rest } = readOptions();
    assert.deepEqual(rest, DEFAULTS);
    assert.deepEqual([server.host, server.port], ['localhost', 6379]);
    const names = [...Object.keys(DEFAULTS), 'connectionString', 'tls', 'host', 'password'];
    for (const nothing of [null, undefined]) {
      const options = Object.fromEntries(names.map((name) => [name, nothing]));
      assert.deepEqual(readOptions(options), readOptions());
      assert.deepEqual(readOptions(nothing), readOptions({}));
    }
  });

  it('may be a connection string alone', () => {
    assert.deepEqual(readOptions('h:1'), readOptions({ connectionString: 'h:1' }));
    assert.deepEqual(readOptions(new String('h:1')), readOptions('h:1'));
    assert.deepEqual(readOptions(6380), readOptions('6380'));
  });

  it('may name the fields of the address in place of a connection string', () => {
    const address = { host: 'h', port: 1, db: 2, username: 'u', password: 'p', family: 6 };
    const { server, tokenSize } = readOptions({ ...address, tokenSize: 16 });
    assert.deepEqual({ ...server, ...address }, server);
    assert.equal(tokenSize, 16);
    assert.equal(readOptions({ connectionString: '', port: '6380' }).server.port, 6380);
    assert.equal(readOptions({ host: '::1' }).server.host, '::1');
    refuses({ port: 65536 }, 'ERR_INVALID_ARG_VALUE', '`port`');
    refuses({ host: {} }, 'ERR_INVALID_ARG_TYPE', '`host`');
    for (const host of ['h/x', 'h?x', 'h x', 'h%2e', '6379', '-h', '[h]', '::1%lo']) {
      refuses({ host }, 'ERR_INVALID_ARG_VALUE', '`host`');
    }
    refuses({ path: 'rel.sock' }, 'ERR_INVALID_ARG_VALUE', '`path`');
    refuses({ connectionString: 'h', password: 'p' }, 'ERR_INVALID_ARG_VALUE', '`password`');
    refuses({ connectionString: { db: 1.5 } }, 'ERR_INVALID_ARG_VALUE', '`connectionString.db`');
  });

  it('are frozen, deeply', () => {
    const settings = readOptions('rediss://h?lazyConnect=true');
    const { server } = settings;
    for (const part of [settings, server, server.clientOptions, server.tls, server.tls.ca]) {
      assert.ok(Object.isFrozen(part));
    }
  });

  it('take connectTimeout and commandTimeout from a URL, unless they are named', () => {
    const connectionString = 'redis://h?connectTimeout=1&commandTimeout=2';
    const { connectTimeout, commandTimeout, server } = readOptions(connectionString);
    assert.deepEqual([connectTimeout, commandTimeout], [1, 2]);
    assert.deepEqual(server.clientOptions, {});
    assert.equal(readOptions({ connectionString, connectTimeout: 3 }).connectTimeout, 3);
    refuses('h?connectTimeout=0', 'ERR_INVALID_ARG_VALUE', 'whose connectTimeout is');
    refuses('h?commandTimeout=x', 'ERR_INVALID_ARG_VALUE', 'whose commandTimeout is');
  });

  it('refuse what they do not know, by name', () => {
    refuses({ tokensize: 16 }, 'ERR_INVALID_ARG_VALUE', /unknown option `tokensize`.*tokenSize/);
    refuses(JSON.parse('{"__proto__":1}'), 'ERR_INVALID_ARG_VALUE', '`__proto__`');
  });

  it('refuse what is no object', () => {
    for (const options of [true, 1n, Symbol('x'), () => {}, []]) {
      refuses(options, 'ERR_INVALID_ARG_TYPE', '`options` to be a connection string or an object');
    }
  });

  it('are read once', () => {
    const reads = {};
    const options = new Proxy(
      { connectionString: 'h:1', tokenSize: 16 },
      {
        get(target, name) {
          reads[name] = (reads[name] ?? 0) + 1;
          return target[name];
        },
      },
    );
    assert.equal(readOptions(options).tokenSize, 16);
    assert.deepEqual([...new Set(Object.values(reads))], [1]);
  });

  it('that cannot be read are refused, with the cause', () => {
    const cause = new Error('from a getter');
    const hostile = {
      get db() {
        throw cause;
      },
    };
    for (const options of [hostile, { connectionString: hostile }]) {
      assert.throws(
        () => readOptions(options),
        (error) => error.code === 'ERR_INVALID_ARG_TYPE' && error.cause === cause,
      );
    }
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    for (const options of [proxy, { connectionString: proxy }, { tls: proxy }]) {
      assert.throws(
        () => readOptions(options),
        (error) => error.code === 'ERR_INVALID_ARG_TYPE' && error.cause instanceof TypeError,
      );
    }
    refuses({ tls: { ca: proxy } }, 'ERR_INVALID_ARG_TYPE', '`tls.ca`');
  });

  it('of any kind are read or refused', () => {
    const names = [
      ...Object.keys(DEFAULTS),
      'connectionString',
      'tls',
      'host',
      'port',
      'db',
      'path',
    ];
    const value = fc.oneof(fc.anything(), fc.string(), fc.double(), fc.integer(), fc.boolean());
    const object = fc.dictionary(fc.constantFrom(...names, 'ca', 'key'), value, { maxKeys: 4 });
    fc.assert(
      fc.property(fc.oneof(object, fc.record({ tls: object }), value), (options) => {
        try {
          assert.ok(Object.isFrozen(readOptions(options)));
        } catch (error) {
          assert.ok(error instanceof TypeError || error instanceof RangeError, error);
          assert.match(error.code, /^ERR_(INVALID_ARG_(TYPE|VALUE)|OUT_OF_RANGE)$/);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('tokenEncoding', () => {
  const working = {
    '': 'base64',
    base64: 'base64',
    BASE64URL: 'base64url',
    Hex: 'hex',
    latin1: 'latin1',
    BINARY: 'latin1',
  };
  for (const [given, encoding] of Object.entries(working)) {
    it(`'${given}' is ${encoding}`, () => {
      assert.equal(readOptions({ tokenEncoding: given }).tokenEncoding, encoding);
    });
  }
  for (const name of ['ascii', 'utf8', 'UTF-8', 'utf16le', 'utf-16le', 'ucs2', 'ucs-2']) {
    it(`'${name}' is refused, as it loses bits`, () => {
      const message = /`tokenEncoding`.*base64, base64url, hex, latin1.*loses bits.*not be found/;
      refuses({ tokenEncoding: name }, 'ERR_INVALID_ARG_VALUE', message);
    });
  }
  it('is refused when it is unknown or no string', () => {
    refuses({ tokenEncoding: 'base32' }, 'ERR_INVALID_ARG_VALUE', /one of base64, base64url, hex/);
    refuses({ tokenEncoding: '__proto__' }, 'ERR_INVALID_ARG_VALUE', /one of base64/);
    refuses({ tokenEncoding: false }, 'ERR_INVALID_ARG_TYPE', /one of base64, base64url, hex/);
  });
});

describe('a number', () => {
  const ranges = [
    ['tokenSize', [16, 1024], [0, 15, 1025, 16.5, Number.NaN, -16, Infinity]],
    ['defaultDuration', [0.5, 1, 1e9, Infinity], [0, -1, Number.NaN, -Infinity]],
    ['commandTimeout', [1, 2 ** 31 - 1], [0, 2 ** 31, 1.5, Number.NaN, Infinity]],
    ['connectTimeout', [1, 2 ** 31 - 1], [0, 2 ** 31, 1.5, Number.NaN, Infinity]],
    ['maxPending', [1, 2 ** 40], [0, -1, 1.5, Infinity]],
  ];
  for (const [name, allowed, refused] of ranges) {
    it(`is in range: ${name}`, () => {
      for (const value of allowed) assert.equal(readOptions({ [name]: value })[name], value);
      for (const value of refused) refuses({ [name]: value }, 'ERR_OUT_OF_RANGE', `\`${name}\``);
      for (const value of ['128', true, 5n, {}]) {
        refuses({ [name]: value }, 'ERR_INVALID_ARG_TYPE', `\`${name}\``);
      }
    });
  }
});

describe('readFrom', () => {
  it("is 'replica' only where there are replicas", () => {
    const cluster = ['127.0.0.1:7000'];
    const sentinels = ['127.0.0.1:26379'];
    for (const place of [{ cluster }, { sentinels, name: 'mymaster' }]) {
      assert.equal(readOptions({ ...place, readFrom: 'replica' }).readFrom, 'replica');
      assert.equal(readOptions(place).readFrom, 'primary');
    }
    assert.equal(readOptions({ readFrom: 'primary' }).readFrom, 'primary');
    for (const connectionString of ['redis://h', 'memory:']) {
      const given = { connectionString, readFrom: 'replica' };
      refuses(given, 'ERR_INVALID_ARG_VALUE', /`readFrom`.*only with Sentinel or Cluster/);
    }
  });

  it('is refused when it is unknown or no string', () => {
    refuses({ readFrom: 'slave' }, 'ERR_INVALID_ARG_VALUE', /'primary' or 'replica'/);
    refuses({ readFrom: true }, 'ERR_INVALID_ARG_TYPE', /'primary' or 'replica'/);
  });
});

describe('tls', () => {
  it('is off unless it is asked for', () => {
    assert.equal(readOptions('h').server.tls, undefined);
    assert.equal(readOptions({ tls: false }).server.tls, undefined);
    assert.equal(readOptions({ connectionString: 'memory:', tls: true }).server, null);
  });

  it('trusts what Node trusts, by one list for all', () => {
    const { ca, ...rest } = readOptions({ connectionString: 'h', tls: true }).server.tls;
    assert.deepEqual({ ...rest }, { rejectUnauthorized: true });
    assert.ok(ca.includes(CERTIFICATE));
    for (const options of ['rediss://h', { tls: {} }, { connectionString: { tls: true } }]) {
      assert.equal(readOptions(options).server.tls.ca, ca);
    }
  });

  it('takes texts, Buffers and arrays of them', () => {
    for (const ca of [CERTIFICATE, Buffer.from(CERTIFICATE), [Buffer.from(CERTIFICATE)]]) {
      assert.deepEqual(readOptions({ tls: { ca } }).server.tls.ca, [CERTIFICATE]);
    }
    const { server } = readOptions({ tls: { servername: 's', rejectUnauthorized: false } });
    assert.deepEqual([server.tls.servername, server.tls.rejectUnauthorized], ['s', false]);
  });

  const broken = CERTIFICATE.replace(/\n.{8}/, '\nAAAAAAAA');
  const refused = [
    ['a text', 'yes', 'TYPE', '`tls`'],
    ['an array', [], 'TYPE', '`tls`'],
    ['a key of Node that is not one of ours', { pfx: 'x' }, 'VALUE', 'unknown option `tls.pfx`'],
    ['ca without a certificate', { ca: 'file.pem' }, 'VALUE', '`tls.ca`'],
    ['an empty list of trust', { ca: [] }, 'VALUE', '`tls.ca`'],
    ['a number for ca', { ca: [CERTIFICATE, 5] }, 'TYPE', '`tls.ca`'],
    ['a certificate that is damaged', { ca: broken }, 'VALUE', '`tls`.*OpenSSL'],
    ['cert without key', { cert: CERTIFICATE }, 'VALUE', '`tls.key`'],
    ['several certs', { cert: [CERTIFICATE, CERTIFICATE] }, 'VALUE', '`tls.cert`'],
    ['an empty servername', { servername: '' }, 'TYPE', '`tls.servername`'],
    ['a text for rejectUnauthorized', { rejectUnauthorized: '0' }, 'TYPE', 'rejectUnauthorized'],
  ];
  for (const [what, option, kind, message] of refused) {
    it(`refuses ${what}`, () => refuses({ tls: option }, `ERR_INVALID_ARG_${kind}`, message));
  }

  it('cannot be switched off where the URL asks for it, nor on for a unix socket', () => {
    const secure = { connectionString: 'rediss://h', tls: false };
    refuses(secure, 'ERR_INVALID_ARG_VALUE', '`tls`');
    refuses({ path: '/x.sock', tls: true }, 'ERR_INVALID_ARG_VALUE', '`tls`');
  });

  it('follows the environment as Node does', () => {
    const read = (environment, options) => {
      const script = `const { readOptions } = require(${JSON.stringify(join(__dirname, '../lib/options.js'))});
        const { ca, rejectUnauthorized } = readOptions(${JSON.stringify(options)}).server.tls;
        console.log(JSON.stringify({ ca: ca.length, last: ca.at(-1), rejectUnauthorized }));`;
      const env = { ...process.env, ...environment };
      const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], { env });
      assert.notEqual(stdout.toString(), '', stderr.toString());
      return JSON.parse(stdout);
    };
    const normal = read({ NODE_EXTRA_CA_CERTS: '' }, 'rediss://h');
    assert.equal(normal.rejectUnauthorized, true);
    const missing = read({ NODE_EXTRA_CA_CERTS: '/nowhere/ca.pem' }, 'rediss://h');
    assert.deepEqual(missing, normal);

    const off = { NODE_TLS_REJECT_UNAUTHORIZED: '0', NODE_EXTRA_CA_CERTS: '' };
    assert.deepEqual(read(off, 'rediss://h'), { ...normal, rejectUnauthorized: false });
    assert.equal(read(off, { tls: { rejectUnauthorized: true } }).rejectUnauthorized, true);
  });
});
