'use strict';

// `npm run build`: installs the npm packages and builds the addon, if they are missing or out of date.

const { prepare } = require('./prepare.js');
const { runScript } = require('./stop.js');

runScript(async () => {
  await prepare();
  console.log('the addon is up to date');
});
