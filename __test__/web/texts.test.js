'use strict';

// The texts of examples/web, without a browser: the names of devices, and what the pages tell.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { describe, test } = require('node:test');
const { describeDevice } = require('../../examples/web/device.js');
const notes = require('../../examples/web/notes.json');
const { USER_AGENTS } = require('../support/browser.js');

const WINDOWS = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64)';
const MAC = 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)';
const IPHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X)';
const IPAD = 'Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X)';
const ANDROID = 'Mozilla/5.0 (Linux; Android 10; K)';
const BLINK = 'AppleWebKit/537.36 (KHTML, like Gecko)';
const WEBKIT = 'AppleWebKit/605.1.15 (KHTML, like Gecko)';

/** What browsers send, and what users are shown. Most name other browsers and systems, too. */
const DEVICES = [
  [`${WINDOWS} ${BLINK} Chrome/142.0.0.0 Safari/537.36`, 'Chrome on Windows'],
  [`${WINDOWS} ${BLINK} Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0`, 'Edge on Windows'],
  [`${WINDOWS} ${BLINK} Chrome/141.0.0.0 Safari/537.36 OPR/125.0.0.0`, 'Opera on Windows'],
  [USER_AGENTS.laptop, 'Firefox on Windows'],
  [`${MAC} ${BLINK} Chrome/142.0.0.0 Safari/537.36`, 'Chrome on Mac OS'],
  [`${MAC} ${BLINK} Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0`, 'Edge on Mac OS'],
  [`${MAC} ${WEBKIT} Version/18.6 Safari/605.1.15`, 'Safari on Mac OS'],
  [
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:145.0) Gecko/20100101 Firefox/145.0',
    'Firefox on Mac OS',
  ],
  [
    `Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) ${BLINK} Chrome/142.0.0.0 Safari/537.36`,
    'Chrome on ChromeOS',
  ],
  [`Mozilla/5.0 (X11; Linux x86_64) ${BLINK} Chrome/142.0.0.0 Safari/537.36`, 'Chrome on Linux'],
  ['Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0', 'Firefox on Linux'],
  [`${ANDROID} ${BLINK} Chrome/142.0.0.0 Mobile Safari/537.36`, 'Chrome on Android'],
  [USER_AGENTS.tablet, 'Chrome on Android'],
  [`${ANDROID} ${BLINK} Chrome/142.0.0.0 Mobile Safari/537.36 EdgA/142.0.0.0`, 'Edge on Android'],
  [`${ANDROID} ${BLINK} Chrome/141.0.0.0 Mobile Safari/537.36 OPR/93.0.0.0`, 'Opera on Android'],
  ['Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0', 'Firefox on Android'],
  [USER_AGENTS.phone, 'Safari on iPhone'],
  [`${IPHONE} ${WEBKIT} CriOS/142.0.7444.77 Mobile/15E148 Safari/604.1`, 'Chrome on iPhone'],
  [`${IPHONE} ${WEBKIT} FxiOS/145.0 Mobile/15E148 Safari/605.1.15`, 'Firefox on iPhone'],
  [
    `${IPHONE} ${WEBKIT} Version/18.0 EdgiOS/142.0.3595.66 Mobile/15E148 Safari/604.1`,
    'Edge on iPhone',
  ],
  [`${IPAD} ${WEBKIT} Version/18.6 Mobile/15E148 Safari/604.1`, 'Safari on iPad'],
  [`${IPAD} ${WEBKIT} CriOS/142.0.7444.77 Mobile/15E148 Safari/604.1`, 'Chrome on iPad'],
  ['curl/8.14.1', 'A browser on an unknown system'],
  ['', 'A browser on an unknown system'],
  [undefined, 'A browser on an unknown system'],
];

describe('the name of a device', () => {
  for (const [userAgent, name] of DEVICES) {
    test(`is ${name} for ${userAgent || 'an empty header, or none'}`, () => {
      assert.equal(describeDevice(userAgent), name);
    });
  }
});

describe('the notes', () => {
  test('are those that the application tells: an address can show no other', () => {
    const file = path.join(__dirname, '..', '..', 'examples', 'web', 'application.js');
    const told = fs.readFileSync(file, 'utf8').matchAll(/\?told=(\w+)|\btold: '(\w+)'/g);
    const names = new Set([...told].map(([, inAddress, inCode]) => inAddress ?? inCode));
    assert.deepEqual(Object.keys(notes).sort(), [...names].sort());
  });
});
