'use strict';

// examples/web while its server is down, and when it ends itself.

const assert = require('node:assert/strict');
const net = require('node:net');
const { once } = require('node:events');
const { after, before, describe, test } = require('node:test');
const { follow, press, startBrowser } = require('../support/browser.js');
const { startRedis, waitUntil } = require('../support/redis-server.js');
const { devicesOf, headingOf, logIn, startExample } = require('../support/web-example.js');

/** @type {Awaited<ReturnType<typeof startBrowser>>} */
let browser;
before(async () => {
  browser = await startBrowser();
});
after(() => browser?.stop());

/** What the two probes answer. */
async function probes({ url }) {
  const [health, readiness] = await Promise.all(
    ['/healthz', '/readyz'].map((path) => fetch(url + path)),
  );
  return { health: health.status, readiness: readiness.status };
}

/** Acts, and asserts that the last answer is the page of an outage. @param {import('playwright-core').Page} page */
async function assertOutage(page, act) {
  let status;
  const note = (response) => {
    if (response.request().isNavigationRequest()) status = response.status();
  };
  page.on('response', note);
  await act();
  page.off('response', note);
  assert.equal(status, 503);
  assert.equal(await headingOf(page), 'Back in a moment');
}

const REFUSES = { begin: (server) => server.down(), end: (server) => server.start() };
const IS_SILENT = {
  begin: (server) => server.kill('SIGSTOP'),
  end: (server) => server.kill('SIGCONT'),
};
const OUTAGES = {
  'a server that refuses connections': REFUSES,
  'the same in a browser without JavaScript': { ...REFUSES, javaScriptEnabled: false },
  'a server that accepts connections and is silent': IS_SILENT,
};

describe('an outage', () => {
  for (const [name, { begin, end, javaScriptEnabled }] of Object.entries(OUTAGES)) {
    test(`is a page with status 503, and logs nobody out: ${name}`, async (t) => {
      // It writes each change to its disk before it answers, so that the sessions are there when it is back.
      const server = await startRedis({ config: { appendonly: 'yes', appendfsync: 'always' } });
      t.after(() => server.stop());
      const example = await startExample({ env: { REDIS_URL: server.url } });
      t.after(() => example.stop());
      const options = { baseURL: example.url, javaScriptEnabled };
      const context = await browser.newContext(options);
      const page = await context.newPage();
      await logIn(page);
      const visitors = await browser.newContext(options);
      const visitor = await visitors.newPage();
      assert.deepEqual(await probes(example), { health: 200, readiness: 200 });
      const cookies = await context.cookies();

      await begin(server);
      await assertOutage(page, () => press(page, 'Log out everywhere'));
      await assertOutage(page, () => follow(page, () => page.getByText('Try again').click()));
      await assertOutage(visitor, () => logIn(visitor, 'grace', 'hopper'));
      assert.deepEqual(await context.cookies(), cookies);
      assert.deepEqual(await visitors.cookies(), []);
      assert.deepEqual(await probes(example), { health: 200, readiness: 503 });

      await end(server);
      await follow(page, () => page.getByText('Try again').click());
      assert.equal(await headingOf(page), 'Your devices');
      assert.equal((await devicesOf(page)).length, 1);
      await logIn(visitor, 'grace', 'hopper');
      assert.equal(await headingOf(visitor), 'Your devices');
      assert.deepEqual(await probes(example), { health: 200, readiness: 200 });
    });
  }

  test('before the first connection ends no process', async (t) => {
    const example = await startExample({ args: ['redis://localhost:1'] });
    t.after(() => example.stop());
    assert.deepEqual(await probes(example), { health: 200, readiness: 503 });
  });
});

describe('the process', () => {
  for (const signal of ['SIGTERM', 'SIGINT']) {
    test(`ends by itself after ${signal}, while a browser keeps connections`, async (t) => {
      const example = await startExample();
      t.after(() => example.stop());
      const context = await browser.newContext({ baseURL: example.url });
      await logIn(await context.newPage());
      example.kill(signal);
      assert.deepEqual(await example.ended, [0, null]);
      assert.equal(example.printed(), `listens on ${example.url}, until Ctrl-C\n`);
    });
  }

  // With no request to finish, a second signal may come while Node.js ends, and Node.js no longer listens to it then.
  test('finishes a login that has begun, even after a second signal', async (t) => {
    const example = await startExample();
    t.after(() => example.stop());
    const { socket, finish } = await beginLogin(t, example);
    const answer = once(socket, 'data');
    example.kill('SIGINT');
    example.kill('SIGTERM');
    await waitUntil(() => isRefused(example), 'the process to take no more requests');
    finish();
    assert.match(String(await answer), /^HTTP\/1\.1 303 .*\r\nset-cookie: sid=/is);
    assert.deepEqual(await example.ended, [0, null]);
  });

  // The timeout is far beyond the ten seconds that the example waits, and below Node's own for requests.
  test('waits for no request that never ends', { timeout: 120_000 }, async (t) => {
    const example = await startExample();
    t.after(() => example.stop());
    await beginLogin(t, example);
    example.kill('SIGTERM');
    assert.deepEqual(await example.ended, [0, null]);
  });

  test('takes the server from its argument rather than from REDIS_URL, and shows no password', async (t) => {
    const server = await startRedis({ config: { requirepass: 'hunter2' } });
    t.after(() => server.stop());
    const example = await startExample({
      args: [server.url],
      env: { REDIS_URL: 'redis://localhost:1' },
    });
    t.after(() => example.stop());
    assert.deepEqual(await probes(example), { health: 200, readiness: 200 });
    assert.doesNotMatch(example.printed(), /hunter2/);
  });
});

/** Sends a login without the end of its body. `finish` sends the rest. */
async function beginLogin(t, { url, port }) {
  const body = 'name=ada&password=lovelace';
  const head = [
    'POST /login HTTP/1.1',
    `Host: localhost:${port}`,
    `Origin: ${url}`,
    'Content-Type: application/x-www-form-urlencoded',
    `Content-Length: ${body.length}`,
    'Expect: 100-continue',
  ];
  const socket = net.connect(port, 'localhost').on('error', () => {});
  t.after(() => socket.destroy());
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  const [sign] = await once(socket, 'data');
  assert.match(String(sign), /^HTTP\/1\.1 100 /, 'the request has arrived');
  return { socket, finish: () => socket.write(body) };
}

/** Whether the example takes no connections any more. */
function isRefused({ port }) {
  return new Promise((resolve) => {
    const socket = net.connect(port, 'localhost');
    socket.once('connect', () => resolve(false)).once('error', () => resolve(true));
    socket.once('connect', () => socket.destroy());
  });
}
