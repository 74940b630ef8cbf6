'use strict';

// Makes a fresh clone usable: installs the npm packages, then builds the addon. Skips what is up to date already. This
// file runs before `npm ci`, so it may use only Node's own modules.

const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { root, runLong } = require('./run.js');
const { requireNode, requireRust } = require('./toolchain.js');

const sources = ['Cargo.toml', 'Cargo.lock', 'build.rs', 'package.json', 'src'];
const debugFolder = path.join('target', 'debug-addon');

/**
 * @typedef {object} Build
 * @property {string} title
 * @property {string} stamp the file with the hash of its sources
 * @property {string[]} args for `napi build`
 * @property {() => string[]} outputs the files that it writes
 */

/** Each build has a place of its own, so that neither is taken for the other. */
const builds = {
  /** @type {Build} */
  release: {
    title: 'building the addon',
    stamp: path.join('target', 'addon.stamp'),
    args: ['--release', '--strip', '--js', 'binding.js', '--dts', 'binding.d.ts'],
    outputs: () => ['binding.js', 'binding.d.ts', ...addonsIn('.')],
  },
  /** Not optimised, and built incrementally. @type {Build} */
  debug: {
    title: 'building the addon for debugging',
    stamp: path.join(debugFolder, 'addon.stamp'),
    // Not in target/debug, where `cargo test` writes a library of the same name without Node.
    args: ['--target-dir', debugFolder, '--output-dir', debugFolder, '--no-js'],
    outputs: () => addonsIn(debugFolder),
  },
};

/** The variable that names the addon that binding.js loads, instead of the one beside it. */
const ADDON_VARIABLE = 'NAPI_RS_NATIVE_LIBRARY_PATH';

/** @param {{ build?: keyof typeof builds | 'none' }} [options] with `none` it uses the addon that is there */
async function prepare({ build = 'release' } = {}) {
  requireNode();
  await installPackages();
  if (build !== 'none') await buildAddon(builds[build]);
  // The variable may be set in the shell, for example so that a program loads the debug addon.
  if (build !== 'debug') delete process.env[ADDON_VARIABLE];
}

/**
 * Finds the debug addon. Returns the environment that makes programs load it, and whether it was built from the current
 * sources; or undefined if there is none.
 */
function findDebugAddon() {
  const [file] = addonsIn(debugFolder);
  if (file === undefined) return undefined;
  return { env: { [ADDON_VARIABLE]: path.join(root, file) }, isCurrent: isCurrent(builds.debug) };
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

/** Builds an addon, unless the existing one was built from the same sources. @param {Build} build */
async function buildAddon(build) {
  if (isCurrent(build)) return;
  requireRust();
  const napi = path.join(root, 'node_modules', '@napi-rs', 'cli', 'dist', 'cli.js');
  const args = ['build', '--platform', '--no-const-enum', ...build.args];
  if (process.env.CI) args.push('--', '--locked');
  const built = hash(sources.flatMap(filesOf));
  await runLong(build.title, process.execPath, [napi, ...args]);
  // A source that was edited during the build may not be in the addon.
  if (hash(sources.flatMap(filesOf)) !== built) return;
  fs.mkdirSync(path.join(root, path.dirname(build.stamp)), { recursive: true });
  fs.writeFileSync(path.join(root, build.stamp), stampOf(build));
}

/** @param {Build} build */
function isCurrent(build) {
  const file = path.join(root, build.stamp);
  return fs.existsSync(file) && fs.readFileSync(file, 'utf8') === stampOf(build);
}

/** Returns one hash of an addon's sources and of all files that the build has made. @param {Build} build */
function stampOf({ outputs }) {
  return hash([...sources.flatMap(filesOf), ...outputs()]);
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

/**
 * The addon that a folder holds. There is one, unless somebody builds for other machines there.
 *
 * @param {string} folder
 */
function addonsIn(folder) {
  const place = path.join(root, folder);
  const names = fs.existsSync(place) ? fs.readdirSync(place) : [];
  return names.filter((name) => name.endsWith('.node')).map((name) => path.join(folder, name));
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

module.exports = { findDebugAddon, prepare };
