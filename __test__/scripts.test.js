'use strict';

// The scripts of a clone: what they install and build, and that they show no password.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { join } = require('node:path');
const { describe, test } = require('node:test');
const { spawnSync, temporaryFolder } = require('../scripts/children.js');

const root = join(__dirname, '..');

/**
 * A folder with our scripts, node_modules that are older than the lock file, and an npm that writes
 * down how it is called.
 */
function folderThatLags() {
  const folder = temporaryFolder('prepare-');
  fs.cpSync(join(root, 'scripts'), join(folder, 'scripts'), { recursive: true });
  fs.mkdirSync(join(folder, 'packages'));
  fs.writeFileSync(join(folder, 'package-lock.json'), '{}');
  const npm = join(folder, 'npm.js');
  fs.writeFileSync(npm, "require('fs').writeFileSync('called', process.argv.slice(2).join(' '));");
  return {
    folder,
    /** The arguments that npm was called with, or undefined if it was not called. */
    prepare() {
      const code = "require('./scripts/prepare.js').prepare({ build: 'none' })";
      const env = { ...process.env, npm_execpath: npm };
      const { status, stderr } = spawnSync(process.execPath, ['-e', code], { cwd: folder, env });
      assert.equal(status, 0, stderr.toString());
      const called = join(folder, 'called');
      return fs.existsSync(called) ? fs.readFileSync(called, 'utf8') : undefined;
    },
  };
}

test('packages that are older than the lock file are installed again, dev dependencies included', () => {
  const { folder, prepare } = folderThatLags();
  fs.renameSync(join(folder, 'packages'), join(folder, 'node_modules'));
  assert.match(prepare(), /^ci --include=dev --ignore-scripts /);
});

test('packages behind a link belong to another clone, and are not installed again', () => {
  const { folder, prepare } = folderThatLags();
  fs.symlinkSync(join(folder, 'packages'), join(folder, 'node_modules'), 'junction');
  assert.equal(prepare(), undefined);
});

/** What a program prints and how it ends. @param {string[]} args @param {object} [options] */
function printed(args, options = { cwd: root }) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, options);
  return { status, text: `${stdout}${stderr}` };
}

/** Builds an addon, in its way: an empty file, and a line of `built` that says which. */
const NAPI = `
  const fs = require('node:fs');
  const folder = process.argv[process.argv.indexOf('--output-dir') + 1 || process.argv.length] ?? '.';
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(folder + '/sessions.any.node', '');
  fs.appendFileSync('built', folder === '.' ? 'release ' : 'debug ');`;

/** A suite that writes down which addon it was given. */
const SUITE = `
  const addon = process.env.NAPI_RS_NATIVE_LIBRARY_PATH ?? 'release';
  require('node:fs').appendFileSync('used', addon.includes('debug-addon') ? 'debug ' : addon + ' ');`;

/** A clone whose tools only tell that they were called. */
function fakeClone() {
  const folder = temporaryFolder('clone-');
  fs.cpSync(join(root, 'scripts'), join(folder, 'scripts'), { recursive: true });
  const write = (file, text) => {
    fs.mkdirSync(join(folder, file, '..'), { recursive: true });
    fs.writeFileSync(join(folder, file), text, { mode: 0o755 });
  };
  write('Cargo.toml', '');
  write('packages/@napi-rs/cli/dist/cli.js', NAPI);
  fs.symlinkSync(join(folder, 'packages'), join(folder, 'node_modules'), 'junction');
  write('bin/cargo', '#!/bin/sh\necho cargo 1.99.0');
  write('bin/cc', '#!/bin/sh\necho cc 13');
  write('bin/redis-server', '#!/bin/sh\necho Redis server v=7.0.0');
  write('__test__/some.test.js', SUITE);
  write('__test__/faults/other.test.js', '');
  const { NODE_TEST_CONTEXT: _, CI: __, ...env } = process.env;
  env.PATH = `${join(folder, 'bin')}:${env.PATH}`;
  env.REDIS_SERVER = join(folder, 'bin', 'redis-server');
  env.NAPI_RS_NATIVE_LIBRARY_PATH = 'of the shell';
  const take = (name) => {
    const file = join(folder, name);
    const text = fs.existsSync(file) ? fs.readFileSync(file, 'utf8').trim() : '';
    fs.rmSync(file, { force: true });
    return text;
  };
  return {
    write,
    /** Runs a script: what it says, and what was built and used. @param {string[]} args */
    run(args, more = {}) {
      const [script, ...rest] = args;
      const options = { cwd: folder, env: { ...env, ...more } };
      const { status, text } = printed([join('scripts', `${script}.js`), ...rest], options);
      return { status, text, built: take('built'), used: take('used') };
    },
  };
}

