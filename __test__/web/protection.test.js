'use strict';

// examples/web in a real browser: its cookie, and what others cannot do to its users.

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const path = require('node:path');
const { once } = require('node:events');
const { after, afterEach, before, beforeEach, describe, test } = require('node:test');
const { USER_AGENTS, press, startBrowser } = require('../support/browser.js');
const {
  devicesOf,
  goHome,
  headingOf,
  logIn,
  startExample,
  tokenOf,
} = require('../support/web-example.js');

const root = path.join(__dirname, '..', '..');
const certificates = path.join(__dirname, '..', 'certificates');

/** @type {Awaited<ReturnType<typeof startBrowser>>} */
let browser;
before(async () => {
  browser = await startBrowser();
});
after(() => browser?.stop());

/** @type {Awaited<ReturnType<typeof startExample>>} */
let example;
beforeEach(async () => {
  example = await startExample();
});
afterEach(() => example?.stop());

/** A device with cookies of its own. @param {string} [userAgent] */
async function open(userAgent = USER_AGENTS.laptop) {
  const context = await browser.newContext({ baseURL: example.url, userAgent });
  return context.newPage();
}

/** Posts a form as a program would. */
function post(url, { origin, cookie, ...form } = {}) {
  const headers = { ...(origin && { origin }), ...(cookie && { cookie }) };
  const body = new URLSearchParams(form);
  return fetch(url, { method: 'POST', redirect: 'manual', headers, body });
}

describe('the cookie', () => {
  /** The attributes of the cookie that a login sets. */
  async function cookieOf({ url }, origin) {
    const ada = { name: 'ada', password: 'lovelace' };
    const response = await post(`${url}/login`, { origin, ...ada });
    assert.equal(response.status, 303);
    const [cookie] = response.headers.getSetCookie();
    const [pair, ...attributes] = cookie.split('; ');
    const [name, token] = pair.split('=');
    assert.match(token, /^[\w-]{43}$/);
    const rest = attributes.filter((each) => !each.startsWith('Expires=')).sort();
    return { name, rest };
  }

  test('is hidden from scripts and from forms of other sites', async () => {
    const { name, rest } = await cookieOf(example, example.url);
    assert.equal(name, 'sid');
    assert.deepEqual(rest, ['HttpOnly', 'Max-Age=43200', 'Path=/', 'SameSite=Lax']);
  });

  for (const origin of [
    'https://example.com',
    'https://localhost:8443',
    'http://example.com',
    'http://localhost.example.com',
  ]) {
    test(`travels only encrypted, and is set only by the host itself, on ${origin}`, async (t) => {
      const behindProxy = await startExample({ env: { ORIGIN: origin } });
      t.after(() => behindProxy.stop());
      const { name, rest } = await cookieOf(behindProxy, origin);
      assert.equal(name, '__Host-sid');
      assert.deepEqual(rest, ['HttpOnly', 'Max-Age=43200', 'Path=/', 'SameSite=Lax', 'Secure']);
    });
  }

  test('cannot be read by the page', async () => {
    const page = await open();
    await logIn(page);
    assert.ok(await tokenOf(page));
    assert.equal(await page.evaluate(() => document.cookie), '');
  });

  test('is a new one after each login, and the old one opens nothing', async () => {
    const attacker = await open(USER_AGENTS.phone);
    await logIn(attacker);
    const planted = await tokenOf(attacker);
    const victim = await open();
    const sid = { name: 'sid', value: planted, url: example.url };
    await victim.context().addCookies([sid]);
    await logIn(victim, 'grace', 'hopper');
    assert.notEqual(await tokenOf(victim), planted);
    await goHome(attacker);
    assert.equal(await headingOf(attacker), 'Log in');
    await goHome(victim);
    assert.equal((await devicesOf(victim)).length, 1);
  });
});

describe('another site', () => {
  /** @type {http.Server} */
  let server;
  /** Its page posts a form to the example as soon as somebody presses its button. */
  let form = { action: '', fields: {} };
  before(async () => {
    server = http.createServer((_request, response) => {
      const fields = Object.entries(form.fields)
        .map(([name, value]) => `<input type="hidden" name="${name}" value="${value}">`)
        .join('');
      response.setHeader('Content-Type', 'text/html');
      response.end(
        `<form method="post" action="${example.url}${form.action}">${fields}<button>Win</button></form>`,
      );
    });
    server.listen(0, 'localhost');
    await once(server, 'listening');
  });
  after(() => {
    server?.closeAllConnections();
    server?.close();
  });

  // On another port of the same host the browser sends the cookie: SameSite does not count ports.
  test('on another port cannot act for the user, although the cookie is sent', async () => {
    const page = await open();
    await logIn(page);
    for (const action of ['/logout-everywhere', '/end-others', '/logout', '/end']) {
      form = { action, fields: { id: 'any' } };
      await page.goto(`http://localhost:${server.address().port}/`);
      const sent = page.waitForRequest((request) => request.method() === 'POST');
      await press(page, 'Win');
      const headers = await (await sent).allHeaders();
      assert.match(headers.cookie, /^sid=/);
      assert.equal(await headingOf(page), 'Nothing was done');
    }
    await page.goto('/');
    assert.equal(await headingOf(page), 'Your devices');
  });

  test('cannot log the user in as somebody else', async () => {
    const page = await open();
    form = { action: '/login', fields: { name: 'grace', password: 'hopper' } };
    await page.goto(`http://localhost:${server.address().port}/`);
    await press(page, 'Win');
    assert.equal(await headingOf(page), 'Nothing was done');
    assert.deepEqual(await page.context().cookies(), []);
  });

  test('cannot show the pages in a frame, and no cache keeps them', async () => {
    const { headers } = await fetch(`${example.url}/login`);
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.match(headers.get('content-security-policy'), /frame-ancestors 'none'/);
  });

  test('gets no answer to a form without an origin, or with a similar one', async () => {
    const cookie = `sid=${await adasToken()}`;
    for (const origin of [undefined, 'null', `${example.url}.example.com`, 'http://localhost']) {
      const response = await post(`${example.url}/logout`, { origin, cookie });
      assert.equal(response.status, 403, origin);
    }
    const response = await post(`${example.url}/logout`, { origin: example.url, cookie });
    assert.equal(response.status, 303);
  });
});

