'use strict';

// A user's page of devices: list them, end one, end all others, rotate the token after a change of the password, and
// allow three at most. With the public API only:
//
//   node examples/devices.js                            in memory, without a server
//   node examples/devices.js redis://localhost:6379     the same on a server

const { randomUUID } = require('node:crypto');
const { setTimeout: pause } = require('node:timers/promises');
const { faint, green, step, tell } = require('./story.js');

const app = `devices ${randomUUID()}`; // unique, because others may use the server too
const ownerId = 'ada';
const DAY = 24 * 3600; // seconds

const day = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });

/** @typedef {import('..').SpotsSessions} Sessions */
/** @typedef {import('..').ListedSession} Device */

/**
 * A login. The user may have three sessions: a fourth ends the oldest.
 *
 * @param {Sessions} sessions
 * @param {string} device
 */
async function logIn(sessions, device) {
  await pause(5); // two logins in the same millisecond have no oldest
  return step(
    `Ada logs in on her ${device}`,
    "create({ app, ownerId: 'ada', data, duration: 30 * DAY, maxSessions: 3 })",
    sessions.create({ app, ownerId, data: { device }, duration: 30 * DAY, maxSessions: 3 }),
  );
}

/**
 * Shows the page of devices.
 *
 * @param {string} what
 * @param {Sessions} sessions
 * @param {string} token of the device that asks
 */
function showDevices(what, sessions, token) {
  return step(
    what,
    "list({ app, ownerId: 'ada', token })",
    sessions.list({ app, ownerId, token }),
    table,
  );
}

/** @param {Device[]} devices */
function table(devices) {
  const rows = devices.map(({ data, createdAt, expiresAt, current }) => {
    const ends = expiresAt ? day.format(expiresAt) : 'never';
    const cells = columns(data.device, day.format(createdAt), ends);
    return `   ${current ? green(`${cells}  this device`) : cells.trimEnd()}`;
  });
  return [`   ${faint(columns('device', 'since', 'ends').trimEnd())}`, ...rows].join('\n');
}

/** @param {string} device @param {string} since @param {string} ends */
function columns(device, since, ends) {
  return [device.padEnd(14), since.padEnd(20), ends.padEnd(20)].join('  ');
}

tell('node examples/devices.js', async (sessions) => {
  const laptop = await logIn(sessions, 'laptop');
  await logIn(sessions, 'phone');
  await logIn(sessions, 'tablet');
  const devices = await showDevices(
    'On the laptop she opens the page of devices',
    sessions,
    laptop,
  );

  const phone = devices.find(({ data }) => data.device === 'phone');
  await step(
    'She has lost the phone. The page ends its session by the id',
    "kill({ app, ownerId: 'ada', id })",
    sessions.kill({ app, ownerId, id: /** @type {Device} */ (phone).id }),
  );
  await step(
    'To be safe she ends all others, too: "log out everywhere else"',
    "killAll({ app, ownerId: 'ada', except: token })",
    sessions.killAll({ app, ownerId, except: laptop }),
  );
  await showDevices('The page of devices now', sessions, laptop);

  const renewed = await step(
    'She changes her password, so her session gets a new token',
    'rotate({ app, token })',
    sessions.rotate({ app, token: laptop }),
  );
  await step(
    'The old token opens nothing',
    'get({ app, token: old })',
    sessions.get({ app, token: laptop }),
  );
  await step(
    'The new token opens the same session',
    'get({ app, token })',
    sessions.get({ app, token: renewed }),
  );

  await logIn(sessions, 'new phone');
  await logIn(sessions, 'tablet');
  const television = await logIn(sessions, 'television');
  await showDevices(
    'That was the fourth session. The oldest, on the laptop, has ended for it',
    sessions,
    television,
  );
  await step(
    'She logs out everywhere',
    "killAll({ app, ownerId: 'ada' })",
    sessions.killAll({ app, ownerId }),
  );
});
