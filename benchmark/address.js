'use strict';

// Parses a connection string of the benchmark for peers that need its parts.

/**
 * @typedef {object} Address
 * @property {'server' | 'sentinel' | 'cluster'} kind
 * @property {{ host: string, port: number }[]} nodes
 * @property {number} db
 * @property {string} [name] the primary's name in the sentinels' configuration
 */

const kinds = { 'redis:': 'server', 'redis-sentinel:': 'sentinel', 'redis-cluster:': 'cluster' };

/** @param {string} url @returns {Address} */
function addressOf(url) {
  // A URL has only one host, so parse it with the first node alone.
  const [list] = /(?<=\/\/)[^/?]+/.exec(url);
  const [first] = list.split(',');
  const { protocol, pathname, searchParams } = new URL(url.replace(list, first));
  return {
    kind: kinds[protocol],
    nodes: list.split(',').map((node) => {
      const [host, port] = node.split(':');
      return { host, port: Number(port) };
    }),
    db: Number(pathname.slice(1)),
    name: searchParams.get('name') ?? undefined,
  };
}

module.exports = { addressOf };
