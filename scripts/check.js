'use strict';

// `npm run check`: everything but the tests, in CI's order. `npm run ready` adds the tests.

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
  console.log('\nchecked: nothing to complain about');
});

/** @param {string} title */
function step(title) {
  console.log(`${title} …`);
}

/** @param {string} script a program of node_modules @param {string[]} args */
function tool(script, args) {
  run(process.execPath, [path.join(root, 'node_modules', script), ...args]);
}

/** rustup's minimal profile has neither; where rustup is at hand it adds them. */
function requireComponents() {
  const missing = ['clippy', 'fmt'].filter((name) => !outputOf('cargo', [name, '--version']));
  if (missing.length === 0) return;
  const components = missing.map((name) => (name === 'fmt' ? 'rustfmt' : name));
  if (outputOf('rustup', ['component', 'add', ...components]) !== undefined) return;
  throw new Stop(
    `Missing beside cargo: ${components.join(' and ')}. Install them with rustup or your system.`,
  );
}

/** What is generated must be committed as the build writes it, or a release would differ. */
function requireCommitted() {
  const files = ['binding.js', 'binding.d.ts', 'Cargo.lock', 'package-lock.json'];
  const { status } = spawnSync('git', ['diff', '--exit-code', '--', ...files], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status === 1)
    throw new Stop('A generated file differs from the committed one: build, and commit it.');
}
