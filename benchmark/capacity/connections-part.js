'use strict';

// What a thousand processes' connections take on a server, each as the package opens it. They are
// instances of one process here: the server does not see a difference.

const { startRedis, waitUntil } = require('../../__test__/support/redis-server');
const { SpotsSessions } = require('../..');
const { duration, sessionOf } = require('../payload');
const { field } = require('../redis-usage');
const { print } = require('./print');

const app = 'shop';
const count = 1000;

module.exports = async () => {
  const server = await startRedis({ config: { maxclients: 2 * count } });
  const redis = server.client();
  const first = new SpotsSessions(server.url);
  const instances = [];
  try {
    const { ownerId, data } = sessionOf(250, 0);
    const token = await first.create({ app, ownerId, data, duration });
    const before = await look(redis);
    for (let opened = 0; opened < count; opened++) instances.push(new SpotsSessions(server.url));
    const get = (instance) => instance.get({ app, token });
    await Promise.all(instances.map(get));
    const busy = await look(redis);
    const idle = await settled(redis);
    const rows = Object.entries({ 'after the call': busy, 'ten seconds later': idle }).map(
      ([name, now]) => [
        name,
        now.clients - before.clients,
        (now.used - before.used) / count,
        (now.resident - before.resident) / count,
      ],
    );
    print(
      `${count} instances, one call each, bytes per instance on the server`,
      ['', 'connections', 'used', 'resident'],
      rows,
    );
  } finally {
    await Promise.all([first, ...instances].map((instance) => instance.close()));
    await server.stop();
  }
};

async function look(redis) {
  const info = await redis.info();
  return {
    clients: field(info, 'connected_clients'),
    used: field(info, 'used_memory'),
    resident: field(info, 'used_memory_rss'),
  };
}

/** Some seconds later the server has taken back the buffers that a connection does not use. */
async function settled(redis) {
  const idle = async () => {
    const list = await redis.client('LIST');
    const seconds = [...list.matchAll(/ idle=(\d+)/g)].map(([, number]) => Number(number));
    // All but the one that asks.
    return seconds.filter((number) => number < 10).length === 1;
  };
  await waitUntil(idle, 'connections that are idle');
  return look(redis);
}
