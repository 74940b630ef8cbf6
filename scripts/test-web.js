'use strict';

// `npm run test:web [-- names…]`: installs, builds, and tests the web example in a real browser.
//
// Names select files of __test__/web. `--screenshots` also writes the images of docs/screenshots. `--prebuilt` uses the
// addon that is there and needs no Rust.

const fs = require('node:fs');
const path = require('node:path');
const { requireChromium } = require('./chromium.js');
const { canInstall, install } = require('./debian.js');
const { prepare } = require('./prepare.js');
const { requireRedisServer } = require('./redis-binary.js');
const { root } = require('./run.js');
const { Stop, runScript } = require('./stop.js');
const { runTestFiles } = require('./test-files.js');

const folder = '__test__/web';
const flags = ['--prebuilt', '--screenshots'];

runScript(async () => {
  const args = process.argv.slice(2);
  const names = args.filter((arg) => !arg.startsWith('-'));
  const unknown = args.filter((arg) => arg.startsWith('-') && !flags.includes(arg));
  const files = fs
    .readdirSync(path.join(root, folder))
    .filter((file) => file.endsWith('.test.js'))
    .filter((file) => names.length === 0 || names.some((name) => file.includes(name)));
  if (unknown.length > 0 || files.length === 0) {
    throw new Stop(
      `${unknown[0] ?? names.join(', ')}: no such option or file. It is \`npm run test:web [-- [${flags.join(' | ')}] names…]\`.`,
    );
  }
  await prepare({ build: args.includes('--prebuilt') ? 'none' : 'release' });
  const server = requireRedisServer();
  const browser = requireChromium();
  const screenshots = args.includes('--screenshots') && { SCREENSHOTS: 'docs/screenshots' };
  // The fonts of style.css that Debian has, so that the images look the same each time.
  if (screenshots && canInstall({ withSudo: true })) install(['fonts-inter', 'fonts-urw-base35']);
  await runTestFiles(
    files.map((file) => path.posix.join(folder, file)),
    { ...process.env, REDIS_SERVER: server.path, CHROMIUM_PATH: browser.path, ...screenshots },
  );
  console.log(`\npassed: the web example in ${browser.name} · ${server.name} ${server.version}`);
});
