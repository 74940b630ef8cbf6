'use strict';

const { Migration } = require('../migrate/migration.js');
const { withSessions } = require('./connect.js');
const { EXIT } = require('./errors.js');
const { PROGRAM } = require('./help.js');
const { readPlan } = require('./migrate-plan.js');
const { printReport, reportOf } = require('./migrate-report.js');
const { ProgressLine } = require('./progress-line.js');
const { progressOf } = require('../migrate/progress.js');

/** @type {import('./index.js').Command} */
const command = {
  name: 'migrate',
  summary: 'takes over live sessions of another system; nobody logs in again',
  usage: 'migrate [url] --from <system> --app <name>',
  options: {
    from: { type: 'string', value: '<system>', what: '1.x (of this package), or connect-redis' },
    app: { type: 'string', value: '<name>', what: 'the app; one of 1.x keeps its name' },
    'from-prefix': {
      type: 'string',
      value: '<text>',
      what: 'what the keys of connect-redis begin with (default sess:)',
    },
    owner: {
      type: 'string',
      value: '<path>',
      what: 'where sessions of connect-redis name their owner: passport.user',
    },
    'dry-run': { type: 'boolean', what: 'count them and show some; write nothing' },
    copy: {
      type: 'boolean',
      what: 'leave the old keys: a rehearsal, under a --prefix of its own',
    },
    endless: {
      type: 'string',
      value: '<seconds>',
      what: 'also move keys that never expire, to live so long (else they are skipped)',
    },
  },
  help: `
Stop the old system first: a session that it ends meanwhile may come back. Each
session keeps its token or id, its data and its expiry, and its old key is
deleted. If a run is cut off, run it again. The server is never blocked.

A key that cannot be moved is counted, named by a hash, and left; the exit code
is then 1. With --json it prints { "from", "app", "mode", "complete", "moved",
"already", "notMoved", "samples", "seconds" }.

Examples:
  ${PROGRAM} migrate --from 1.x --app shop --dry-run
  ${PROGRAM} migrate --from 1.x --app shop
  ${PROGRAM} migrate --from connect-redis --app shop --owner user`,

  async run(context) {
    const plan = readPlan(context.values, command);
    return withSessions(context, (sessions) => migrate(sessions, plan, context));
  },
};

/**
 * @param {import('../../index.js').SpotsSessions} sessions
 * @param {import('./migrate-plan.js').Plan} plan
 * @param {import('./index.js').Context} context
 */
async function migrate(sessions, { system, ...plan }, { values, terminal }) {
  await sessions.ping(); // rejects if the server asks for a password
  sessions.client.on('error', () => {}); // a call that fails says why
  const migration = new Migration(sessions, { system, ...plan });
  const began = performance.now();
  const seconds = () => (performance.now() - began) / 1000;
  const progress = new ProgressLine(process.stderr, () => progressOf(migration, seconds()));
  process.removeAllListeners('SIGINT').once('SIGINT', () => migration.stop());
  try {
    await migration.run();
  } catch (error) {
    progress.end();
    terminal.complain(`${progressOf(migration, seconds())}; then it failed. Run it again`);
    throw error;
  }
  progress.end();
  const report = reportOf(migration, plan, seconds());
  if (values.json) terminal.printJson(report);
  else printReport(terminal, report);
  if (!report.complete) return EXIT.interrupted;
  return report.notMoved.some(({ isFault }) => isFault) ? EXIT.wrong : EXIT.fine;
}

module.exports = command;
