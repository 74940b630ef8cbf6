'use strict';

// Finds a Chromium that the tests of the web example can drive. On Debian it also installs one if there is none.

const { canInstall, install } = require('./debian.js');
const { outputOf } = require('./run.js');
const { Stop } = require('./stop.js');

const places = [
  'chromium',
  'chromium-browser',
  'google-chrome',
  'google-chrome-stable',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

const howToInstall = `The web example is tested in a real browser, and no Chromium was found on the PATH. Install one:

  Debian           apt-get install chromium
  Fedora           dnf install chromium
  Alpine           apk add chromium
  macOS            brew install --cask chromium

If it is in another folder, set an environment variable: CHROMIUM_PATH=/path/to/chromium`;

/**
 * Returns the browser to test with. Installs Debian's package if there is none, and if that needs no password.
 *
 * @returns {{ path: string, name: string }} the name has its version
 */
function requireChromium() {
  const named = process.env.CHROMIUM_PATH;
  if (named) {
    const browser = inspect(named);
    if (browser) return browser;
    throw new Stop(`CHROMIUM_PATH is no Chromium: ${named}`);
  }
  const found = findChromium();
  if (found) return found;
  if (canInstall({ withSudo: true })) install(['chromium']);
  const installed = findChromium();
  if (installed) return installed;
  throw new Stop(howToInstall);
}

function findChromium() {
  return places.map(inspect).find((browser) => browser !== undefined);
}

/** @param {string} path */
function inspect(path) {
  const name = outputOf(path, ['--version'])?.match(/(Chromium|Google Chrome) [\d.]+/)?.[0];
  return name === undefined ? undefined : { path, name };
}

module.exports = { requireChromium };
