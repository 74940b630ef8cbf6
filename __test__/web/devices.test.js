'use strict';

// examples/web in a real browser: what users do with their devices.

const assert = require('node:assert/strict');
const { after, afterEach, before, beforeEach, describe, test } = require('node:test');
const { SpotsSessions } = require('../..');
const { USER_AGENTS, follow, press, startBrowser } = require('../support/browser.js');
const { startRedis, waitUntil } = require('../support/redis-server.js');
const {
  devicesOf,
  goHome,
  headingOf,
  logIn,
  noteOf,
  startExample,
  tokenOf,
} = require('../support/web-example.js');

const [LAPTOP, PHONE, TABLET] = ['Firefox on Windows', 'Safari on iPhone', 'Chrome on Android'];

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

/** A device with cookies of its own, at its first page. */
async function open(userAgent, options) {
  const context = await browser.newContext({ baseURL: example.url, userAgent, ...options });
  return context.newPage();
}

/** A device on which Ada is logged in. */
async function openFor(userAgent, options) {
  const page = await open(userAgent, options);
  await logIn(page);
  return page;
}

describe('the page of devices', () => {
  test('shows browser, system, since when and until when, and marks this device', async () => {
    await openFor(USER_AGENTS.phone);
    const laptop = await openFor(USER_AGENTS.laptop);
    assert.deepEqual(await devicesOf(laptop), [`${LAPTOP} *`, PHONE]);
    const time = /(\d\d \w{3} \d{4} \d\d:\d\d)/.source;
    for (const row of await laptop.getByRole('listitem').all()) {
      const [, since, ends] = new RegExp(`Since ${time}\\s+Ends ${time}`).exec(
        await row.textContent(),
      );
      assert.equal(Date.parse(ends) - Date.parse(since), 30 * 60_000);
    }
    const current = laptop.locator('[aria-current=true]');
    assert.match(await current.textContent(), new RegExp(LAPTOP));
    await goHome(await openFor(USER_AGENTS.tablet));
    await goHome(laptop);
    assert.deepEqual(await devicesOf(laptop), [TABLET, `${LAPTOP} *`, PHONE]);
  });

  test('ends another device, which is at the login page at its next click', async () => {
    const phone = await openFor(USER_AGENTS.phone);
    const laptop = await openFor(USER_AGENTS.laptop);
    await press(laptop, `Log out ${PHONE}`);
    assert.equal(await noteOf(laptop), 'That device is logged out.');
    assert.deepEqual(await devicesOf(laptop), [`${LAPTOP} *`]);
    assert.equal(await headingOf(phone), 'Your devices', 'it does not know yet');
    await goHome(phone);
    assert.equal(await headingOf(phone), 'Log in');
    assert.equal(await noteOf(phone), 'Your session has ended. Please log in again.');
    await goHome(laptop);
    assert.equal(await headingOf(laptop), 'Your devices');
  });

  test('says so if the other device was logged out already', async () => {
    const phone = await openFor(USER_AGENTS.phone);
    const laptop = await openFor(USER_AGENTS.laptop);
    await press(phone, 'Log out this device');
    assert.equal(await noteOf(phone), 'You are logged out.');
    await press(laptop, `Log out ${PHONE}`);
    assert.equal(await noteOf(laptop), 'That device was logged out already.');
  });

  test('ends all others and stays logged in, and another user is not affected', async () => {
    const grace = await open(USER_AGENTS.tablet);
    await logIn(grace, 'grace', 'hopper');
    const others = [await openFor(USER_AGENTS.phone), await openFor(USER_AGENTS.tablet)];
    const laptop = await openFor(USER_AGENTS.laptop);
    assert.equal((await devicesOf(laptop)).length, 3);
    await press(laptop, 'Log out all other devices');
    assert.equal(await noteOf(laptop), 'All other devices are logged out.');
    assert.deepEqual(await devicesOf(laptop), [`${LAPTOP} *`]);
    for (const other of others) {
      await goHome(other);
      assert.equal(await headingOf(other), 'Log in');
    }
    await goHome(grace);
    assert.deepEqual(await devicesOf(grace), [`${TABLET} *`]);
  });

  test('logs out everywhere', async () => {
    const phone = await openFor(USER_AGENTS.phone);
    const laptop = await openFor(USER_AGENTS.laptop);
    await press(laptop, 'Log out everywhere');
    assert.equal(await noteOf(laptop), 'You are logged out on all devices.');
    assert.deepEqual(await laptop.context().cookies(), []);
    for (const page of [laptop, phone]) {
      await goHome(page);
      assert.equal(await headingOf(page), 'Log in');
    }
  });

  test('logs out this device alone', async () => {
    const phone = await openFor(USER_AGENTS.phone);
    const laptop = await openFor(USER_AGENTS.laptop);
    await press(laptop, 'Log out this device');
    assert.equal(await headingOf(laptop), 'Log in');
    await goHome(phone);
    assert.deepEqual(await devicesOf(phone), [`${PHONE} *`]);
  });
});

