'use strict';

// Uses the web servers of the examples with a session store, as browsers behind a proxy do that ends TLS.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { SpotsSessionsError } = require('../../index.js');
const { UNLUCKY } = require('./shop.js');
const { Browser } = require('./web.js');

/**
 * Logs in on three devices, logs one out, then all, and meets errors and an outage.
 *
 * @param {import('./shop.js').Shop} shop
 * @param {string} code
 */
async function useStore({ server, opened }, code) {
  if (!server.listening) await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const newBrowser = () => {
    const browser = new Browser(`http://127.0.0.1:${port}`);
    const ask = (method, path, user = '42') =>
      browser.get(path, {
        method,
        headers: { 'x-forwarded-proto': 'https', 'content-type': 'application/json' },
        ...(method === 'POST' && { body: JSON.stringify({ user }) }),
      });
    return { ask, browser };
  };
  const isLocal = code.includes('passport');
  const loginPath = (user) => (isLocal ? `/login?username=${user}&password=x` : '/login');
  const logIn = async () => {
    const { ask, browser } = newBrowser();
    const { status, setCookies } = await ask('POST', loginPath('42'));
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

  // An error of an async handler is answered, too.
  assert.equal((await newBrowser().ask('POST', loginPath(UNLUCKY), UNLUCKY)).status, 500);
  const last = await logIn();
  sessions.killAll = async () => {
    throw new SpotsSessionsError('ERR_SESSIONS_CONNECTION', 'an outage');
  };
  const { status } = await last.ask('POST', '/logout-everywhere');
  assert.equal(status, code.includes('fastify') ? 500 : 503);

  // The rejection of a closed instance serves as an outage.
  await sessions.close();
  await hasCart(last, 503);
}

module.exports = { useStore };
