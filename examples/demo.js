'use strict';

// A user's sessions from login to "log out everywhere", with the public API only:
//
//   node examples/demo.js                            in memory, without a server
//   node examples/demo.js redis://localhost:6379     the same on a server

const { randomUUID } = require('node:crypto');
const { inspect } = require('node:util');
const { SpotsSessions } = require('..');

const target = process.argv[2] ?? 'memory:';
const app = `demo ${randomUUID()}`; // unique, because others may use the server too
const ownerId = 'john';

const colourful = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (/** @type {number} */ code) => (/** @type {string} */ text) =>
  colourful ? `\x1b[${code}m${text}\x1b[0m` : text;
const bold = paint(1);
const faint = paint(2);
const green = paint(32);
const cyan = paint(36);

let steps = 0;

/**
 * Shows what happens, the call, and its answer.
 *
 * @template T
 * @param {string} what what happens
 * @param {string} call the call as a program would write it
 * @param {Promise<T>} answer
 * @returns {Promise<T>}
 */
async function step(what, call, answer) {
  steps += 1;
  console.log(`\n${bold(`${steps}. ${what}`)}`);
  console.log(`   ${cyan(call)}`);
  const value = await answer;
  console.log(`   ${faint('→')} ${green(show(value))}`);
  return value;
}

/** Formats an answer. A string is a token, so its middle is hidden. @param {unknown} value */
function show(value) {
  if (typeof value === 'string')
    return `'${shorten(value)}'  ${faint(`(${value.length} characters)`)}`;
  return inspect(value, { breakLength: Number.POSITIVE_INFINITY });
}

/** @param {string} token */
function shorten(token) {
  return `${token.slice(0, 6)}…${token.slice(-4)}`;
}

/** @param {SpotsSessions} sessions */
async function demonstrate(sessions) {
  const laptop = await step(
    'John logs in on his laptop. His session lives for an hour',
    "create({ app, ownerId: 'john', data: { name: 'John Doe', theme: 'light' }, duration: 3600 })",
    sessions.create({ app, ownerId, data: { name: 'John Doe', theme: 'light' }, duration: 3600 }),
  );
  await step(
    'A request arrives with this token. Whose session is it?',
    'get({ app, token })',
    sessions.get({ app, token: laptop }),
  );
  await step(
    'He chooses the dark theme and deletes his name: null deletes a key, other keys stay',
    "update({ app, token, data: { theme: 'dark', name: null, cart: ['tea'] } })",
    sessions.update({ app, token: laptop, data: { theme: 'dark', name: null, cart: ['tea'] } }),
  );
  await step('The session now', 'get({ app, token })', sessions.get({ app, token: laptop }));
  await step(
    'He is still active, so his session gets two hours from now on',
    'refresh({ app, token, duration: 7200 })',
    sessions.refresh({ app, token: laptop, duration: 7200 }),
  );

  const phone = await step(
    'He also logs in on his phone, which gets its own session',
    "create({ app, ownerId: 'john', data: { device: 'phone' }, duration: 3600 })",
    sessions.create({ app, ownerId, data: { device: 'phone' }, duration: 3600 }),
  );
  await step(
    'He logs out on his laptop',
    'kill({ app, token: laptop })',
    sessions.kill({ app, token: laptop }),
  );
  await step(
    'The token of the laptop opens no session now',
    'get({ app, token: laptop })',
    sessions.get({ app, token: laptop }),
  );
  await step(
    'His phone is still logged in',
    'get({ app, token: phone })',
    sessions.get({ app, token: phone }),
  );
  await step(
    'He loses the phone and logs out everywhere',
    "killAll({ app, ownerId: 'john' })",
    sessions.killAll({ app, ownerId }),
  );
  await step(
    'The token of the phone opens no session now',
    'get({ app, token: phone })',
    sessions.get({ app, token: phone }),
  );
  await step(
    'A text that is no token opens no session: * is not a pattern',
    "get({ app, token: '*' })",
    sessions.get({ app, token: '*' }),
  );
}

/** Describes the target without the connection string, which may hold a password. */
function describeTarget() {
  if (target === 'memory:')
    return 'in the memory of this process (on a server: npm run demo -- redis://localhost:6379)';
  return 'on a Redis server';
}

async function main() {
  console.log(`${bold('@spots-tech/sessions')} ${describeTarget()}`);
  const sessions = new SpotsSessions(target);
  try {
    await demonstrate(sessions);
    console.log(`\n${bold('Done')}: ${steps} steps.`);
  } finally {
    await sessions.close();
  }
}

main().catch((error) => {
  console.error(`\n${error.message}`);
  process.exitCode = 1;
});
