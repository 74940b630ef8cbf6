'use strict';

// `npm run lock`: completes package-lock.json. Run it after each change of a dependency or of our own version.
//
// If npm cannot fetch an optional package, it leaves the package out of the lock file. `npm ci` then refuses the lock
// file, because it does not match package.json. This happens to our own platform packages until they are published, and
// to packages for other platforms that a mirror does not have.

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
 * Returns the platform that a package's name stands for. npm does not fetch the package on other platforms.
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

/** Returns the platform packages of this project, by name. npm/ describes them. */
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

/** Adds the missing packages and returns their names. @param {{ packages: Record<string, any> }} lock is changed */
function complete(lock) {
  const own = ownPlatforms();
  const added = [];
  for (const [place, dependant] of Object.entries(lock.packages)) {
    for (const [name, range] of Object.entries(dependant.optionalDependencies ?? {})) {
      const key = `node_modules/${name}`;
      const known = lock.packages[key] ?? lock.packages[`${place}/${key}`];
      if (known && (!own[name] || known.version === range)) continue;
      if (own[name] && own[name].version !== range) {
        throw new Error(`package.json needs ${name} ${range}, but npm/ has ${own[name].version}`);
      }
      if (!/^\d/.test(range))
        throw new Error(`${name} has the range ${range} in package.json: give one exact version`);
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
console.log(
  `added to package-lock.json, because npm could not fetch them: ${added.length} packages`,
);
for (const name of added) console.log(`  ${name}`);
