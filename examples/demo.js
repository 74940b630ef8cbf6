'use strict';

// A user's sessions from login to "log out everywhere", with the public API only:
//
//   node examples/demo.js                            in memory, without a server
//   node examples/demo.js redis://localhost:6379     the same on a server

const { randomUUID } = require('node:crypto');
const { faint, green, step, tell } = require('./story.js');

const app = `demo ${randomUUID()}`; // unique, because others may use the server too
const ownerId = 'john';

tell('npm run demo --', async (sessions) => {
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
    'His devices. Each has an id, which opens nothing',
    "list({ app, ownerId: 'john', token: laptop })",
    sessions.list({ app, ownerId, token: laptop }),
    (devices) =>
      devices
        .map(
          ({ id, current }) => `   ${faint('→')} ${green(`{ id: '${id}', current: ${current} }`)}`,
        )
        .join('\n'),
  );
  const renewed = await step(
    'He changes his password on the laptop, so its session gets a new token',
    'rotate({ app, token: laptop })',
    sessions.rotate({ app, token: laptop }),
  );
  await step(
    'The old token of the laptop opens no session now',
    'get({ app, token: laptop })',
    sessions.get({ app, token: laptop }),
  );
  await step(
    'He logs out on his laptop',
    'kill({ app, token: renewed })',
    sessions.kill({ app, token: renewed }),
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
});
