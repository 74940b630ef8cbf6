'use strict';

// `npm run check`: all checks of CI except the tests, in the same order. `npm run ready` adds the tests.

const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { prepare } = require('./prepare.js');
const { outputOf, root, run, runLong } = require('./run.js');
const { Stop, runScript } = require('./stop.js');
const { requireRust } = require('./toolchain.js');

const clippy = ['clippy', '--all-targets', ...(process.env.CI ? ['--locked'] : [])];
const warningsAreErrors = ['--', '-D', 'warnings'];

runScript(async () => {
  await prepare();
  requireRust();
  requireComponents();

  step('JavaScript, TypeScript, JSON: formatting and lints');
  tool('@biomejs/biome/bin/biome', ['ci', '--error-on-warnings']);
  step('types');
  tool('typescript/bin/tsc', ['--project', 'tsconfig.json']);
  step('unused files, exports and dependencies');
  tool('knip/bin/knip.js', []);
  step('Rust: formatting');
  run('cargo', ['fmt', '--check']);
  await runLong('Rust: lints of the addon', 'cargo', [...clippy, ...warningsAreErrors]);
  await runLong('Rust: lints of the core', 'cargo', [
    ...clippy,
    '--no-default-features',
    ...warningsAreErrors,
  ]);
  if (process.env.CI) requireCommitted();
  console.log('\nall checks passed');
});

/** @param {string} title */
function step(title) {
  console.log(`${title} …`);
}

/** Runs a program of node_modules. @param {string} script @param {string[]} args */
function tool(script, args) {
  run(process.execPath, [path.join(root, 'node_modules', script), ...args]);
}

/** Makes sure that clippy and rustfmt are there. rustup's minimal profile lacks both, but rustup can add them. */
function requireComponents() {
  const missing = ['clippy', 'fmt'].filter((name) => !outputOf('cargo', [name, '--version']));
  if (missing.length === 0) return;
  const components = missing.map((name) => (name === 'fmt' ? 'rustfmt' : name));
  if (outputOf('rustup', ['component', 'add', ...components]) !== undefined) return;
  throw new Stop(
    `cargo needs ${components.join(' and ')}. Install with rustup, or with your system's package manager.`,
  );
}

/** Makes sure that the generated files are committed as the build writes them. Otherwise a release would differ. */
function requireCommitted() {
  const files = ['binding.js', 'binding.d.ts', 'Cargo.lock', 'package-lock.json'];
  const { status } = spawnSync('git', ['diff', '--exit-code', '--', ...files], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status === 1)
    throw new Stop(
      'A generated file differs from the committed one. Run npm run build, and commit the file.',
    );
}
