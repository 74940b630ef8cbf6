'use strict';

// `npm run demo:web [-- redis://…]`: builds the package if necessary, and runs the web example until Ctrl-C.

const { prepare } = require('./prepare.js');
const { runScript } = require('./stop.js');

runScript(async () => {
  await prepare();
  require('../examples/web/server.js'); // in this process, so that signals reach it
});
