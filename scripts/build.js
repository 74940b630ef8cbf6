'use strict';

// `npm run build`: installs and builds what is not there or not current.

const { prepare } = require('./prepare.js');
const { runScript } = require('./stop.js');

runScript(async () => {
  await prepare();
  console.log('the addon is built');
});
