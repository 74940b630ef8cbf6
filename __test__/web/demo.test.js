'use strict';

// The commands of "A complete example" in docs/frameworks.md, run by a shell as the page shows them. What differs is only
// the server, the port, and `--prebuilt`: the addon is there, because `npm run test:web` has built it.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { describe, test } = require('node:test');
const { freePort, startRedis } = require('../support/redis-server.js');
const { startExample } = require('../support/web-example.js');

const root = path.join(__dirname, '..', '..');
const page = fs.readFileSync(path.join(root, 'docs', 'frameworks.md'), 'utf8');
const [section] = page.split('\n## A complete example\n')[1].split('\n## ');
const [inMemory, onServer, otherPort, behindProxy, tests, ...more] = [
  ...section.matchAll(/`(npm [^`]+|[A-Z]+=[^`]+)`/g),
].map(([, command]) => command);

/** Starts the example with a command of the page, which ends with the test. */
async function start(t, command) {
  const prebuilt = `${command}${command.includes(' -- ') ? '' : ' --'} --prebuilt`;
  const example = await startExample({ command: ['sh', '-c', prebuilt] });
  t.after(() => example.stop());
  return example;
}

/** Logs in, from a page of this origin. */
function logIn({ url }, origin = url) {
  return fetch(`${url}/login`, {
    method: 'POST',
    headers: { connection: 'close', origin },
    body: new URLSearchParams({ name: 'ada', password: 'lovelace' }),
    redirect: 'manual',
  });
}

describe('docs/frameworks.md', () => {
  for (const [where, command] of Object.entries({
    'in memory': inMemory,
    'on a server': onServer,
  })) {
    test(`${command} runs ${where} until Ctrl-C, and leaves no process`, async (t) => {
      const server = where === 'on a server' ? await startRedis() : undefined;
      t.after(() => server?.stop());
      const url = 'redis://localhost:6379';
      assert.equal(command.includes(url), where === 'on a server');
      const example = await start(t, command.replace(url, server?.url));
      assert.equal((await logIn(example)).status, 303);
      if (server) assert.notEqual(await server.client().dbsize(), 0, 'the session is there');
      example.interrupt();
      assert.deepEqual(await example.left, []);
      await example.ended;
    });
  }

  test(`${otherPort} chooses another port than the default`, async (t) => {
    const port = await freePort();
    const example = await start(t, `${otherPort.replace(/\d+$/, String(port))} ${inMemory}`);
    assert.equal(example.port, port);
    assert.equal((await logIn(example)).status, 303);
    // The default port may be in use on this machine.
    const server = fs.readFileSync(path.join(root, 'examples', 'web', 'server.js'), 'utf8');
    const [, usual] = /chooses another port than (\d+)/.exec(section);
    assert.match(server, new RegExp(`process\\.env\\.PORT \\?\\? ${usual}\\b`));
  });

  test(`${behindProxy} makes that the address of its users`, async (t) => {
    const example = await start(t, `${behindProxy} ${inMemory}`);
    assert.equal((await logIn(example)).status, 403);
    const { status, headers } = await logIn(example, behindProxy.replace('ORIGIN=', ''));
    assert.equal(status, 303);
    assert.match(headers.get('set-cookie'), /^__Host-sid=.*; Secure/);
  });

  test('names no command but these and that of this test', () => {
    assert.deepEqual([tests, ...more], ['npm run test:web']);
  });
});
