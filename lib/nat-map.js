'use strict';

// The option `natMap`, as in ioredis: where nodes are reached that announce other addresses.

const { FIELDS, readFields } = require('./connection-fields.js');
const { typeError, valueError } = require('./errors.js');
const { isPlain, readObject } = require('./read-object.js');

/**
 * @typedef {{ readonly host: string, readonly port: number }} Address
 * @typedef {Address & { readonly announced: string }} MappedNode `announced` is `host:port`, without brackets if the
 *   host is IPv6
 */

/** What `natMap` and each of its entries should be, for errors. */
const MAP = "an object such as { '10.0.0.1:6379': { host: 'localhost', port: 7001 } }";
const ENTRY = "where the node is reached, as in { host: 'localhost', port: 7001 }";

/**
 * Reads `natMap`. An entry that is null or undefined counts as left out.
 *
 * @param {string} name the name of the option, for errors
 * @param {unknown} given
 * @returns {readonly MappedNode[]}
 * @throws {TypeError}
 */
function readNatMap(name, given) {
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
 * @param {readonly MappedNode[]} nodes
 * @returns {import('ioredis').NatMap}
 */
function natMapOfClient(nodes) {
  const table = new Map(nodes.map(({ announced, host, port }) => [announced, { host, port }]));
  return (announced) => {
    const node = table.get(announced);
    return node === undefined ? null : { ...node };
  };
}

module.exports = { natMapOfClient, readNatMap };
