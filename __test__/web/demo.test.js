'use strict';

// `npm run demo:web`, with and without a URL, as docs/frameworks.md and the README show it.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { startRedis } = require('../support/redis-server.js');
const { startExample } = require('../support/web-example.js');

/** The addon is there: `npm run test:web` has built it. */
const command = ['npm', 'run', 'demo:web', '--', '--prebuilt'];

for (const where of ['in memory', 'on a server']) {
  test(`npm run demo:web runs ${where} until Ctrl-C, and leaves no process`, async (t) => {
    const server = where === 'on a server' ? await startRedis() : undefined;
    t.after(() => server?.stop());
    const example = await startExample({ command, args: server ? [server.url] : [] });
    t.after(() => example.stop());
    const { status } = await fetch(`${example.url}/login`, {
      method: 'POST',
      headers: { connection: 'close', origin: example.url },
      body: new URLSearchParams({ name: 'ada', password: 'lovelace' }),
      redirect: 'manual',
    });
    assert.equal(status, 303);
    if (server) assert.notEqual(await server.client().dbsize(), 0, 'the session is there');
    example.interrupt();
    assert.deepEqual(await example.left, []);
    await example.ended;
  });
}
