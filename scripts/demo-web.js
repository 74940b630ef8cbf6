'use strict';

// `npm run demo:web [-- redis://…]`: builds the package if necessary, and runs the web example until Ctrl-C.
//
// `--prebuilt` uses the addon that is there and needs no Rust.

const { prepare } = require('./prepare.js');
const { runScript } = require('./stop.js');

runScript(async () => {
  const args = process.argv.slice(2);
  const urls = args.filter((arg) => arg !== '--prebuilt');
  await prepare({ build: urls.length < args.length ? 'none' : 'release' });
  process.argv.splice(2, args.length, ...urls); // the example reads its URL there
  require('../examples/web/server.js'); // in this process, so that signals reach it
});
