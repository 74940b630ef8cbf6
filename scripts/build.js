'use strict';

// `npm run build [-- --debug]`: installs the npm packages and builds the addon, if they are missing or out of date. With
// `--debug` it builds an addon that is not optimised, in seconds, for `npm test -- <name>`. The release addon stays.

const { prepare } = require('./prepare.js');
const { Stop, runScript } = require('./stop.js');

runScript(async () => {
  const args = process.argv.slice(2);
  const unknown = args.filter((arg) => arg !== '--debug');
  if (unknown.length > 0) {
    throw new Stop(`unknown option: ${unknown.join(' ')}. It is \`npm run build [-- --debug]\`.`);
  }
  if (args.length === 0) {
    await prepare();
    console.log('the addon is up to date');
  } else {
    await prepare({ build: 'debug' });
    console.log('the debug addon is up to date: `npm test -- <name>` uses it');
  }
});
