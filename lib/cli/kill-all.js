'use strict';

const { withSessions } = require('./connect.js');
const { EXIT, UsageError } = require('./errors.js');
const { PROGRAM } = require('./help.js');
const { OWNER, readOwner } = require('./options.js');

/** @type {import('./index.js').Command} */
const command = {
  name: 'kill-all',
  summary: "ends all of an owner's sessions in an app",
  usage: 'kill-all [url] --app <name> --owner <id>',
  options: {
    ...OWNER,
    yes: { type: 'boolean', what: 'do not ask; needed if nobody can answer' },
  },
  help: `
Once it has ended, no token that the owner had opens a session. If the owner has
no session, that is fine, too.

With --json it prints { "app", "ownerId", "killed" }. "killed" is whether there
was a session.

Example:
  ${PROGRAM} kill-all --app shop --owner 42`,

  async run(context) {
    const { values, terminal } = context;
    const { app, ownerId, whose } = readOwner(values, command);
    if (!values.yes) {
      if (!terminal.canAsk) {
        throw new UsageError(`kill-all ends all sessions ${whose}: confirm with --yes`);
      }
      if (!(await terminal.confirm(`End all sessions ${whose}?`))) {
        terminal.complain('nothing was done');
        return EXIT.wrong;
      }
    }
    const killed = await withSessions(context, (sessions) => sessions.killAll({ app, ownerId }));
    if (values.json) terminal.printJson({ app, ownerId, killed });
    else terminal.print(killed ? `ended all sessions ${whose}` : `there is no session ${whose}`);
    return EXIT.fine;
  },
};

module.exports = command;
