'use strict';

// Makes a fresh clone usable: installs the npm packages, then builds the addon. Skips what is up to date already. This
// file runs before `npm ci`, so it may use only Node's own modules.

const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { root, runLong } = require('./run.js');
const { requireNode, requireRust } = require('./toolchain.js');

const stampFile = path.join(root, 'target', 'addon.stamp');
const sources = ['Cargo.toml', 'Cargo.lock', 'build.rs', 'package.json', 'src'];
const generated = ['binding.js', 'binding.d.ts'];

/** @param {{ prebuilt?: boolean }} [options] with `prebuilt` it uses the addon that is there and builds nothing */
async function prepare({ prebuilt = false } = {}) {
  requireNode();
  await installPackages();
  if (!prebuilt) await buildAddon();
}

/** Installs the packages of package-lock.json, unless they were installed after its last change. */
async function installPackages() {
  // If node_modules is a link, `npm ci` would empty a folder that belongs to another clone.
  if (isLink('node_modules')) return;
  const wanted = modified('package-lock.json');
  if (modified('node_modules/.package-lock.json') >= wanted) return;
  // The build needs dev dependencies, which NODE_ENV=production would leave out.
  const options = ['--include=dev', '--ignore-scripts', '--no-audit', '--no-fund'];
  options.push('--loglevel=error');
  const npm = process.env.npm_execpath; // a JavaScript file, so no shell is needed on Windows
  if (npm) await runLong('installing npm packages', process.execPath, [npm, 'ci', ...options]);
  else await runLong('installing npm packages', 'npm', ['ci', ...options]);
}

/** Builds the addon in release mode, unless the existing one was built from the same sources. */
async function buildAddon() {
  if (readStamp() === stamp()) return;
  requireRust();
  const napi = path.join(root, 'node_modules', '@napi-rs', 'cli', 'dist', 'cli.js');
  const args = ['build', '--platform', '--release', '--strip', '--no-const-enum'];
  args.push('--js', 'binding.js', '--dts', 'binding.d.ts');
  if (process.env.CI) args.push('--', '--locked');
  const built = hash(sources.flatMap(filesOf));
  await runLong('building the addon', process.execPath, [napi, ...args]);
  // A source that was edited during the build may not be in the addon.
  if (hash(sources.flatMap(filesOf)) !== built) return;
  fs.mkdirSync(path.dirname(stampFile), { recursive: true });
  fs.writeFileSync(stampFile, stamp());
}

/** Returns one hash of the addon's sources and of all files that the build has made. */
function stamp() {
  return hash([...sources.flatMap(filesOf), ...generated, ...addons()]);
}

/** @param {string[]} files */
function hash(files) {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`);
  for (const file of files) {
    const content = fs.existsSync(path.join(root, file)) && fs.readFileSync(path.join(root, file));
    hash.update(`\n${file} ${content ? content.length : 'missing'}\n`).update(content || '');
  }
  return hash.digest('hex');
}

function readStamp() {
  return fs.existsSync(stampFile) ? fs.readFileSync(stampFile, 'utf8') : undefined;
}

/** Returns the names of the built addons. There is one, unless addons for other platforms were built too. */
function addons() {
  return fs.readdirSync(root).filter((name) => name.endsWith('.node'));
}

/** @param {string} name a file or a folder @returns {string[]} files, in a stable order */
function filesOf(name) {
  const place = path.join(root, name);
  if (!fs.existsSync(place) || fs.statSync(place).isFile()) return [name];
  return fs
    .readdirSync(place)
    .sort()
    .flatMap((entry) => filesOf(path.join(name, entry)));
}

/** @param {string} name */
function isLink(name) {
  const found = fs.lstatSync(path.join(root, name), { throwIfNoEntry: false });
  return found?.isSymbolicLink() ?? false;
}

/** @param {string} file */
function modified(file) {
  return fs.statSync(path.join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

module.exports = { prepare };
