'use strict';

// A connection string of the benchmark, taken apart for peers that want its parts.

/**
 * @typedef {object} Address
 * @property {'server' | 'sentinel' | 'cluster'} kind
 * @property {{ host: string, port: number }[]} nodes
 * @property {number} db
 * @property {string} [name] what the sentinels call their primary
 */

const kinds = { 'redis:': 'server', 'redis-sentinel:': 'sentinel', 'redis-cluster:': 'cluster' };

/** @param {string} url @returns {Address} */
function addressOf(url) {
  // A URL has one host, so it is told the first.
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
