'use strict';

// Builds the text of this package's Lua scripts like src/store/redis/scripts/mod.rs does.

const { readFileSync } = require('node:fs');
const path = require('node:path');

const folder = path.join(__dirname, '..', 'src', 'store', 'redis', 'scripts');

/** The shared files at the start of each script. */
const beginnings = {
  create: ['clock', 'expiry', 'index', 'each'],
  refresh: ['clock', 'expiry', 'index', 'each'],
  update: ['each'],
  kill: ['clock', 'index', 'each'],
};

/** @param {'create' | 'refresh' | 'update' | 'fold' | 'kill' | 'kill_all'} name of its file */
function scriptText(name) {
  const files = [...(beginnings[name] ?? []), name];
  return files.map((file) => readFileSync(path.join(folder, `${file}.lua`), 'utf8')).join('');
}

module.exports = { scriptText };
