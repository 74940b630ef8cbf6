'use strict';

// Uses the web servers of the examples with a session store, as browsers behind a proxy do that ends TLS.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { Browser } = require('./web.js');

/**
 * Logs in on two devices, logs one out, then all, and meets an outage.
 *
 * @param {import('./shop.js').Shop} shop
 * @param {string} code
 */
async function useStore({ server, opened }, code) {
  if (!server.listening) await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const newBrowser = () => {
    const browser = new Browser(`http://127.0.0.1:${port}`);
    const ask = (method, path) =>
      browser.get(path, {
        method,
        headers: { 'x-forwarded-proto': 'https', 'content-type': 'application/json' },
        ...(method === 'POST' && { body: JSON.stringify({ user: '42' }) }),
      });
    return { ask, browser };
  };
  const isLocal = code.includes('passport');
  const loginPath = isLocal ? '/login?username=42&password=x' : '/login';
  const logIn = async () => {
    const { ask, browser } = newBrowser();
    const { status, setCookies } = await ask('POST', loginPath);
    assert.equal(status, 204);
    assert.match(setCookies[0], /Path=\/; .*HttpOnly/);
    if (!isLocal) assert.match(setCookies[0], /Secure/);
    return { ask, browser };
  };
  const sessions = opened.at(-1);
  const count = async () => (await sessions.list({ app: 'shop', ownerId: '42' })).length;
  await sessions.killAll({ app: 'shop', ownerId: '42' });

  const [phone, laptop, tablet] = [await logIn(), await logIn(), await logIn()];
  assert.equal(await count(), 3);
  const hasCart = async ({ ask }, status) => {
    if (code.includes("'/cart'")) assert.equal((await ask('GET', '/cart')).status, status);
  };
  await hasCart(phone, 200);
  await hasCart(newBrowser(), 401);
  assert.equal((await phone.ask('POST', '/logout')).status, 204);
  assert.equal(await count(), 2);
  await hasCart(phone, 401);
  await hasCart(laptop, 200);
  assert.equal((await laptop.ask('POST', '/logout-everywhere')).status, 204);
  assert.equal(await count(), 0);
  await hasCart(tablet, 401);
  assert.equal((await tablet.ask('POST', '/logout-everywhere')).status, 401);

  // The rejection of a closed instance serves as an outage.
  const last = await logIn();
  await sessions.close();
  await hasCart(last, 503);
}

module.exports = { useStore };
