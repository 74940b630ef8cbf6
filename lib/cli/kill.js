'use strict';

const { withSessions } = require('./connect.js');
const { EXIT } = require('./errors.js');
const { PROGRAM } = require('./help.js');
const { show } = require('./layout.js');
const { OWNER, readOwner, required } = require('./options.js');

/** @type {import('./index.js').Command} */
const command = {
  name: 'kill',
  summary: 'ends a session by its public id',
  usage: 'kill [url] --app <name> --owner <id> --id <id>',
  options: {
    ...OWNER,
    id: { type: 'string', value: '<id>', what: "the session's id, as list shows it" },
  },
  help: `
If the owner has no such session, the exit code is 1.

With --json it prints { "app", "ownerId", "id", "killed" }.

Example:
  ${PROGRAM} kill --app shop --owner 42 \\
    --id bA8Jgln5u7TUBHhPZ0Vwag`,

  async run(context) {
    const { values, terminal } = context;
    const { app, ownerId, whose } = readOwner(values, command);
    const [id] = required(values, command, 'id');
    const killed = await withSessions(context, (sessions) => sessions.kill({ app, ownerId, id }));
    if (values.json) terminal.printJson({ app, ownerId, id, killed });
    else if (killed) terminal.print(`ended session ${show(id)} ${whose}`);
    else
      terminal.complain(`sessions: there is no session ${show(id)} ${whose} (list shows the ids)`);
    return killed ? EXIT.fine : EXIT.wrong;
  },
};

module.exports = command;
