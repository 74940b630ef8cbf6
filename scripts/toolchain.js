'use strict';

// Checks that the tools for the build are installed, and says how to install them.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { outputOf, root } = require('./run.js');
const { Stop } = require('./stop.js');

const oldestNode = 20;

const rust = `Install it from https://rustup.rs:
      curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y`;

const compiler = `Install one:
      Debian, Ubuntu   apt-get install build-essential
      Fedora           dnf install gcc
      Alpine           apk add build-base
      macOS            xcode-select --install`;

/** Stops if Node is too old for this package. */
function requireNode() {
  if (Number.parseInt(process.versions.node, 10) >= oldestNode) return;
  throw new Stop(
    `This package needs Node.js ${oldestNode} or later, but this is ${process.version}.\n` +
      'Install a newer one from https://nodejs.org/en/download or with your version manager.',
  );
}

/** Stops if the addon cannot be built. One message names everything that is missing. */
function requireRust() {
  findCargo();
  const missing = [rustProblem(), compilerProblem()].filter((problem) => problem !== undefined);
  if (missing.length === 0) return;
  throw new Stop(
    `The addon cannot be built on this machine:\n\n${missing.map((text) => `  - ${text}`).join('\n\n')}\n\n` +
      'Then run the same command again.',
  );
}

/** Adds rustup's folder to the PATH, because a shell that was started before the installation lacks it. */
function findCargo() {
  if (outputOf('cargo', ['--version'])) return;
  const folder = path.join(process.env.CARGO_HOME || path.join(os.homedir(), '.cargo'), 'bin');
  if (fs.existsSync(folder)) process.env.PATH += path.delimiter + folder;
}

function rustProblem() {
  const version = outputOf('cargo', ['--version'])?.match(/(\d+)\.(\d+)\.\d+/);
  if (!version) return `Rust is missing: there is no working \`cargo\` on the PATH. ${rust}`;
  const manifest = fs.readFileSync(path.join(root, 'Cargo.toml'), 'utf8');
  const oldest = manifest.match(/^rust-version = "(\d+)\.(\d+)/m);
  if (!oldest) return undefined;
  const minor = (/** @type {RegExpMatchArray} */ found) =>
    Number(found[1]) * 1e6 + Number(found[2]);
  if (minor(version) >= minor(oldest)) return undefined;
  return (
    `Rust ${version[0]} is too old: this needs ${oldest[1]}.${oldest[2]} or later. ` +
    `With rustup, run \`rustup update stable\`. Otherwise remove this Rust. ${rust}`
  );
}

function compilerProblem() {
  // On Windows, rustc finds Microsoft's linker itself, or says what to install.
  if (process.platform === 'win32' || outputOf('cc', ['--version'])) return undefined;
  return `A C compiler is missing: there is no working \`cc\` on the PATH. ${compiler}`;
}

module.exports = { requireNode, requireRust };
