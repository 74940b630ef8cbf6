'use strict';

// Completes package-lock.json: `npm run lock`, after every change of a dependency or of our version.
//
// npm leaves an optional package out of the lock file when it cannot fetch it at that moment, and
// `npm ci` then refuses the lock file as out of step. Our own platform packages are such until they
// are published, and so is every package that a mirror does not carry for foreign platforms.

const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
const lockFile = path.join(root, 'package-lock.json');

const systems = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32'];
const processors = [
  'arm',
  'arm64',
  'ia32',
  'loong64',
  'ppc64',
  'riscv64',
  's390x',
  'wasm32',
  'x64',
];

/**
 * Tells from a package's name which platform it is for, so that npm does not fetch it elsewhere.
 *
 * @param {string} name such as `@biomejs/cli-linux-x64-musl`
 */
function platformOf(name) {
  const words = name.split(/[-/]/);
  const pick = (/** @type {string[]} */ known) => known.filter((word) => words.includes(word));
  const libc = words.includes('musl') ? ['musl'] : words.includes('gnu') ? ['glibc'] : [];
  const platform = { os: pick(systems), cpu: pick(processors), libc };
  return Object.fromEntries(Object.entries(platform).filter(([, values]) => values.length > 0));
}

/** The platform packages of this project, by name, as npm/ describes them. */
function ownPlatforms() {
  const folder = path.join(root, 'npm');
  return Object.fromEntries(
    fs.readdirSync(folder).map((name) => {
      const manifest = JSON.parse(fs.readFileSync(path.join(folder, name, 'package.json'), 'utf8'));
      const { version, license, os, cpu, libc, engines } = manifest;
      return [manifest.name, { version, license, os, cpu, ...(libc && { libc }), engines }];
    }),
  );
}

/** @param {{ packages: Record<string, any> }} lock changed in place; returns what was added */
function complete(lock) {
  const own = ownPlatforms();
  const added = [];
  for (const [place, dependant] of Object.entries(lock.packages)) {
    for (const [name, range] of Object.entries(dependant.optionalDependencies ?? {})) {
      const key = `node_modules/${name}`;
      const known = lock.packages[key] ?? lock.packages[`${place}/${key}`];
      if (known && (!own[name] || known.version === range)) continue;
      if (own[name] && own[name].version !== range) {
        throw new Error(`package.json wants ${name} ${range}, npm/ has ${own[name].version}`);
      }
      if (!/^\d/.test(range)) throw new Error(`${name} is wanted as ${range}, not one version`);
      const entry = own[name] ?? { version: range, ...platformOf(name) };
      lock.packages[key] = { ...entry, ...(dependant.dev && { dev: true }), optional: true };
      added.push(name);
    }
  }
  lock.packages = Object.fromEntries(
    Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  return added;
}

const lock = JSON.parse(fs.readFileSync(lockFile, 'utf8'));
const added = complete(lock);
fs.writeFileSync(lockFile, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`package-lock.json holds ${added.length} packages that could not be fetched:`);
for (const name of added) console.log(`  ${name}`);
