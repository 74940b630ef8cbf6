'use strict';

// Reads addresses of several servers: the nodes of a Redis Cluster, or the sentinels that know the primary. They come
// from an object of the kind that ioredis takes, or from the parts of a URL (lib/connection-string.js).

const {
  FIELD_NAMES,
  FIELDS,
  isLeftOut,
  readField,
  readFields,
  readServerFields,
} = require('./connection-fields.js');
const { typeError, valueError } = require('./errors.js');
const { readPassword } = require('./password.js');
const { readObject } = require('./read-object.js');

/** For each kind of list: the default port, and an example for errors. */
const CLUSTER = {
  port: 6379,
  example: "{ cluster: [{ host: 'node-1', port: 6379 }, { host: 'node-2', port: 6379 }] }",
};
const SENTINEL = {
  port: 26379,
  example: "{ sentinels: [{ host: 'sentinel-1', port: 26379 }], name: 'mymaster' }",
};

/** The fields that belong to `sentinels` alone. */
const SENTINEL_OBJECT_NAMES = [
  'name',
  'sentinelUsername',
  'sentinelPassword',
  'sentinelTLS',
  'enableTLSForSentinelMode',
];

/** The fields of one server. They are not allowed beside a list of servers. */
const ONE_SERVER = ['host', 'port', 'path'];

/** All fields of an address except `tls`. */
const ADDRESS_NAMES = [...FIELD_NAMES, 'cluster', 'sentinels', ...SENTINEL_OBJECT_NAMES];

/**
 * @typedef {{ readonly host: string, readonly port: number }} Node
 *
 * @typedef {object} Sentinels
 * @property {readonly Node[]} nodes
 * @property {string} name the primary's name, as the sentinels know it
 * @property {string} [username] the user on the sentinels; only together with a password
 * @property {string | import('./password.js').AskPassword} [password] the password on the sentinels
 * @property {unknown} [tls] as the user gave it: true, false or settings; undefined: the same as for the primary
 */

/**
 * Reads an address that is given as an object: one server, a cluster or sentinels.
 *
 * @param {Record<string, any>} given the properties of the object
 * @param {string} [prefix] the prefix of names in errors, such as `connectionString.`
 * @returns {import('./connection-fields.js').ServerSettings}
 * @throws {TypeError}
 */
function readAddress(given, prefix = '') {
  const isCluster = !isLeftOut(given.cluster);
  const isSentinel = !isLeftOut(given.sentinels);
  /** @param {string[]} names @param {string} expected */
  const forbid = (names, expected) => {
    const name = names.find((each) => !isLeftOut(given[each]));
    if (name !== undefined) throw valueError(prefix + name, expected, given[name]);
  };
  if (!isSentinel && !isCluster) {
    forbid(
      SENTINEL_OBJECT_NAMES,
      `left out, or given with \`sentinels\`, as in ${SENTINEL.example}`,
    );
    return readServerFields(given, prefix);
  }
  const [kind, what] = isCluster ? [CLUSTER, 'cluster'] : [SENTINEL, 'sentinels'];
  if (isCluster) {
    const either = `left out, because there is \`cluster\`: give ${CLUSTER.example} or ${SENTINEL.example}`;
    forbid(['sentinels', ...SENTINEL_OBJECT_NAMES], either);
  }
  forbid(ONE_SERVER, `left out, because there is \`${what}\`, as in ${kind.example}`);

  const server = readServerFields(given, prefix);
  const nodes = readNodes(prefix + what, given[what], kind);
  if (isCluster) {
    if (server.db !== 0)
      throw valueError(`${prefix}db`, '0, because a cluster has no other', given.db);
    return toCluster(server, nodes);
  }
  if (isLeftOut(given.name)) {
    throw valueError(`${prefix}name`, `the primary's name, as in ${SENTINEL.example}`, given.name);
  }
  return toSentinels(server, nodes, {
    ...readFields(given, ['name', 'sentinelUsername', 'sentinelPassword'], prefix),
    // As in ioredis, `tls` is for the servers only.
    sentinelTLS: given.sentinelTLS ?? false,
  });
}

/** @param {string} name @param {unknown} given @param {typeof CLUSTER} kind @returns {Node[]} */
function readNodes(name, given, kind) {
  let list;
  try {
    list = Array.isArray(given) ? [...given] : undefined;
  } catch (cause) {
    throw typeError(name, 'an array that can be read', given, { cause });
  }
  if (list === undefined || list.length === 0) {
    throw valueError(name, `a list of one node or more, as in ${kind.example}`, given);
  }
  return list.map((item, index) => readNode(`${name}[${index}]`, item, kind));
}

/** @param {string} name @param {unknown} given @param {typeof CLUSTER} kind @returns {Node} */
function readNode(name, given, kind) {
  const what = "a node such as { host: 'localhost', port: 6379 }, 'localhost:6379' or a port";
  if (typeof given === 'number') return toNode({ port: readField(name, 'port', given) }, kind.port);
  if (typeof given === 'string') {
    const { host = '', port = String(kind.port) } = splitAddress(given) ?? {};
    const node = { host: FIELDS.host.read(host), port: FIELDS.port.read(port) };
    if (node.host === undefined || node.port === undefined) {
      throw valueError(
        name,
        `${what}, without a login or TLS, which are options beside the list`,
        given,
      );
    }
    return toNode(node, kind.port);
  }
  if (given === null) throw typeError(name, what, given);
  const names = ['host', 'port'];
  const fields = readObject(name, given, names, what);
  return toNode(readFields(fields, names, `${name}.`), kind.port);
}

/**
 * Splits `host`, `host:port`, `:port` or `[IPv6]:port`. Returns undefined if the text has none of these forms.
 *
 * @param {string} address
 * @returns {{ host: string, port?: string } | undefined}
 */
function splitAddress(address) {
  const [match, ipv6, host, port] =
    /^(?:\[([^\]]*:[^\]]*)\]|([^:[\]]*))(?::(.*))?$/s.exec(address) ?? [];
  return match === undefined ? undefined : { host: ipv6 ?? host, port };
}

/** @param {{ host?: string, port?: number }} given @param {number} port @returns {Node} */
function toNode(given, port) {
  return Object.freeze({ host: given.host ?? 'localhost', port: given.port ?? port });
}

/** @param {import('./connection-fields.js').ServerSettings} server @param {Node[]} nodes */
function toCluster(server, nodes) {
  return { ...server, ...nodes[0], cluster: Object.freeze(nodes) };
}

/**
 * @param {import('./connection-fields.js').ServerSettings} server
 * @param {Node[]} nodes
 * @param {Record<string, any>} own
 */
function toSentinels(server, nodes, { name, sentinelUsername, sentinelPassword, sentinelTLS }) {
  /** @type {Sentinels} */
  const sentinels = {
    nodes: Object.freeze(nodes),
    name,
    username: sentinelPassword ? sentinelUsername : undefined,
    password: readPassword('sentinelPassword', sentinelPassword),
    tls: sentinelTLS,
  };
  return { ...server, ...nodes[0], sentinels };
}

module.exports = {
  ...{ ADDRESS_NAMES, CLUSTER, ONE_SERVER, SENTINEL },
  ...{ readAddress, splitAddress, toCluster, toNode, toSentinels },
};
