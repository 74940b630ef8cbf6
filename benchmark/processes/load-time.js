'use strict';

// Run in a fresh process by suites/load.js: loads the package and says how long that took.

const { performance } = require('node:perf_hooks');

const from = performance.now();
require('../..');
const ms = performance.now() - from;

const addon = Object.keys(require.cache).find((file) => file.endsWith('.node'));
process.stdout.write(JSON.stringify({ ms, addon }));
