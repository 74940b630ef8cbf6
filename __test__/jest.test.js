'use strict';

// The package in Jest, with its flag --detectOpenHandles. Jest is installed for this test alone, from
// the lock file beside its package.json, because it has more dependencies than this whole repository.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, describe, test } = require('node:test');
const { spawn, temporaryFolder } = require('../scripts/children.js');
const { output, root } = require('./support/packed.js');

/** Runs Jest on one test and resolves to all that it said. */
function jest(folder, name, body, ...flags) {
  fs.writeFileSync(path.join(folder, `${name}.test.js`), `${HEAD}${body}`);
  const bin = path.join(folder, 'node_modules', 'jest', 'bin', 'jest.js');
  const args = [bin, '--runInBand', '--watchman=false', ...flags, `${name}.test.js`];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      // The runner of this test marks its children as tests.
      env: { ...process.env, NODE_TEST_CONTEXT: undefined },
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        said += text;
      });
    }
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, said }));
  });
}

const HEAD = `
  const { SpotsSessions } = require(${JSON.stringify(root)});
  const DOWN = 'redis://127.0.0.1:1';
  const get = (sessions) => sessions.get({ app: 'app', token: 'a token of nobody' });
`;

describe('in Jest', () => {
  const folder = temporaryFolder('jest-');
  let absent;
  before(async () => {
    for (const name of ['package.json', 'package-lock.json']) {
      fs.copyFileSync(path.join(__dirname, 'jest', name), path.join(folder, name));
    }
    const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'];
    await output('npm', ['ci', ...quiet, '--loglevel=error'], { cwd: folder }).catch((error) => {
      absent = error.message;
    });
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  /** @param {string} name @param {() => Promise<void>} run */
  const jestTest = (name, run) =>
    test(name, async (t) => {
      if (absent !== undefined) return t.skip(`npm cannot install jest: ${absent}`);
      await run();
    });

  const USED = `
    let sessions;
    beforeAll(() => {
      sessions = new SpotsSessions({ connectionString: DOWN, commandTimeout: 100 });
    });
    test('is used', async () => {
      await expect(get(sessions)).rejects.toMatchObject({ code: 'ERR_SESSIONS_CONNECTION' });
      const memory = new SpotsSessions('memory:');
      expect(await get(memory)).toBeUndefined();
      await memory.close();
    });`;

  jestTest('--detectOpenHandles reports nothing about an instance that was closed', async () => {
    const body = `${USED}\nafterAll(() => sessions.close());`;
    const { code, said } = await jest(folder, 'closed', body, '--detectOpenHandles');
    assert.equal(code, 0, said);
    assert.match(said, /1 passed/);
    assert.doesNotMatch(said, /open handle|threadsafe/i);
  });

  jestTest('--detectOpenHandles reports an instance that was not closed', async () => {
    const { said } = await jest(folder, 'open', USED, '--detectOpenHandles');
    assert.match(said, /1 passed/);
    assert.match(said, /open handle[\s\S]*open\.test\.js/);
  });

  jestTest('a test without a server fails for that reason, and not with a timeout', async () => {
    const body = `test('gets', async () => { await get(new SpotsSessions(DOWN)); });`;
    const { code, said } = await jest(folder, 'down', body);
    assert.equal(code, 1, said);
    assert.match(said, /connection refused \(is it running\?\)/);
    assert.doesNotMatch(said, /Exceeded timeout/);
  });
});
