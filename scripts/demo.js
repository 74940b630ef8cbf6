'use strict';

// `npm run demo [-- redis://…]`: builds the package if necessary, and shows its methods at work.

const path = require('node:path');
const { prepare } = require('./prepare.js');
const { root, run } = require('./run.js');
const { runScript } = require('./stop.js');

runScript(async () => {
  await prepare();
  run(process.execPath, [path.join(root, 'examples', 'demo.js'), ...process.argv.slice(2)]);
});
