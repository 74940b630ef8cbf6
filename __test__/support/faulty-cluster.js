'use strict';

// A cluster that a test breaks, and instances that are connected to it.

const { SpotsSessions } = require('../../index.js');
const { startCluster } = require('./cluster.js');
const { freshName } = require('./targets.js');

/** Milliseconds for calls that must not fail: longer than any outage here. */
const patience = 40_000;

/**
 * A cluster of three primaries with a replica each, and instances: all end with the test.
 *
 * @param {import('node:test').TestContext} t
 * @param {import('./cluster.js').ClusterOptions} [options]
 */
async function faultyCluster(t, options) {
  const cluster = await startCluster(options);
  /** @type {SpotsSessions[]} */
  const opened = [];
  t.after(async () => {
    for (const { server } of cluster.nodes) server.kill('SIGCONT');
    await Promise.all(opened.map((sessions) => sessions.close()));
    await cluster.stop();
  });
  /** @param {object} [settings] */
  function open(settings = {}) {
    const sessions = new SpotsSessions({
      connectionString: cluster.url,
      commandTimeout: patience,
      ...settings,
    });
    opened.push(sessions);
    return sessions;
  }
  return { cluster, open, app: freshName() };
}

module.exports = { faultyCluster, patience };
