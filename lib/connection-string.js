'use strict';

// The grammar of connection strings. What ioredis 4 accepts is accepted and means the same, but for
// its mistakes: it took `host:6379/3` for a unix socket, `REDISS://` for plain text, `/abc` and
// whatever follows a bare `#` for database 0, and every option of the query for a string. TLS is
// only asked for here; lib/tls.js says what to trust.

const { valueError } = require('./errors.js');
const fields = require('./connection-fields.js');
const { NOT_IN_A_STRING, QUERY, all } = fields;

const EXAMPLE =
  'redis://user:password@localhost:6379/0 (percent-encode /, ?, #, @ and % in a password)';

/** @typedef {(expected: string) => never} Fail */

/**
 * The forms of a URL by their schemes: what the parts of each mean. Sentinel and Cluster have their
 * place here.
 *
 * @type {Map<string, (parts: UrlParts, fail: Fail) => Record<string, unknown>>}
 */
const FORMS = new Map(
  Object.entries({
    ...all(serverUrl, 'redis', 'valkey'),
    ...all((parts) => ({ ...serverUrl(parts), tls: 'true' }), 'rediss', 'valkeys'),
    ...all(socketUrl, 'unix', 'redis+unix', 'redis-socket'),
    ...all(notYet('Sentinel'), 'redis-sentinel', 'rediss-sentinel', 'redis+sentinel'),
    ...all(notYet('Sentinel'), 'rediss+sentinel', 'valkey-sentinel', 'valkeys-sentinel'),
    ...all(notYet('Cluster'), 'redis-cluster', 'rediss-cluster', 'redis+cluster'),
    ...all(notYet('Cluster'), 'rediss+cluster', 'valkey-cluster', 'valkeys-cluster'),
  }),
);

/**
 * Reads a connection string.
 *
 * An option of its query that neither ioredis nor we know is ignored, as ioredis does; so is a
 * fragment, `#insecure` included. An option without a value counts as left out.
 *
 * @param {string} given such as `redis://user:password@host:6379/0`, `host:6379` or `memory:`
 * @returns {{ server: import('./connection-fields.js').ServerSettings | null, connectTimeout?: number, commandTimeout?: number }}
 * @throws {TypeError} `ERR_INVALID_ARG_VALUE`; it repeats no part of the string
 */
function parseConnectionString(given) {
  const string = given.trim();
  /** @type {Fail} */
  const fail = (expected) => {
    throw valueError('connectionString', `${expected}, as in ${EXAMPLE}`, string);
  };
  if (/^memory:(\/\/)?$/i.test(string)) return { server: null };
  if (/^\d+$/.test(string)) return { server: fields.toServer(readTexts({ port: string }, fail)) };

  const { form, rest } = takeForm(string, fail);
  const parts = takeApart(rest, fail);
  const query = readQuery(parts.query, fail);
  const fromUrl = form(parts, fail);
  if (fromUrl.tls && query.tls === false) fail('either rediss:// or tls=false, not both');
  if (query.allowUsernameInURI === false) delete fromUrl.username;

  return {
    server: fields.toServer({ ...query, ...readTexts(fromUrl, fail) }),
    ...fields.pick(query, fields.TIMEOUTS),
  };
}

/** Finds out which form a string has. @param {string} string @param {Fail} fail */
function takeForm(string, fail) {
  // `redis:6379` is a host called redis, so a scheme needs its slashes.
  const start = /^(?:([a-z][a-z\d+.-]*):(?=\/\/)|(unix|redis\+unix|redis-socket):(?=\/))/i;
  const [beginning = '', withHost, withPath] = start.exec(string) ?? [];
  const scheme = withHost ?? withPath;
  const rest = string.slice(beginning.length);
  if (scheme === undefined) {
    if (rest.startsWith('//')) return { form: serverUrl, rest };
    return { form: rest.startsWith('/') ? plainPath : plainHost, rest: `//${rest}` };
  }
  const form =
    FORMS.get(scheme.toLowerCase()) ??
    fail('a URL that begins with redis://, rediss://, valkey://, valkeys://, unix:// or memory:');
  return { form, rest: rest.startsWith('//') ? rest : `//${rest}` };
}

