'use strict';

// suites/load.js runs this in a fresh process. It loads the package and prints how long that took.

const { performance } = require('node:perf_hooks');

const from = performance.now();
require('../..');
const ms = performance.now() - from;

const addon = Object.keys(require.cache).find((file) => file.endsWith('.node'));
process.stdout.write(JSON.stringify({ ms, addon }));
