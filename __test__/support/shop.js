'use strict';

// Uses the web servers of the examples in README.md and docs/, as browsers do.

const assert = require('node:assert/strict');
const { once } = require('node:events');

const JSON_TYPE = { 'content-type': 'application/json' };

/** A user whose password cannot be checked. */
const UNLUCKY = 'unlucky';

/** @typedef {{ server: import('node:http').Server, opened: import('../..').SpotsSessions[] }} Shop */

/**
 * Returns a function that sends a request to a web server.
 *
 * @param {import('node:http').Server} server
 */
async function client(server) {
  if (!server.listening) await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return (method, url, cookie = undefined, body = method === 'POST' && { user: '42' }) =>
    fetch(`http://127.0.0.1:${port}${url}`, {
      method,
      headers: { connection: 'close', ...(cookie && { cookie }), ...(body && JSON_TYPE) },
      ...(body && { body: JSON.stringify(body) }),
    });
}

/** The cookie that a response sets, after its attributes were checked. @param {Response} response */
function cookieOf({ headers }) {
  const cookie = headers.get('set-cookie');
  assert.match(
    cookie,
    /^sid=[\w+/=%-]+; Max-Age=86400; Path=\/; .*HttpOnly; Secure; SameSite=Lax$/,
  );
  return cookie.split(';')[0];
}

/**
 * Logs in, comes with and without a cookie, logs out, and meets an outage.
 *
 * @param {Shop} shop
 * @param {string} code
 */
async function useShop({ server, opened }, code) {
  const ask = await client(server);
  const sessions = opened.at(-1);
  const logIn = async () => {
    const response = await ask('POST', '/login');
    assert.equal(response.status, 204);
    const cookie = cookieOf(response);
    assert.match(cookie, /^sid=[\w-]{43}$/);
    return cookie;
  };
  const hasCart = async (cookie, status) => {
    const response = await ask('GET', '/cart', cookie);
    assert.equal(response.status, status);
    if (status === 200) assert.deepEqual(await response.json(), []);
  };

  const cookies = [await logIn(), await logIn(), await logIn()];
  for (const cookie of cookies) await hasCart(cookie, 200);
  await hasCart(undefined, 401);
  await hasCart('sid=*', 401);

  if (code.includes("'/logout'")) {
    const out = await ask('POST', '/logout', cookies[0]);
    assert.equal(out.status, 204);
    assert.match(
      out.headers.get('set-cookie'),
      /^sid=; Path=\/; Expires=.* 1970 .*HttpOnly; Secure/,
    );
    await hasCart(cookies[0], 401);
    await hasCart(cookies[1], 200);
  }

  // The rejection of a closed instance serves as an outage.
  await sessions.close();
  await hasCart('sid=a-token-that-could-be-one-of-ours', 503);

  if (code.includes('SIGTERM')) {
    const closed = new Promise((resolve) => {
      sessions.close = resolve;
    });
    process.emit('SIGTERM');
    await closed;
    assert.equal(server.listening, false);
  }
}

/**
 * Looks at a cart with and without a cookie, and meets an outage.
 *
 * @param {Shop} shop
 */
async function useCart({ server, opened: [sessions] }) {
  const ask = await client(server);
  const token = await sessions.create({ app: 'shop', ownerId: '42', data: { cart: ['tea'] } });
  const response = await ask('GET', '/cart', `sid=${token}`);
  assert.deepEqual(await response.json(), { cart: ['tea'] });
  assert.equal((await ask('GET', '/cart')).status, 401);
  await sessions.close();
  assert.equal((await ask('GET', '/cart', `sid=${token}`)).status, 503);
}

/**
 * Looks at the page of devices, ends one of them, and changes the password.
 *
 * @param {Shop} shop
 */
async function useDevices({ server, opened: [sessions] }) {
  const ask = await client(server);
  const app = 'shop';
  await sessions.killAll({ app, ownerId: '42' });
  const logIn = (ownerId, device) =>
    sessions.create({ app, ownerId, data: { device, secret: 'stays on the server' } });
  const [laptop, phone, tablet] = [
    await logIn('42', 'laptop'),
    await logIn('42', 'phone'),
    await logIn('42', 'tablet'),
  ];
  const stranger = await logIn('43', 'television');
  const devicesOf = async (token) => (await ask('GET', '/devices', `sid=${token}`)).json();
  const opens = async (token) => (await sessions.get({ app, token })) !== undefined;
  const end = async (id, token = laptop) =>
    (await ask('DELETE', `/devices/${id}`, `sid=${token}`)).status;

  const devices = await devicesOf(laptop);
  for (const device of devices) {
    assert.deepEqual(Object.keys(device), ['id', 'device', 'createdAt', 'current']);
  }
  const names = devices.map(({ device, current }) => (current ? `${device} *` : device));
  assert.deepEqual(names.sort(), ['laptop *', 'phone', 'tablet']);
  assert.deepEqual(await devicesOf('nothing'), []);

  const [{ id: strangers }] = await devicesOf(stranger);
  assert.equal(await end(strangers), 404);
  assert.equal(await opens(stranger), true, 'the session of another user stays');
  const { id } = devices.find(({ device }) => device === 'phone');
  assert.equal(await end(id, 'nothing'), 404);
  assert.equal(await opens(phone), true, 'only its user can end it');
  assert.equal(await end(id), 204);
  assert.equal(await end(id), 404);
  assert.equal(await opens(phone), false);

  const refused = await ask('POST', '/password', 'sid=nothing');
  assert.equal(refused.status, 401);
  assert.equal(refused.headers.get('set-cookie'), null);
  const changed = await ask('POST', '/password', `sid=${laptop}`);
  assert.equal(changed.status, 204);
  const renewed = decodeURIComponent(cookieOf(changed).slice('sid='.length));
  assert.deepEqual(await Promise.all([laptop, tablet, renewed, stranger].map(opens)), [
    false,
    false,
    true,
    true,
  ]);
}

module.exports = { UNLUCKY, useCart, useDevices, useShop };
