// The constructor's options: defaults, ranges and refusals. tls-options.test.js has those of TLS.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const { runInNewContext } = require('node:vm');
const fc = require('fast-check');
const { readOptions } = require('../lib/options.js');
const { refuses } = require('./support/refuses.js');

const DEFAULTS = {
  tokenEncoding: 'base64',
  tokenSize: 128,
  defaultDuration: 86_400,
  commandTimeout: 4000,
  connectTimeout: 10_000,
  maxDataSize: 2 ** 20,
  maxPending: 100_000,
  sliding: false,
  lifetime: Infinity,
  maxSessions: Infinity,
  prefix: 'spots:',
  readFrom: 'primary',
};

describe('options', () => {
  it('each have a default', () => {
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
    assert.deepEqual(readOptions(6380), readOptions('6380'));
  });

  it('may give the parts of the address in place of a connection string', () => {
    const address = { host: 'h', port: 1, db: 2, username: 'u', password: 'p', family: 6 };
    const { server, tokenSize } = readOptions({ ...address, tokenSize: 32 });
    assert.deepEqual({ ...server, ...address }, server);
    assert.equal(tokenSize, 32);
    assert.equal(readOptions({ connectionString: undefined, port: '6380' }).server.port, 6380);
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

  it('may give a function as the password, in an address or beside a connection string', async () => {
    const password = () => 's3cret';
    const read = async (options) => {
      const { username, password, sentinels } = readOptions(options).server;
      const ofSentinels = sentinels && [sentinels.username, await sentinels.password?.()];
      return [username, await password?.(), ...(ofSentinels ?? [])];
    };
    for (const [options, ...expected] of [
      [{ password }, undefined, 's3cret'],
      [{ username: 'u', password }, 'u', 's3cret'],
      [{ connectionString: { host: 'h', username: 'u', password } }, 'u', 's3cret'],
      [{ connectionString: { host: 'h', username: 'u' }, password }, 'u', 's3cret'],
      [{ connectionString: 'h', password: async () => 's3cret' }, undefined, 's3cret'],
      [{ connectionString: 'redis://u@h/2', password }, 'u', 's3cret'],
      [{ connectionString: 'redis://u:@h?password=', password }, 'u', 's3cret'],
      [{ connectionString: 'redis://u@h?allowUsernameInURI=false', password }, undefined, 's3cret'],
      [{ connectionString: 'unix:///x.sock?username=u', password }, 'u', 's3cret'],
      [{ connectionString: 'redis-cluster://u@h,i', password }, 'u', 's3cret'],
      [{ cluster: ['h'], username: 'u', password }, 'u', 's3cret'],
      [
        { connectionString: 'redis-sentinel://u@h?name=m&sentinelUsername=v', password },
        ...['u', 's3cret', undefined, undefined],
      ],
      [
        {
          connectionString: 'redis-sentinel://u@h?name=m&sentinelUsername=v',
          ...{ password, sentinelPassword: () => 'another' },
        },
        ...['u', 's3cret', 'v', 'another'],
      ],
      [
        {
          ...{ sentinels: ['h'], name: 'm', sentinelUsername: 'v' },
          sentinelPassword: () => 'another',
        },
        ...[undefined, undefined, 'v', 'another'],
      ],
    ]) {
      assert.deepEqual(await read(options), expected);
    }
    assert.equal(readOptions({ connectionString: 'memory:', password }).server, null);
  });

  it('refuse a function as the password where it contradicts, or belongs to nothing', () => {
    const password = () => assert.fail('it is not called');
    const sentinelPassword = password;
    const sentinel = 'redis-sentinel://h?name=m&sentinelPassword=p';
    for (const [options, what] of [
      [{ connectionString: 'redis://:p@h', password }, 'because `connectionString` has one'],
      [
        { connectionString: 'redis://h?password=p', password },
        'because `connectionString` has one',
      ],
      [{ connectionString: sentinel, sentinelPassword }, 'because `connectionString` has one'],
      [{ connectionString: { password: 'p' }, password }, '`connectionString.password`'],
      [{ connectionString: 'redis://h', sentinelPassword }, 'redis-sentinel://'],
      [{ connectionString: 'redis-cluster://h', sentinelPassword }, 'redis-sentinel://'],
      [{ host: 'h', sentinelPassword }, '`sentinels`'],
      [{ connectionString: { host: 'h' }, sentinelPassword }, '`sentinels`'],
      [{ connectionString: 'h', password: 'p' }, '`password` to be left out or a function'],
    ]) {
      refuses(options, 'ERR_INVALID_ARG_VALUE', what);
    }
    for (const name of ['username', 'host', 'db']) {
      refuses({ [name]: password }, 'ERR_INVALID_ARG_TYPE', `\`${name}\``);
    }
    for (const wrong of [true, {}, [], Symbol('s'), 5n, Promise.resolve('p')]) {
      refuses(
        { password: wrong },
        'ERR_INVALID_ARG_TYPE',
        '`password` to be a string or a function',
      );
    }
  });

  it('refuse an empty connection string, which would mean localhost', () => {
    const what = '`connectionString` to be a connection string, or undefined for localhost';
    for (const empty of ['', ' ', '\n']) {
      refuses(empty, 'ERR_INVALID_ARG_VALUE', what);
      for (const beside of [{}, { port: 6380 }, { tokenSize: 32 }]) {
        const given = { connectionString: empty, ...beside };
        refuses(given, 'ERR_INVALID_ARG_VALUE', what);
      }
    }
  });

  it('refuse a host called memory, unless it is clear that a host is meant', () => {
    const strings = [
      'memory',
      'MEMORY',
      ' memory\n',
      'memory/',
      'memory://',
      'memory:///',
      ':memory:',
      'memory::',
    ];
    for (const given of [...strings, 'memory?commandTimeout=1', 'memory:?commandTimeout=1']) {
      for (const options of [given, { connectionString: given }]) {
        refuses(options, 'ERR_INVALID_ARG_VALUE', 'did you mean `memory:`\\?');
      }
    }
    const hosts = ['memory:6379', 'redis://memory', 'rediss://memory:1/2', '//memory'];
    for (const options of [
      ...hosts,
      { host: 'memory' },
      { connectionString: { host: 'memory' } },
    ]) {
      assert.equal(readOptions(options).server.host, 'memory');
    }
    for (const given of ['memory-1', 'memory.example', 'inmemory', 'memory_']) {
      assert.equal(readOptions(given).server.host, given);
    }
  });

  it('are frozen, deeply', () => {
    const settings = readOptions('rediss://h?lazyConnect=true');
    const { server } = settings;
    for (const part of [settings, server, server.clientOptions, server.tls, server.tls.ca]) {
      assert.ok(Object.isFrozen(part));
    }
  });

  it('take connectTimeout and commandTimeout from a URL, unless they are given as options', () => {
    const connectionString = 'redis://h?connectTimeout=1&commandTimeout=2';
    const { connectTimeout, commandTimeout, server } = readOptions(connectionString);
    assert.deepEqual([connectTimeout, commandTimeout], [1, 2]);
    assert.deepEqual(server.clientOptions, {});
    assert.equal(readOptions({ connectionString, connectTimeout: 3 }).connectTimeout, 3);
    refuses('h?connectTimeout=0', 'ERR_INVALID_ARG_VALUE', 'whose connectTimeout is');
    refuses('h?commandTimeout=x', 'ERR_INVALID_ARG_VALUE', 'whose commandTimeout is');
  });

  it('are taken from a URL or refused there, but never ignored', () => {
    for (const [name, byDefault] of Object.entries(DEFAULTS)) {
      const given = `h?${name}=7777`;
      if (/Timeout$|^maxDataSize$/.test(name)) assert.notEqual(readOptions(given)[name], byDefault);
      else refuses(given, 'ERR_INVALID_ARG_VALUE', `without ${name}, .* beside connectionString`);
    }
  });

  it('refuse an unknown option, by name', () => {
    refuses({ tokensize: 16 }, 'ERR_INVALID_ARG_VALUE', /unknown option `tokensize`.*tokenSize/);
    refuses(JSON.parse('{"__proto__":1}'), 'ERR_INVALID_ARG_VALUE', '`__proto__`');
  });

  it('refuse values that are not an object', () => {
    for (const options of [true, 1n, Symbol('x'), () => {}, []]) {
      refuses(options, 'ERR_INVALID_ARG_TYPE', '`options` to be a connection string or an object');
    }
  });

  it('refuse objects that hold no options, such as a Map, because they would mean localhost', () => {
    const others = [
      [Promise.resolve('redis://h'), 'Promise'],
      [new Map([['host', 'h']]), 'Map'],
      [new Set(['h']), 'Set'],
      [new Date(0), 'Date'],
      [/h/, 'RegExp'],
      [Buffer.from('redis://h'), 'Buffer'],
      [new String('redis://h'), 'String'],
      [new Uint8Array(0), 'Uint8Array'],
      [new ArrayBuffer(8), 'ArrayBuffer'],
      [new URLSearchParams('host=h'), 'URLSearchParams'],
    ];
    for (const [other, kind] of others) {
      const rows = [
        [other, '`options` to be a connection string or an object'],
        [{ connectionString: other }, '`connectionString` to be a connection string or an object'],
        [{ tls: other }, '`tls` to be true or an object'],
        [{ cluster: [other] }, '`cluster\\[0\\]` to be a node'],
      ];
      for (const [options, words] of rows) {
        refuses(
          options,
          'ERR_INVALID_ARG_TYPE',
          new RegExp(`${words}.*, got an instance of ${kind}`),
        );
      }
    }
  });

  it('may be an object of any class, or one without options', () => {
    class Config {
      host = 'h';
    }
    class Lazy {
      get host() {
        return 'h';
      }
    }
    const bare = Object.assign(Object.create(null), { host: 'h' });
    for (const options of [new Config(), new Lazy(), bare, Object.create({ host: 'h' })]) {
      for (const given of [options, { connectionString: options }]) {
        assert.equal(readOptions(given).server.host, 'h');
      }
    }
    for (const nothing of [Object.create(null), runInNewContext('({})'), new Proxy({}, {})]) {
      assert.deepEqual(readOptions(nothing), readOptions());
      assert.deepEqual(readOptions({ connectionString: nothing }), readOptions());
    }
  });

  it('are read once', () => {
    const reads = {};
    const options = new Proxy(
      { connectionString: 'h:1', tokenSize: 32 },
      {
        get(target, name) {
          reads[name] = (reads[name] ?? 0) + 1;
          return target[name];
        },
      },
    );
    assert.equal(readOptions(options).tokenSize, 32);
    assert.deepEqual([...new Set(Object.values(reads))], [1]);
  });

  it('that throw when they are read are refused, with the cause', () => {
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
    it(`'${name}' is refused, because it loses bits`, () => {
      const message = /`tokenEncoding`.*base64, base64url, hex, latin1.*loses bits.*not be found/;
      refuses({ tokenEncoding: name }, 'ERR_INVALID_ARG_VALUE', message);
    });
  }
  it('is refused when it is unknown or no string', () => {
    refuses({ tokenEncoding: 'base32' }, 'ERR_INVALID_ARG_VALUE', /one of base64, base64url, hex/);
    refuses({ tokenEncoding: 'x' }, 'ERR_INVALID_ARG_VALUE', /got a string of 1 character$/);
    refuses({ tokenEncoding: '__proto__' }, 'ERR_INVALID_ARG_VALUE', /one of base64/);
    refuses({ tokenEncoding: false }, 'ERR_INVALID_ARG_TYPE', /one of base64, base64url, hex/);
  });
});

describe('a number', () => {
  const ranges = [
    ['tokenSize', [32, 1024], [0, 31, 1025, 32.5, Number.NaN, -32, Infinity]],
    ['defaultDuration', [0.5, 1, 1e9, Infinity], [0, -1, Number.NaN, -Infinity]],
    ['maxPending', [1, 2 ** 40], [0, -1, 1.5, Infinity]],
  ];
  for (const [name, allowed, refused] of ranges) {
    it(`must be in range: ${name}`, () => {
      for (const value of allowed) assert.equal(readOptions({ [name]: value })[name], value);
      for (const value of refused) refuses({ [name]: value }, 'ERR_OUT_OF_RANGE', `\`${name}\``);
      for (const value of ['128', true, 5n, {}]) {
        refuses({ [name]: value }, 'ERR_INVALID_ARG_TYPE', `\`${name}\``);
      }
    });
  }
});

describe('a timeout or a size', () => {
  for (const [name, least, most] of [
    ['commandTimeout', 1, 2 ** 31 - 1],
    ['connectTimeout', 1, 2 ** 31 - 1],
    ['maxDataSize', 1024, 2 ** 28],
  ]) {
    it(`must be in range, and a number or its text, wherever it is given: ${name}`, () => {
      for (const [place, at] of [
        [name, (value) => ({ [name]: value })],
        [`connectionString.${name}`, (value) => ({ connectionString: { [name]: value } })],
      ]) {
        for (const value of [least, most, `${least}`, '5000']) {
          assert.equal(readOptions(at(value))[name], Number(value));
        }
        for (const nothing of ['', null]) {
          assert.equal(readOptions(at(nothing))[name], DEFAULTS[name]);
        }
        for (const value of [0, least - 1, most + 1, least + 0.5, Number.NaN, Infinity]) {
          refuses(
            at(value),
            'ERR_OUT_OF_RANGE',
            `\`${place}\` to be a whole number from ${least} to`,
          );
        }
        for (const value of [`${least - 1}`, `${most + 1}`, '1024.5', '5s']) {
          refuses(at(value), 'ERR_INVALID_ARG_VALUE', `\`${place}\``);
        }
        for (const value of [true, 5n, {}])
          refuses(at(value), 'ERR_INVALID_ARG_TYPE', `\`${place}\``);
      }
      const { [name]: fromQuery } = readOptions(`redis://localhost?${name}=5000`);
      assert.equal(fromQuery, 5000);
    });
  }
});

describe('readFrom', () => {
  it("may be 'replica' only with Sentinel or Cluster", () => {
    const cluster = ['127.0.0.1:7000'];
    const sentinels = ['127.0.0.1:26379'];
    for (const place of [{ cluster }, { sentinels, name: 'mymaster' }]) {
      assert.equal(readOptions({ ...place, readFrom: 'replica' }).readFrom, 'replica');
      assert.equal(readOptions(place).readFrom, 'primary');
    }
    assert.equal(readOptions({ readFrom: 'primary' }).readFrom, 'primary');
    for (const connectionString of ['redis://h', 'memory:']) {
      const given = { connectionString, readFrom: 'replica' };
      refuses(
        given,
        'ERR_INVALID_ARG_VALUE',
        /`readFrom` to be 'primary' \('replica' works only with Sentinel or Cluster\)/,
      );
    }
  });

  it('is refused when it is unknown or no string', () => {
    refuses({ readFrom: 'slave' }, 'ERR_INVALID_ARG_VALUE', /'primary' or 'replica'/);
    refuses({ readFrom: true }, 'ERR_INVALID_ARG_TYPE', /'primary' or 'replica'/);
  });
});
