'use strict';

const { spawn } = require('node:child_process');

/**
 * Starts what kills a server and removes its folder as soon as this process is gone: its standard
 * input, on which it is told the server's process, ends then.
 */
function startWatcher(dir) {
  const script = `
    while read -r line; do pid=$line; done
    [ -z "$pid" ] || kill -9 "$pid"
    rm -rf "$1"`;
  const watcher = spawn('sh', ['-c', script, 'sh', dir], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true, // so that Ctrl-C does not end it before its work
  });
  watcher.on('error', () => {});
  watcher.stdin.on('error', () => {});
  watcher.unref();
  watcher.stdin.unref();
  return watcher;
}

module.exports = { startWatcher };
