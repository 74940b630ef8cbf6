'use strict';

// The option `natMap`, as in ioredis: where nodes are reached that announce other addresses.

const { FIELDS, readFields } = require('./connection-fields.js');
const { typeError, valueError } = require('./errors.js');
const { isPlain, readObject } = require('./read-object.js');

/**
 * @typedef {{ readonly host: string, readonly port: number }} Address
 * @typedef {Address & { readonly announced: string }} MappedNode `announced` is `host:port`, without brackets if the
 *   host is IPv6
 *
 * @typedef {(announced: string) => Address | null} AskNatMap a function that says where a node is reached; null: at the
 *   address that it announces. It throws if the program's function throws, or gives no address
 */

/** What `natMap` and each of its entries should be, for errors. */
const MAP =
  "an object such as { '10.0.0.1:6379': { host: 'localhost', port: 7001 } }, or a function";
const ENTRY = "where the node is reached, as in { host: 'localhost', port: 7001 }";

/**
 * Reads `natMap`. An entry that is null or undefined counts as left out, and so does such an answer of a function.
 *
 * @param {string} name the name of the option, for errors
 * @param {unknown} given
 * @returns {readonly MappedNode[] | AskNatMap}
 * @throws {TypeError}
 */
function readNatMap(name, given) {
  if (typeof given === 'function') return askNatMap(name, given);
  if (typeof given !== 'object') throw typeError(name, MAP, given);
  let entries, isOther;
  try {
    entries = Object.entries(given);
    // For example a Map. It would mean that no node is mapped.
    isOther = Array.isArray(given) || (entries.length === 0 && !isPlain(given));
  } catch (cause) {
    throw typeError(name, `${MAP} that can be read`, given, { cause });
  }
  if (isOther) throw typeError(name, MAP, given);
  const nodes = entries.filter(([, value]) => value !== null && value !== undefined);
  return Object.freeze(
    nodes.map(([key, value]) => {
      const announced = readKey(name, key);
      return Object.freeze({ announced, ...readEntry(`${name}['${key}']`, value) });
    }),
  );
}

/**
 * Makes a function of the program check what it gives.
 *
 * @param {string} name the option
 * @param {Function} given
 * @returns {AskNatMap}
 */
function askNatMap(name, given) {
  return (announced) => {
    const reached = given(announced);
    if (reached === null || reached === undefined) return null;
    return readEntry(`${name}('${announced}')`, reached);
  };
}

/** @param {string} name @param {string} key @returns {string} */
function readKey(name, key) {
  const [, ipv6, plain, port] = /^(?:\[([^\]]*:[^\]]*)\]|(.*)):(.*)$/s.exec(key) ?? [];
  const host = ipv6 ?? plain;
  if (!host || FIELDS.host.read(host) === undefined || FIELDS.port.read(port) === undefined) {
    // The key is not shown. It may be a URL with a password.
    const what = 'the host and the port that a node announces, such as 10.0.0.1:6379';
    throw valueError(`each key of ${name}`, what, key);
  }
  return `${host}:${port}`;
}

/** @param {string} path @param {unknown} value @returns {Address} */
function readEntry(path, value) {
  const names = ['host', 'port'];
  const given = readObject(path, value, names, ENTRY);
  const { host, port } = readFields(given, names, `${path}.`);
  if (host === undefined) throw typeError(`${path}.host`, FIELDS.host.what, given.host);
  if (port === undefined) throw typeError(`${path}.port`, FIELDS.port.what, given.port);
  return { host, port };
}

/**
 * Makes the `natMap` of `client`. ioredis changes the objects that it gets from it, so each is a new one.
 *
 * @param {readonly MappedNode[] | AskNatMap} nodes
 * @returns {AskNatMap}
 */
function natMapOfClient(nodes) {
  if (typeof nodes === 'function') return nodes;
  const table = new Map(nodes.map(({ announced, host, port }) => [announced, { host, port }]));
  return (announced) => {
    const node = table.get(announced);
    return node === undefined ? null : { ...node };
  };
}

/**
 * Makes the function that the engine asks. It answers in a text: `host:port`, or nothing for an address that stays.
 *
 * @param {AskNatMap} ask
 */
function natMapOfEngine(ask) {
  return (/** @type {string} */ announced) => {
    const reached = ask(announced);
    return reached === null ? '' : `${reached.host}:${reached.port}`;
  };
}

module.exports = { natMapOfClient, natMapOfEngine, readNatMap };
