'use strict';

// A cluster whose nodes announce the addresses of proxies, so instances reach the nodes only through them.

const { startProxy } = require('./proxy.js');
const { waitUntil } = require('./wait-until.js');

/**
 * Puts a proxy before each node, and resolves to the proxies when all nodes announce them.
 *
 * @param {import('node:test').TestContext} t
 * @param {any} cluster
 */
async function startProxies(t, cluster) {
  const proxies = await Promise.all(cluster.nodes.map(({ port }) => startProxy(port)));
  t.after(() => Promise.all(proxies.map((proxy) => proxy.stop())));
  await Promise.all(
    cluster.nodes.map(({ redis }, n) =>
      redis.config('SET', 'cluster-announce-port', String(proxies[n].port)),
    ),
  );
  const ports = proxies.map(({ port }) => port).sort();
  const isKnown = async ({ redis }) => {
    const ranges = await redis.cluster('SLOTS');
    const named = new Set(ranges.flatMap(([, , ...nodes]) => nodes.map(([, port]) => port)));
    return ports.every((port) => named.has(port));
  };
  await waitUntil(
    async () => (await Promise.all(cluster.nodes.map(isKnown))).every(Boolean),
    'all nodes to name the proxies',
    60_000,
  );
  return { proxies, url: `redis-cluster://${proxies.map(({ port }) => `127.0.0.1:${port}`)}` };
}

module.exports = { startProxies };
