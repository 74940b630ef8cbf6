'use strict';

// A Chromium for one test file, driven by playwright-core. scripts/children.js starts it and not playwright, so it does
// not outlive the tests, however they end.

const { chromium } = require('playwright-core');
const { spawn, temporaryFolder } = require('../../scripts/children.js');

/** What browsers say about themselves. */
const USER_AGENTS = {
  laptop: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0',
  phone:
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1',
  tablet:
    'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
};

/** Starts a browser. Each `newContext` of it has cookies of its own, as another device has. */
async function startBrowser() {
  const child = spawn(
    process.env.CHROMIUM_PATH ?? 'chromium',
    [
      '--headless',
      '--remote-debugging-port=0',
      `--user-data-dir=${temporaryFolder('chromium-')}`,
      '--no-first-run',
      '--disable-background-networking',
      '--disable-breakpad',
      '--disable-component-update',
      '--disable-dev-shm-usage',
      '--disable-extensions',
      '--disable-gpu',
      '--hide-scrollbars',
      // Chromium's sandbox does not work for root.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      'about:blank',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const gone = new Promise((resolve) => child.once('close', resolve));
  const address = await new Promise((resolve, reject) => {
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      log += text;
      const [, found] = /^DevTools listening on (ws:\S+)/m.exec(log) ?? [];
      if (found) resolve(found);
    });
    child.once('error', reject);
    child.once('close', () => reject(new Error(`Chromium did not start:\n${log}`)));
  });
  const browser = await chromium.connectOverCDP(address);
  return {
    /** @param {import('playwright-core').BrowserContextOptions} [options] */
    newContext: (options) => browser.newContext(options),
    async stop() {
      await browser.close();
      child.kill('SIGKILL');
      await gone;
    },
  };
}

/** Acts, and resolves when the page that follows is there. @param {import('playwright-core').Page} page */
async function follow(page, act) {
  const loaded = page.waitForEvent('load');
  await act();
  await loaded;
}

/** Presses a button, and resolves when the page that follows is there. */
function press(page, name) {
  return follow(page, () => page.getByRole('button', { name, exact: true }).click());
}

module.exports = { USER_AGENTS, follow, press, startBrowser };