/** The token of a session of Ada's. */
async function adasToken() {
  const page = await open();
  await logIn(page);
  return tokenOf(page);
}

describe('a page', () => {
  test('breaks no rule of its own policy, and runs no script that was smuggled in', async () => {
    const page = await open();
    const complaints = [];
    page.on('console', (message) => complaints.push(message.text()));
    page.on('requestfailed', (request) => complaints.push(request.url()));
    await logIn(page);
    await press(page, 'Log out all other devices');
    assert.deepEqual(complaints, []);
    const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    assert.notEqual(background, 'rgba(0, 0, 0, 0)', 'the style is loaded');
    const ran = await page.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'window.ran = true';
      document.head.append(script);
      return window.ran;
    });
    assert.equal(ran, undefined);
    assert.match(complaints.join(), /Content Security Policy/);
  });

  test("ends no session of another user, even with the session's id", async () => {
    const ada = await open();
    await logIn(ada);
    const grace = await open();
    await logIn(grace, 'grace', 'hopper');
    const second = await open(USER_AGENTS.phone);
    await logIn(second);
    const id = await second.locator('[formaction="/end"]').getAttribute('value');
    const cookie = `sid=${await tokenOf(grace)}`;
    for (const wrong of [id, 'any', '', '*']) {
      const response = await post(`${example.url}/end`, { origin: example.url, cookie, id: wrong });
      assert.equal(response.headers.get('location'), '/?told=gone');
    }
    await goHome(ada);
    assert.equal((await devicesOf(ada)).length, 2);
  });

  test('shows nothing of a User-Agent that is none', async () => {
    const page = await open('<script>alert(1)</script>');
    await logIn(page);
    assert.deepEqual(await devicesOf(page), ['A browser on an unknown system *']);
    assert.doesNotMatch(await page.content(), /<script/);
  });

  test('that does not exist says so', async () => {
    const cookie = `sid=${await adasToken()}`;
    const missing = await fetch(`${example.url}/nothing`, { headers: { cookie } });
    assert.equal(missing.status, 404);
    assert.match(await missing.text(), /No such page/);
  });

  test('of an error that Express finds shows no stack and no path', async () => {
    const type = 'application/x-www-form-urlencoded';
    const errors = {
      'a form that is too large': {
        body: new URLSearchParams({ name: 'a'.repeat(5000) }),
        status: 413,
      },
      'a form with too many fields': { body: new URLSearchParams('a&'.repeat(1500)), status: 413 },
      'a character set that nobody has': { type: `${type}; charset=none`, status: 415 },
      'a compression that nobody has': { encoding: 'none', status: 415 },
      'a broken compression': { encoding: 'gzip', status: 400 },
    };
    for (const [error, { status, body = 'name=ada', ...rest }] of Object.entries(errors)) {
      const headers = {
        origin: example.url,
        'content-type': rest.type ?? type,
        ...(rest.encoding && { 'content-encoding': rest.encoding }),
      };
      const response = await fetch(`${example.url}/login`, { method: 'POST', headers, body });
      assert.equal(response.status, status, error);
      const text = await response.text();
      assert.doesNotMatch(text, /\bat |node_modules|\.js\b/, error);
      assert.ok(!text.includes(root), error);
    }
  });
});

describe('behind a proxy that speaks https', () => {
  test('a browser logs in and out with a cookie that belongs to this host alone', async (t) => {
    const proxy = await startProxy(t);
    const behind = await startExample({ env: { ORIGIN: proxy.url } });
    t.after(() => behind.stop());
    proxy.forwardTo(behind.port);
    const context = await browser.newContext({ baseURL: proxy.url, ignoreHTTPSErrors: true });
    const page = await context.newPage();
    await logIn(page);
    assert.equal(await headingOf(page), 'Your devices');
    const [{ name, secure, httpOnly, sameSite, domain }] = await context.cookies();
    assert.deepEqual(
      { name, secure, httpOnly, sameSite, domain },
      { name: '__Host-sid', secure: true, httpOnly: true, sameSite: 'Lax', domain: 'localhost' },
    );
    await press(page, 'Log out this device');
    assert.equal(await headingOf(page), 'Log in');
    assert.deepEqual(await context.cookies(), []);
  });
});

/** A proxy that decrypts. */
async function startProxy(t) {
  let port;
  const [key, cert] = ['key', 'crt'].map((kind) => readFileSync(`${certificates}/server.${kind}`));
  const proxy = https.createServer({ key, cert }, (request, response) => {
    const { method, url: path, headers } = request;
    const forwarded = http.request({ host: 'localhost', port, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    request.pipe(forwarded.on('error', () => response.destroy()));
  });
  proxy.listen(0, 'localhost');
  t.after(() => {
    proxy.closeAllConnections();
    proxy.close();
  });
  await once(proxy, 'listening');
  return {
    url: `https://localhost:${proxy.address().port}`,
    forwardTo: (of) => {
      port = of;
    },
  };
}
