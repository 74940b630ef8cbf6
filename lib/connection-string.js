'use strict';

// The grammar of connection strings. A string that ioredis 4 accepts is accepted here with the same meaning, except for
// the mistakes of ioredis 4. It took `host:6379/3` for a unix socket, `REDISS://` for plain text and `/abc` for
// database 0. It dropped everything after an unescaped `#`, and kept every option of the query as a string. Other forms
// are accepted only if a page of docs/ names them.
//
// `URL` reads the login, the query and the fragment. The hosts and the path are read here: `URL` refuses several hosts
// and a missing host, and it changes the path of a socket.
//
// This file only finds out whether a URL asks for TLS. lib/tls.js reads the settings of TLS.

const { valueError } = require('./errors.js');
const fields = require('./connection-fields.js');
const nodes = require('./connection-nodes.js');
const { NOT_IN_A_QUERY, QUERY, SENTINEL_NAMES, all } = fields;

const EXAMPLE = 'redis://user:password@localhost:6379/0';
const CLUSTER_EXAMPLE = 'redis-cluster://user:password@node-1:6379,node-2:6379';
const SENTINEL_EXAMPLE =
  'redis-sentinel://user:password@sentinel-1:26379,sentinel-2:26379/0?name=mymaster';

/**
 * @typedef {(expected: string) => never} Fail
 *
 * @typedef {object} Form
 * @property {(parts: UrlParts, fail: Fail) => Record<string, string | undefined>} read returns the
 *   fields that the parts of a URL hold, as text
 * @property {(server: Server, parts: UrlParts, query: Record<string, any>, fail: Fail) => Server} [complete]
 *   adds the nodes of a cluster, or the sentinels
 * @property {boolean} [tls] whether the scheme asks for TLS
 * @property {string} [example] an example for errors
 *
 * @typedef {import('./connection-fields.js').ServerSettings} Server
 */

/** @type {Form} */
const CLUSTER = { read: serverUrl, complete: clusterOf, example: CLUSTER_EXAMPLE };
/** @type {Form} */
const SENTINEL = { read: serverUrl, complete: sentinelsOf, example: SENTINEL_EXAMPLE };

/** The forms of a URL, by scheme. @type {Map<string, Form>} */
const FORMS = new Map(
  Object.entries({
    ...all({ read: serverUrl }, 'redis', 'valkey'),
    ...all({ read: serverUrl, tls: true }, 'rediss', 'valkeys'),
    // ioredis 4 took the path of any other scheme for that of a socket.
    ...all({ read: socketUrl }, 'unix', 'redis+unix', 'redis-socket'),
    ...all(SENTINEL, 'redis-sentinel', 'redis+sentinel', 'valkey-sentinel'),
    'rediss-sentinel': { ...SENTINEL, tls: true },
    ...all(CLUSTER, 'redis-cluster', 'redis+cluster', 'valkey-cluster'),
    'rediss-cluster': { ...CLUSTER, tls: true },
  }),
);

/**
 * Reads a connection string.
 *
 * - An unknown name in the query is ignored, as in ioredis, unless users may expect it to work (`NOT_IN_A_QUERY`).
 * - An option without a value counts as left out.
 * - A fragment such as `#insecure` is ignored. Only in a URL of sentinels it is the name of the primary.
 *
 * @param {string} given such as `redis://user:password@host:6379/0`, `host:6379` or `memory:`
 * @param {Record<string, Function>} [functions] `password` and `sentinelPassword`, if they are functions beside the string
 * @returns {{
 *   server: Server | null,
 *   connectTimeout?: number,
 *   commandTimeout?: number,
 *   maxDataSize?: number
 * }} `server` is null for `memory:`
 * @throws {TypeError} `ERR_INVALID_ARG_VALUE`; the error repeats no value from the string
 */
