'use strict';

const { withSessions } = require('./connect.js');
const { EXIT, UsageError } = require('./errors.js');
const { PROGRAM } = require('./help.js');
const { table } = require('./layout.js');
const { OWNER, readOwner } = require('./options.js');

/** @type {import('./index.js').Command} */
const command = {
  name: 'list',
  summary: "lists an owner's sessions in an app, the newest first",
  usage: 'list [url] --app <name> --owner <id>',
  options: {
    ...OWNER,
    limit: {
      type: 'string',
      value: '<n>',
      what: 'at most so many, those that end last: 1 to 1000 (default 100)',
    },
  },
  help: `
It shows their public ids, which open nothing, and when each was created and
expires, in UTC. It shows no data, because that may hold secrets.

On a pipe each session is a line of three fields with tabs between them. With
--json it prints { "app", "ownerId", "sessions": [{ "id", "createdAt",
"expiresAt" }] }. "expiresAt" is null if the session never expires.

Example:
  ${PROGRAM} list --app shop --owner 42`,

  async run(context) {
    const { values, terminal } = context;
    const { app, ownerId, whose } = readOwner(values, command);
    const { limit = '100' } = values;
    if (!/^\d+$/.test(limit)) throw new UsageError('--limit needs an integer from 1 to 1000');
    const request = { app, ownerId, limit: Number(limit) };
    const found = await withSessions(context, (sessions) => sessions.list(request));
    const sessions = found.map(({ id, createdAt, expiresAt = null }) => ({
      id,
      createdAt,
      expiresAt,
    }));
    if (values.json) terminal.printJson({ app, ownerId, sessions });
    else print(terminal, sessions, whose);
    return EXIT.fine;
  },
};

/**
 * @param {import('./terminal.js').Terminal} terminal
 * @param {{ id: string, createdAt: Date, expiresAt: Date | null }[]} sessions
 * @param {string} whose
 */
function print(terminal, sessions, whose) {
  const rows = sessions.map(({ id, createdAt, expiresAt }) => [
    id,
    utc(createdAt),
    expiresAt ? utc(expiresAt) : 'never',
  ]);
  if (!terminal.isTerminal) {
    for (const row of rows) terminal.print(row.join('\t'));
    return;
  }
  const count = { 0: 'no session', 1: '1 session' }[rows.length] ?? `${rows.length} sessions`;
  terminal.print(terminal.paint('bold', `${count} ${whose}`));
  if (rows.length > 0) terminal.print('');
  for (const line of table(['id', 'created', 'expires'], rows, terminal.width))
    terminal.print(line);
}

/** @param {Date} date */
function utc(date) {
  return date.toISOString().replace(/\.\d+/, '');
}

module.exports = command;
