'use strict';

// Loads the addon: the file that a build wrote to this package, or the platform package that npm installed.

const { version, optionalDependencies } = require('../package.json');

/** The platform, as in the names of the platform packages: "linux-x64-musl". */
function platformName() {
  const { platform, arch } = process;
  if (platform === 'win32') return `win32-${arch}-msvc`;
  if (platform !== 'linux') return `${platform}-${arch}`;
  return `linux-${arch}-${isMusl() ? 'musl' : 'gnu'}`;
}

/** Whether the C library is musl, as on Alpine. Node reports the version of glibc if it runs on glibc. */
function isMusl() {
  const report = /** @type {any} */ (process.report);
  try {
    report.excludeNetwork = true; // otherwise the report looks up the host names of all open connections
    return report.getReport().header.glibcVersionRuntime === undefined;
  } catch {
    return false; // Deno makes no report without --allow-sys
  }
}

/**
 * The messages of the loader if there is no binary. Any other message is about a binary that exists but does not load,
 * for example because the system's C library is too old for it.
 */
const ABSENT = /^(Cannot find (module|native binding)|Unsupported (OS|architecture))/;

/**
 * The messages of Node and Deno if the process may not load the addon, and how to start it instead.
 *
 * @type {[RegExp, () => string][]}
 */
const REFUSALS = [
  [
    /loading addons is disabled/,
    () => (isRestricted() ? 'with --allow-addons' : 'without --no-addons'),
  ],
  [/Access to this API has been restricted/, () => 'with --allow-fs-read of node_modules'],
  // Deno names only one missing flag at a time, and names some that do not help.
  [/run again with the --allow-/, () => 'with --allow-ffi --allow-read --allow-env'],
];

/** Whether Node runs with `--permission`. */
function isRestricted() {
  return /** @type {any} */ (process).permission !== undefined;
}

/**
 * Says why the addon cannot be loaded here, and what to do.
 *
 * @param {Error[]} failures the errors of the generated loader; only their messages differ
 */
function explain(failures) {
  const platform = platformName();
  const wanted = `@spots-tech/sessions-${platform}`;
  const attempt = `cannot load the native addon of @spots-tech/sessions for ${platform}`;

  for (const [words, flags] of REFUSALS) {
    if (!failures.some(({ message }) => words.test(message))) continue;
    return `${attempt}: this process may not load it (start it ${flags()})`;
  }
  const broken = failures.find(({ message }) => !ABSENT.test(message));
  if (broken) return `${attempt}: ${broken.message} (reinstall it on the machine that runs it)`;
  if (!(wanted in optionalDependencies)) {
    const platforms = Object.keys(optionalDependencies).map((name) => name.split('sessions-')[1]);
    return `${attempt}: there is no binary for this platform, only for ${platforms.join(', ')} (build it from source: see CONTRIBUTING.md of the repository)`;
  }
  return (
    `${attempt}: the package ${wanted} is not installed. npm skips it with --omit=optional and when ` +
    'node_modules or the lock file come from another platform. Install again on this machine, ' +
    `or add it by name: npm install ${wanted}@${version}`
  );
}

/**
 * Returns an error and its causes, the outermost first. They may come from another realm, as in Jest. Then they are not
 * instances of our Error.
 *
 * @param {any} error
 * @returns {Error[]}
 */
function causes(error) {
  return typeof error?.message === 'string' ? [error, ...causes(error.cause)] : [];
}

function load() {
  try {
    return require('../binding.js');
  } catch (failure) {
    const failures = causes(failure);
    // The first error blames npm, whatever the reason is.
    const [first, second = first] = failures;
    const cause = failures.find(({ message }) => !ABSENT.test(message)) ?? second;
    throw new Error(explain(failures), { cause });
  }
}

module.exports = load();
