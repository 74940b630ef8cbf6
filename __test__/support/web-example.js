'use strict';

// The web example (examples/web) as a process of its own, on a free port, and what people do there.

const { once } = require('node:events');
const path = require('node:path');
const { spawn, spawnSync } = require('../../scripts/children.js');
const { follow, press } = require('./browser.js');

const root = path.join(__dirname, '..', '..');
const server = path.join(root, 'examples', 'web', 'server.js');

/** What the shell of a developer may set. With NODE_ENV, Express might behave in another way. */
const UNSET = { REDIS_URL: undefined, ORIGIN: undefined, NODE_ENV: undefined };

/**
 * Starts it, and resolves when it listens.
 *
 * @param {{ args?: string[], env?: NodeJS.ProcessEnv, command?: string[] }} [options] `command`: what starts it otherwise
 */
async function startExample({ args = [], env, command = [process.execPath, server] } = {}) {
  const [program, ...first] = command;
  const child = spawn(program, [...first, ...args], {
    cwd: root,
    env: { ...process.env, PORT: '0', ...UNSET, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'close');
  const left = new Promise((resolve) => {
    // Before what is left is killed: scripts/children.js.
    child.prependOnceListener('exit', () => resolve(processesOf(child.pid)));
  });
  let printed = '';
  const url = await new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        printed += text;
        const [, address] = /^listens on (http:\S+),/m.exec(printed) ?? [];
        if (address) resolve(address);
      });
    }
    child.once('close', () => reject(new Error(`it did not start:\n${printed}`)));
  });
  return {
    url,
    port: Number(new URL(url).port),
    printed: () => printed,
    kill: (signal) => child.kill(signal),
    /** Does what Ctrl-C does in a terminal: each process gets the signal. */
    interrupt: () => process.kill(-child.pid, 'SIGINT'),
    /** Resolves when the first process has ended: which others are left then. */
    left,
    /** Resolves when the process has ended: its exit code and the signal that killed it. */
    ended,
    async stop() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** The processes of a group, each as a line of `ps`. @param {number} group */
function processesOf(group) {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pgid=,pid=,stat=,args='], { encoding: 'utf8' });
  return stdout.split('\n').filter((line) => new RegExp(`^ *${group} +\\d+ +[^Z]`).test(line));
}

/** Logs a demo user in. @param {import('playwright-core').Page} page */
async function logIn(page, name = 'ada', password = 'lovelace') {
  await page.goto('/login');
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(password);
  await press(page, 'Log in');
}

/** The heading of the page. @param {import('playwright-core').Page} page */
function headingOf(page) {
  return page.getByRole('heading', { level: 1 }).textContent();
}

/** What the page tells. @param {import('playwright-core').Page} page */
function noteOf(page) {
  return page.getByRole('status').textContent();
}

/** The names of the devices on the page, a star after this one. @param {import('playwright-core').Page} page */
async function devicesOf(page) {
  const rows = await page.getByRole('listitem').all();
  return Promise.all(
    rows.map(async (row) => {
      const heading = await row.getByRole('heading').textContent();
      return heading.replace(/\s*This device$/, ' *');
    }),
  );
}

/** Clicks on something that needs a session: the link to the first page. @param {import('playwright-core').Page} page */
function goHome(page) {
  return follow(page, () => page.getByRole('banner').getByRole('link').click());
}

/** The token in the browser's cookie. @param {import('playwright-core').Page} page */
async function tokenOf(page) {
  const cookies = await page.context().cookies();
  return cookies.find(({ name }) => name === 'sid')?.value;
}

module.exports = { devicesOf, goHome, headingOf, logIn, noteOf, startExample, tokenOf };
