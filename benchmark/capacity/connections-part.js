'use strict';

// Measures the memory that the connections of a thousand processes take on the server. Here a thousand instances in one
// process stand for them, because the server sees no difference.

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

/** Waits ten seconds: by then the server has freed the buffers that idle connections do not use. */
async function settled(redis) {
  const idle = async () => {
    const list = await redis.client('LIST');
    const seconds = [...list.matchAll(/ idle=(\d+)/g)].map(([, number]) => Number(number));
    // The connection that asks is never idle itself.
    return seconds.filter((number) => number < 10).length === 1;
  };
  await waitUntil(idle, 'connections that are idle');
  return look(redis);
}
