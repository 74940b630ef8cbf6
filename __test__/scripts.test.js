'use strict';

// The scripts of a clone: what they install, and that they show no password.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { join } = require('node:path');
const { test } = require('node:test');
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
    /** How npm was called; nothing if it was not. */
    prepare() {
      const code = "require('./scripts/prepare.js').prepare({ prebuilt: true })";
      const env = { ...process.env, npm_execpath: npm };
      const { status, stderr } = spawnSync(process.execPath, ['-e', code], { cwd: folder, env });
      assert.equal(status, 0, stderr.toString());
      const called = join(folder, 'called');
      return fs.existsSync(called) ? fs.readFileSync(called, 'utf8') : undefined;
    },
  };
}

test('packages that lag behind the lock file are installed, with those that build', () => {
  const { folder, prepare } = folderThatLags();
  fs.renameSync(join(folder, 'packages'), join(folder, 'node_modules'));
  assert.match(prepare(), /^ci --include=dev --ignore-scripts /);
});

test('packages behind a link are somebody else’s, and are not installed again', () => {
  const { folder, prepare } = folderThatLags();
  fs.symlinkSync(join(folder, 'packages'), join(folder, 'node_modules'), 'junction');
  assert.equal(prepare(), undefined);
});

/** What a program of this folder prints and how it ends. @param {string[]} args */
function printed(args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root });
  return { status, text: `${stdout}${stderr}` };
}

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

test('a program that failed is named, with its script or what it was asked for, and no more', () => {
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