describe('the login', () => {
  test('refuses a wrong password and an unknown name alike, and keeps the name', async () => {
    const page = await open(USER_AGENTS.laptop);
    for (const [name, password] of [
      ['ada', 'hopper'],
      ['nobody', 'lovelace'],
      ['toString', 'undefined'],
    ]) {
      await logIn(page, name, password);
      assert.equal(await noteOf(page), 'The name or the password is wrong.');
      assert.equal(await page.getByLabel('Name').inputValue(), name);
      assert.equal(await page.getByLabel('Password').inputValue(), '');
      assert.deepEqual(await page.context().cookies(), []);
    }
  });

  test('shows tags in a name as text', async () => {
    const page = await open(USER_AGENTS.laptop);
    const name = `"><img src=x onerror=alert(1)><!-- {{{rows}}} & ' -->`;
    await logIn(page, name, 'lovelace');
    assert.equal(await page.getByLabel('Name').inputValue(), name);
    assert.equal(await page.locator('img').count(), 0);
  });

  test('tells nothing that only stands in the address', async () => {
    const page = await open(USER_AGENTS.laptop);
    for (const told of ['You+have+won', 'constructor', '__proto__', '<b>']) {
      await page.goto(`/login?told=${told}`);
      assert.equal(await page.locator('.note').textContent(), '');
    }
  });
});

describe('without a mouse, and without JavaScript', () => {
  /** Moves the focus to the next element, and returns its name. */
  async function tab(page) {
    await page.keyboard.press('Tab');
    return page.evaluate(() => {
      const element = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      if (outlineStyle === 'none' || outlineWidth === '0px') return 'no visible focus';
      const label = 'labels' in element && element.labels[0]?.textContent;
      return element.getAttribute('aria-label') ?? (label || element.textContent);
    });
  }

  test('the keyboard alone logs in and ends another device', async () => {
    const phone = await openFor(USER_AGENTS.phone);
    const laptop = await open(USER_AGENTS.laptop);
    await laptop.goto('/');
    assert.deepEqual([await tab(laptop), await tab(laptop)], ['Web example', 'Name']);
    await laptop.keyboard.type('ada');
    assert.equal(await tab(laptop), 'Password');
    await laptop.keyboard.type('lovelace');
    await follow(laptop, () => laptop.keyboard.press('Enter'));
    const names = [];
    for (let n = 0; n < 5; n++) names.push(await tab(laptop));
    assert.deepEqual(names, [
      'Web example',
      'Log out this device',
      `Log out ${PHONE}`,
      'Log out all other devices',
      'Log out everywhere',
    ]);
    for (let n = 0; n < 2; n++) await laptop.keyboard.press('Shift+Tab');
    await follow(laptop, () => laptop.keyboard.press('Space'));
    assert.equal(await noteOf(laptop), 'That device is logged out.');
    await goHome(phone);
    assert.equal(await headingOf(phone), 'Log in');
  });

  test('all of it works in a browser that runs no JavaScript', async () => {
    const phone = await openFor(USER_AGENTS.phone, { javaScriptEnabled: false });
    const laptop = await openFor(USER_AGENTS.laptop, { javaScriptEnabled: false });
    await press(laptop, `Log out ${PHONE}`);
    assert.deepEqual(await devicesOf(laptop), [`${LAPTOP} *`]);
    await goHome(phone);
    assert.equal(await headingOf(phone), 'Log in');
    await logIn(phone);
    await press(laptop, 'Log out all other devices');
    assert.deepEqual(await devicesOf(laptop), [`${LAPTOP} *`]);
    await goHome(phone);
    assert.equal(await headingOf(phone), 'Log in');
    await logIn(phone);
    await press(phone, 'Log out this device');
    assert.equal(await noteOf(phone), 'You are logged out.');
    await goHome(laptop);
    assert.deepEqual(await devicesOf(laptop), [`${LAPTOP} *`]);
    await logIn(phone);
    await press(laptop, 'Log out everywhere');
    for (const page of [laptop, phone]) {
      await goHome(page);
      assert.equal(await headingOf(page), 'Log in');
    }
  });
});

describe('the session of a login', () => {
  test('ends half an hour after its last use, and twelve hours after the login at the latest', async (t) => {
    const server = await startRedis();
    t.after(() => server.stop());
    const sessions = new SpotsSessions(server.url);
    t.after(() => sessions.close());
    const onServer = await startExample({ args: [server.url] });
    t.after(() => onServer.stop());
    const page = await openFor(USER_AGENTS.laptop, { baseURL: onServer.url });
    const request = { app: 'web-example', token: await tokenOf(page) };

    /** Minutes from the creation to the end. */
    const minutes = async () => {
      const { createdAt, expiresAt } = await sessions.info(request);
      return (Number(expiresAt) - Number(createdAt)) / 60_000;
    };
    assert.equal(await minutes(), 30);
    await sessions.refresh({ ...request, duration: 60 });
    assert.ok((await minutes()) < 30);
    // Another process on the same server: the first one takes the session for extended.
    const another = await startExample({ args: [server.url] });
    t.after(() => another.stop());
    await page.goto(another.url);
    assert.equal(await headingOf(page), 'Your devices');
    await waitUntil(async () => (await minutes()) > 30, 'the use to move the end');
    await sessions.refresh({ ...request, duration: Number.POSITIVE_INFINITY });
    assert.equal(await minutes(), 12 * 60);
  });
});
