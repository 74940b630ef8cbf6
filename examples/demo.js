'use strict';

// A user's sessions from log-in to "log out everywhere", through the public API alone:
//
//   node examples/demo.js                            in memory, no server needed
//   node examples/demo.js redis://localhost:6379     the same on a server

const { randomUUID } = require('node:crypto');
const { inspect } = require('node:util');
const { SpotsSessions } = require('..');

const target = process.argv[2] ?? 'memory:';
const app = `demo ${randomUUID()}`; // nobody else's, on a server that others use
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
 * Shows what is about to happen, the call as it would be written, and what came back.
 *
 * @template T
 * @param {string} what
 * @param {string} call
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

/** @param {unknown} value which is a token where it is a string: its middle stays out of sight */
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
    'John logs in on his laptop: his session lives for an hour',
    "create({ app, ownerId: 'john', data: { name: 'John Doe', theme: 'light' }, duration: 3600 })",
    sessions.create({ app, ownerId, data: { name: 'John Doe', theme: 'light' }, duration: 3600 }),
  );
  await step(
    'A request comes with that token: whose is it?',
    'get({ app, token })',
    sessions.get({ app, token: laptop }),
  );
  await step(
    'He prefers the dark theme and hides his name: null deletes a key, the others stay',
    "update({ app, token, data: { theme: 'dark', name: null, cart: ['tea'] } })",
    sessions.update({ app, token: laptop, data: { theme: 'dark', name: null, cart: ['tea'] } }),
  );
  await step('So it reads now', 'get({ app, token })', sessions.get({ app, token: laptop }));
  await step(
    'He is still there: let it live two hours from now on',
    'refresh({ app, token, duration: 7200 })',
    sessions.refresh({ app, token: laptop, duration: 7200 }),
  );

  const phone = await step(
    'He logs in on his phone too: a session of its own',
    "create({ app, ownerId: 'john', data: { device: 'phone' }, duration: 3600 })",
    sessions.create({ app, ownerId, data: { device: 'phone' }, duration: 3600 }),
  );
  await step(
    'He logs out on his laptop',
    'kill({ app, token: laptop })',
    sessions.kill({ app, token: laptop }),
  );
  await step(
    'That token opens nothing any more',
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
    'Whoever finds it finds no session on it',
    'get({ app, token: phone })',
    sessions.get({ app, token: phone }),
  );
  await step(
    'And a token that was never given out opens nothing, whatever it looks like',
    "get({ app, token: '*' })",
    sessions.get({ app, token: '*' }),
  );
}

/** Nothing of a connection string is shown, as it can hold a password. */
function describeTarget() {
  if (target === 'memory:')
    return 'in the memory of this process (a Redis server: npm run demo -- redis://localhost:6379)';
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