function parseConnectionString(given, functions = {}) {
  // A bare port is the port of localhost.
  const string = given.trim().replace(/^\d+$/, ':$&');
  let example = EXAMPLE;
  /** @type {Fail} */
  const fail = (expected) => {
    const form = `${example} (percent-encode /, ?, #, @ and % in a password)`;
    throw valueError('connectionString', `${expected}, as in ${form}`, given);
  };
  // An empty string may come from an empty environment variable. It must not mean localhost.
  if (string === '') fail('a connection string, or undefined for localhost');
  if (/^memory:$/i.test(string)) return { server: null };
  if (/^:?memory:{0,2}(?:[/?#]|$)/i.test(string)) {
    fail('a URL if the host is called memory (did you mean `memory:`?)');
  }

  const { form, rest } = takeForm(string, fail);
  example = form.example ?? EXAMPLE;
  const parts = takeApart(rest, form, fail);
  const ofQuery = readQuery(parts.query, form, fail);
  const query = { ...ofQuery, ...functions };
  if (form.tls && query.tls === false)
    fail('a URL that asks for TLS by its scheme or has tls=false, but not both');
  const fromUrl = readTexts(form.read(parts, fail), fail);
  if (query.allowUsernameInURI === false) delete fromUrl.username;

  checkFunctions(functions, form, { ...ofQuery, ...fromUrl });
  const texts = { ...ofQuery, ...fromUrl, ...(form.tls && { tls: true }) };
  const server = fields.toServer({ ...texts, ...functions });
  return {
    server: form.complete ? form.complete(server, parts, query, fail) : server,
    ...fields.pick(query, fields.NUMBER_NAMES),
  };
}

/**
 * Refuses functions that contradict the string.
 *
 * @param {Record<string, Function>} functions
 * @param {Form} form
 * @param {Record<string, unknown>} texts the fields of the string
 */
function checkFunctions(functions, form, texts) {
  for (const [name, value] of Object.entries(functions)) {
    if (texts[name] !== undefined) {
      throw valueError(name, 'left out, because `connectionString` has one', value);
    }
    if (name === 'sentinelPassword' && form.complete !== sentinelsOf) {
      const beside = `left out, or given with sentinels, as in ${SENTINEL_EXAMPLE}`;
      throw valueError(name, beside, value);
    }
  }
}

/**
 * Finds out which form a string has.
 *
 * @param {string} string
 * @param {Fail} fail
 * @returns {{ form: Form, rest: string }} `rest` is the string without its scheme; it begins with two slashes
 */
function takeForm(string, fail) {
  // A scheme needs its slashes, because `redis:6379` is a host called redis. Before the path of a socket, one is enough.
  const [beginning = '', scheme] =
    /^([a-z][a-z\d+.-]*):(?=\/\/|(?<=unix:|socket:)\/)/i.exec(string) ?? [];
  const rest = string.slice(beginning.length);
  if (scheme === undefined) {
    return { form: { read: /^\/(?!\/)/.test(rest) ? plainPath : plainHost }, rest };
  }
  const form =
    FORMS.get(scheme.toLowerCase()) ??
    fail(
      'a URL that begins with redis://, rediss://, valkey://, valkeys://, redis-sentinel://, ' +
        'redis-cluster://, unix:// or memory:',
    );
  return { form, rest };
}

/**
 * @typedef {{ host: string, port?: string }} Address
 * @typedef {{ login: Record<string, string>, addresses: Address[], path: string, query: URLSearchParams, fragment: string }} UrlParts
 *
 * @param {string} rest the string without its scheme
 * @param {Form} form
 * @param {Fail} fail
 * @returns {UrlParts}
 */
function takeApart(rest, form, fail) {
  const [, userInfo = '', hosts, path, end] =
    /^(?:\/\/)?(?:([^/?#]*)@)?([^/?#]*)([^?#]*)(.*)$/s.exec(rest);
  // URL drops some control characters.
  const escaped = `redis://${userInfo}@h${end}`.replace(/\p{Cc}/gu, encodeURIComponent);
  const { username, password, search, searchParams, hash } = new URL(escaped);

  // An unescaped #, ? or / in a password ends the host too early. The @ is then in a part that should have none.
  if (hash.includes('@')) fail('a URL whose password has no unescaped #');
  const isStray = (item) => item.includes('@') && !mayHold(form, item.split('=', 1)[0]);
  if (search.slice(1).split('&').some(isStray)) fail('a URL whose password has no unescaped ?');
  if (form.complete && userInfo.includes('@')) {
    fail('a URL with one login, before the first node, whose password has no unescaped @');
  }
  const list = hosts.split(',');
  if (list.length > 1 && !form.complete) {
    fail(`the address of one server (for several: ${CLUSTER_EXAMPLE}, or ${SENTINEL_EXAMPLE})`);
  }
  if (list.length > 1 && list.includes('')) fail('a URL with a host before and after each comma');
  const addresses = list.map((each) => nodes.splitAddress(each) ?? fail(`a URL ${whose('host')}`));
  const login = { username: decode(username, fail), password: decode(password, fail) };
  return { login, addresses, path, query: searchParams, fragment: hash.slice(1) };
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
function serverUrl({ login, addresses: [{ host, port }], path }) {
  // ioredis reads /2/3 as database 2. But if an @ follows, the slash is an unescaped one in a password.
  const [, db] = /^\/(\d+)(?:\/[^@]*)?$/.exec(path) ?? [undefined, path.slice(1)];
  return { ...login, host, port, db };
}

/** @type {Form['complete']} */
function clusterOf(server, parts, query, fail) {
  if (server.db !== 0) fail('a URL without a database, because a cluster has only 0');
  return nodes.toCluster(server, readNodes(nodes.CLUSTER.port, parts, query, fail));
}

/** @type {Form['complete']} */
function sentinelsOf(server, parts, query, fail) {
  // Lettuce writes the name as the fragment.
  const name = query.name ?? decode(parts.fragment, fail);
  if (name === '') fail("a URL with ?name= and the primary's name");
  const list = readNodes(nodes.SENTINEL.port, parts, query, fail);
  return nodes.toSentinels(server, list, { ...query, name });
}

/** @type {(port: number, parts: UrlParts, query: Record<string, any>, fail: Fail) => import('./connection-nodes.js').Node[]} */
function readNodes(port, { login, addresses }, query, fail) {
  // Some users write only a password in this way. It would be ignored without an error.
  const hasPassword = login.password || typeof query.password === 'function';
  if (login.username && !hasPassword) fail('a URL with user:password@, :password@ or neither');
  const stray = nodes.ONE_SERVER.find((name) => query[name] !== undefined);
  if (stray) fail(`a URL without ${stray} in its query`);
  return addresses.map((address) => nodes.toNode(readTexts({ ...address }, fail), port));
}

/** @type {(parts: UrlParts, fail: Fail) => Record<string, unknown>} */
function socketUrl({ login, addresses: [{ host, port }], path }, fail) {
  if ((host && host !== 'localhost') || port) fail('a URL of a unix socket without a host');
  return { ...login, path: decode(path, fail) || '/' };
}

/** A bare path is used as it is, without percent-decoding. @param {UrlParts} parts */
function plainPath({ path }) {
  return { path };
}

/** @type {(parts: UrlParts, fail: Fail) => Record<string, unknown>} */
function plainHost({ login, addresses: [{ host, port }], path }, fail) {
  if (path !== '') {
    fail('a URL, or a host and a port without a path (for a database: host:6379?db=3)');
  }
  return { ...login, host, port };
}

/** Whether a query may hold this name. Other forms ignore the names of Sentinel. @param {Form} form @param {string} name */
function mayHold(form, name) {
  return QUERY.has(name) && (form.complete === sentinelsOf || !SENTINEL_NAMES.includes(name));
}

/**
 * @param {URLSearchParams} query
 * @param {Form} form
 * @param {Fail} fail
 * @returns {Record<string, any>}
 */
function readQuery(query, form, fail) {
  const names = [...QUERY.keys()].filter((name) => mayHold(form, name));
  for (const name of query.keys()) {
    if (names.includes(name)) continue;
    const instead = NOT_IN_A_QUERY.get(name);
    if (instead !== undefined) fail(instead);
    // If `?TLS=true` were ignored, the connection would be in plain text.
    const meant = names.find((known) => known.toLowerCase() === name.toLowerCase());
    if (meant !== undefined) fail(`a URL that spells ${meant} in exactly this way`);
  }
  const known = [...query].filter(([name]) => names.includes(name));
  return readTexts(Object.fromEntries(known), fail);
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