describe('the debug addon', () => {
  const ends = ({ status, text, built, used }, expected) => {
    assert.deepEqual({ built, used }, expected, text);
    assert.equal(status, 0, text);
  };

  test('runs the suites that are named, and nothing else', () => {
    const { run, write } = fakeClone();
    ends(run(['test', 'some']), { built: 'release', used: 'release' });
    ends(run(['build', '--debug']), { built: 'debug', used: '' });
    ends(run(['build', '--debug']), { built: '', used: '' });
    const named = run(['test', 'some']);
    ends(named, { built: '', used: 'debug' });
    assert.match(named.text, /^tests run on the debug build$/m);
    const all = run(['test']);
    ends(all, { built: '', used: 'release' });
    assert.match(all.text, /^tests run on the release build$/m);
    ends(run(['test', '--release', 'some']), { built: '', used: 'release' });
    ends(run(['test', 'some'], { CI: 'true' }), { built: '', used: 'release' });
    for (const name of ['package', 'jest']) {
      write(`__test__/${name}.test.js`, '');
      ends(run(['test', 'some', name]), { built: '', used: 'release' });
    }
  });

  test('is not used once the sources have changed', () => {
    const { run, write } = fakeClone();
    ends(run(['build', '--debug']), { built: 'debug', used: '' });
    write('src/lib.rs', 'fn changed() {}');
    const named = run(['test', 'some']);
    ends(named, { built: 'release', used: 'release' });
    assert.match(
      named.text,
      /^tests run on the release build \(the debug build is of other sources: /m,
    );
    ends(run(['build', '--debug']), { built: 'debug', used: '' });
    ends(run(['test', 'some']), { built: '', used: 'debug' });
  });

  test('is not built, nor used, for what nobody knows', () => {
    const { run } = fakeClone();
    for (const [args, words] of [
      [['build', '--debgu'], 'unknown option: --debgu. It is `npm run build [-- --debug]`.'],
      [['test', '--relase', 'some'], 'unknown option: --relase. It is `npm test [-- '],
      [['test', 'smoe'], 'no test file has this in its path: smoe'],
    ]) {
      const { status, text, built, used } = run(args);
      assert.deepEqual({ status, built, used }, { status: 1, built: '', used: '' });
      assert.ok(text.includes(words), text);
    }
  });
});

/** Broken connection strings, so that it ends at once. */
const WITH_PASSWORD = [
  'redis://user:s3cret@localhost:99999',
  'redis://user:a/s3cret@localhost:99999',
  'user:s3cret@localhost:99999',
  'redis://localhost:99999?password=s3cret',
];

for (const url of WITH_PASSWORD) {
  test(`the demo shows no password: ${url}`, () => {
    const demo = join('examples', 'demo.js');
    const code = `require('./scripts/run.js').run(process.execPath, ${JSON.stringify([demo, url])})`;
    for (const args of [
      [demo, url],
      ['-e', code],
    ]) {
      const { status, text } = printed(args);
      assert.equal(status, 1);
      assert.match(text, /on a Redis server/);
      assert.doesNotMatch(text, /s3cret/);
    }
  });
}

test('the error of a failed program names it and its script or first flag, and no other argument', () => {
  for (const [args, words] of [
    [['-e', 'process.exit(3)', 's3cret'], 'node -e'],
    [[join(root, 'scripts', 'nowhere.js'), 's3cret'], `node ${join('scripts', 'nowhere.js')}`],
  ]) {
    const code = `require('./scripts/run.js').run(process.execPath, ${JSON.stringify(args)})`;
    const { text } = printed(['-e', code]);
    assert.match(text, /Error: failed \(exit \d\): (.+)$/m);
    assert.equal(/failed \(exit \d\): (.+)$/m.exec(text)[1], words);
    assert.doesNotMatch(text, /s3cret/);
  }
});
