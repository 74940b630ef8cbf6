'use strict';

// How the pages of examples/web look: on a phone and a desktop, light and dark, and for those who do not see them. With
// `npm run test:web -- --screenshots` it writes the images of docs/screenshots.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const axe = require('axe-core');
const { after, before, describe, test } = require('node:test');
const { USER_AGENTS, press, startBrowser } = require('../support/browser.js');
const { devicesOf, headingOf, logIn, noteOf, startExample } = require('../support/web-example.js');

const root = path.join(__dirname, '..', '..');
const folder = process.env.SCREENSHOTS;

const SIZES = {
  phone: { viewport: { width: 360, height: 740 }, userAgent: USER_AGENTS.phone },
  desktop: { viewport: { width: 1100, height: 760 }, userAgent: USER_AGENTS.laptop },
};
const EVERY_LOOK = ['desktop-light', 'desktop-dark', 'phone-light', 'phone-dark'];

/** Each page: its file in examples/web/pages, how to get there, and the looks of it that are kept as images. */
const PAGES = {
  login: { file: 'login', open: (page) => page.goto('/login'), kept: EVERY_LOOK },
  'wrong-password': { file: 'login', open: openWrongPassword, kept: ['phone-light'] },
  devices: { file: 'devices', open: openThreeDevices, kept: EVERY_LOOK },
  outage: { file: 'outage', open: openDuringOutage, kept: ['desktop-light', 'phone-dark'] },
  'another-site': { file: 'elsewhere', open: openFromAnotherSite, kept: ['desktop-light'] },
  'no-such-page': { file: 'missing', open: openNothing, kept: ['desktop-light'] },
};

/** The headings of the whole pages, by their files. The other files are parts of pages. */
const HEADINGS = new Map(
  fs
    .readdirSync(path.join(root, 'examples', 'web', 'pages'))
    .map((file) => [path.parse(file).name, headingIn(file)])
    .filter(([, heading]) => heading !== undefined),
);

/** @param {string} file */
function headingIn(file) {
  const html = fs.readFileSync(path.join(root, 'examples', 'web', 'pages', file), 'utf8');
  return /<h1>(.*)<\/h1>/.exec(html)?.[1];
}

/** @type {Awaited<ReturnType<typeof startBrowser>>} */
let browser;
/** @type {Awaited<ReturnType<typeof startExample>>} */
let example;
/** The same without a server. @type {Awaited<ReturnType<typeof startExample>>} */
let broken;
before(async () => {
  browser = await startBrowser();
  example = await startExample();
  broken = await startExample({ args: ['redis://localhost:1'] });
});
after(() => Promise.all([browser, example, broken].map((each) => each?.stop())));

async function openWrongPassword(page) {
  await logIn(page, 'ada', 'hopper');
  assert.equal(await noteOf(page), 'The name or the password is wrong.');
}

async function openThreeDevices(page) {
  await logIn(page);
  await press(page, 'Log out all other devices');
  const own = await page.evaluate(() => navigator.userAgent);
  for (const userAgent of Object.values(USER_AGENTS).filter((each) => each !== own)) {
    const context = await browser.newContext({ baseURL: example.url, userAgent });
    await logIn(await context.newPage());
    await context.close();
  }
  await page.goto('/');
  assert.equal((await devicesOf(page)).length, 3);
}

async function openDuringOutage(page) {
  const cookie = { name: 'sid', value: 'A'.repeat(43), url: broken.url };
  await page.context().addCookies([cookie]);
  await page.goto(broken.url);
}

async function openFromAnotherSite(page) {
  await page.setContent(`<form method="post" action="${example.url}/logout"><button>Win</button>`);
  await press(page, 'Win');
}

async function openNothing(page) {
  await logIn(page);
  await page.goto('/nothing');
}