/**
 * @typedef {{ login: Record<string, string>, host: string, port?: string, path: string, query: string }} UrlParts
 *
 * @param {string} url from its two slashes on
 * @param {Fail} fail
 * @returns {UrlParts}
 */
function takeApart(url, fail) {
  const [, authority, path, query = '', fragment = ''] =
    /^\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s.exec(url);
  // An unescaped #, ? or / in a password ends the host early; the @ then stands where none belongs.
  if (fragment.includes('@')) fail('a URL whose password has no bare #');

  const at = authority.lastIndexOf('@');
  const address = authority.slice(at + 1);
  if (address.includes(',')) fail('the address of one server; several are not supported');
  const [, host, port] =
    /^(\[[^\]]*\]|[^:[\]]*)(?::(.*))?$/s.exec(address) ?? fail(`a URL ${whose('host')}`);
  return { login: readLogin(authority.slice(0, Math.max(at, 0)), fail), host, port, path, query };
}

/** @param {string} userInfo @param {Fail} fail */
function readLogin(userInfo, fail) {
  const [, username, password = ''] = /^([^:]*)(?::(.*))?$/s.exec(userInfo);
  return { username: decode(username, fail), password: decode(password, fail) };
}

/** @param {string} encoded @param {Fail} fail */
function decode(encoded, fail) {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return fail('a URL in which every % begins a percent-encoded character');
  }
}

/** @param {UrlParts} parts */
function serverUrl({ login, host, port, path }) {
  // ioredis reads /2/3 as database 2.
  const [, db] = /^\/(\d+)(?:\/|$)/.exec(path) ?? [undefined, path.slice(1)];
  return { ...login, host, port, db };
}

/** @type {(parts: UrlParts, fail: Fail) => Record<string, unknown>} */
function socketUrl({ login, host, port, path }, fail) {
  if ((host && host !== 'localhost') || port) fail('a URL of a unix socket without a host');
  return { ...login, path: decode(path, fail) || '/' };
}

/** A path alone is taken as it stands. @param {UrlParts} parts */
function plainPath({ path }) {
  return { path };
}

/** @type {(parts: UrlParts, fail: Fail) => Record<string, unknown>} */
function plainHost({ login, host, port, path }, fail) {
  if (path !== '' && path !== '/') {
    fail('a URL, or a host and a port without a path; a database is written host:6379?db=3');
  }
  return { ...login, host, port };
}

/** @param {string} what */
function notYet(what) {
  return (_parts, fail) => fail(`a URL of one server (${what} is not supported yet)`);
}

/** @param {string} query @param {Fail} fail @returns {Record<string, any>} */
function readQuery(query, fail) {
  const isStray = (item) => item.includes('@') && !QUERY.has(item.split('=', 1)[0]);
  if (query.split('&').some(isStray)) fail('a URL whose password has no bare ?');

  const given = [...new Map(new URLSearchParams(query))];
  for (const [name] of given) {
    if (NOT_IN_A_STRING.has(name)) fail(`a URL without ${name}, which a string cannot express`);
  }
  return readTexts(Object.fromEntries(given.filter(([name]) => QUERY.has(name))), fail);
}

/** @param {Record<string, string | undefined>} texts @param {Fail} fail */
function readTexts(texts, fail) {
  return Object.fromEntries(
    Object.entries(texts)
      .filter(([, value]) => !fields.isLeftOut(value))
      .map(([name, value]) => {
        const read = QUERY.get(name).read(value);
        return [name, read === undefined ? fail(`a URL ${whose(name)}`) : read];
      }),
  );
}

/** @param {string} name */
function whose(name) {
  return `whose ${name} is ${QUERY.get(name).what}`;
}

module.exports = { parseConnectionString };