for (const [name, { file, open, kept }] of Object.entries(PAGES)) {
  describe(`the page ${name}`, () => {
    for (const [size, device] of Object.entries(SIZES)) {
      for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
        const look = `${size}-${colorScheme}`;
        test(`can be read by everybody: ${size}, ${colorScheme}`, async (t) => {
          const options = { ...device, colorScheme, baseURL: example.url, deviceScaleFactor: 2 };
          const context = await browser.newContext(options);
          t.after(() => context.close());
          const page = await context.newPage();
          await open(page);
          assert.equal(await headingOf(page), HEADINGS.get(file));

          // Contrast, labels, landmarks, headings, language and more.
          await page.evaluate(axe.source);
          const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
          assert.deepEqual(
            violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)]),
            [],
          );
          const rules = passes.map(({ id }) => id);
          for (const rule of ['color-contrast', 'html-has-lang', 'landmark-one-main']) {
            assert.ok(rules.includes(rule), `${rule} was checked`);
          }
          assert.equal(await isDark(page), colorScheme === 'dark');
          await assertEasyToTouch(page);
          await assertNoSidewaysScrolling(page);
          // WCAG 1.4.10: 320 pixels are enough.
          await page.setViewportSize({ width: 320, height: 740 });
          await assertNoSidewaysScrolling(page);
          if (folder && kept.includes(look)) {
            await page.setViewportSize(device.viewport);
            await keep(page, `${name}-${look}`);
          }
        });
      }
    }
  });
}

/** Writes an image of the whole page. Playwright writes no WebP, which is a quarter of a PNG. */
async function keep(page, name) {
  const browser = await page.context().newCDPSession(page);
  const { cssContentSize } = await browser.send('Page.getLayoutMetrics');
  const { data } = await browser.send('Page.captureScreenshot', {
    format: 'webp',
    quality: 90,
    captureBeyondViewport: true,
    clip: { ...cssContentSize, scale: 1 },
  });
  fs.mkdirSync(path.join(root, folder), { recursive: true });
  fs.writeFileSync(path.join(root, folder, `${name}.webp`), Buffer.from(data, 'base64'));
}

/** @param {import('playwright-core').Page} page */
function isDark(page) {
  return page.evaluate(() => {
    const [red, green, blue] = getComputedStyle(document.body).backgroundColor.match(/\d+/g);
    return Number(red) + Number(green) + Number(blue) < 3 * 128;
  });
}

/** Apple's and Google's guidelines ask for 44 and 48 pixels. @param {import('playwright-core').Page} page */
async function assertEasyToTouch(page) {
  for (const control of await page.locator('button, input, a.main').all()) {
    const { height } = await control.boundingBox();
    assert.ok(height >= 44, `${await control.textContent()}: ${height}`);
  }
}

/** @param {import('playwright-core').Page} page */
async function assertNoSidewaysScrolling(page) {
  const [content, window] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  assert.ok(content <= window, `${content} pixels of ${window}`);
}

describe('the images in docs/screenshots', () => {
  test('are those that are kept, and no others', () => {
    const kept = Object.entries(PAGES).flatMap(([name, page]) =>
      page.kept.map((look) => `${name}-${look}.webp`),
    );
    assert.deepEqual(fs.readdirSync(path.join(root, 'docs', 'screenshots')).sort(), kept.sort());
  });

  test('show every page of the example', () => {
    const shown = Object.values(PAGES).flatMap(({ file, kept }) => kept.map(() => file));
    assert.deepEqual([...new Set(shown)].sort(), [...HEADINGS.keys()].sort());
    for (const [name, { kept }] of Object.entries(PAGES)) assert.notEqual(kept.length, 0, name);
  });
});

describe('the example', () => {
  test('is short enough to be read: at most 200 lines of JavaScript', () => {
    const example = path.join(root, 'examples', 'web');
    const files = fs.readdirSync(example, { recursive: true, encoding: 'utf8' });
    const scripts = files.filter((file) => /\.[cm]?js$/.test(file));
    const lines = scripts.flatMap((file) =>
      fs.readFileSync(path.join(example, file), 'utf8').trimEnd().split('\n'),
    );
    assert.ok(lines.length > 100 && lines.length <= 200, `${lines.length} lines`);
  });
});
