'use strict';

// What `migrate` prints at its end. Nothing in it opens a session: keys are named by a hash.

const { count, countSessions, duration, rateOf } = require('../migrate/progress.js');
const { WHY } = require('../migrate/old-session.js');
const { show, table, wrap } = require('./layout.js');

/** What was done with a session. */
const DONE = { move: 'moved', copy: 'copied', 'dry-run': 'found' };

/** The reasons that are no fault of a key, and what can be done about them. */
const NO_FAULT = { gone: '', endless: '--endless <seconds> moves them' };

/**
 * @typedef {object} Report what `--json` prints
 * @property {string} from
 * @property {string} app
 * @property {'move' | 'copy' | 'dry-run'} mode
 * @property {boolean} complete false if it was interrupted
 * @property {number} moved how many were moved, copied, or by a dry run found
 * @property {number} already how many an earlier run had moved
 * @property {{ why: string, isFault: boolean, count: number, keys: string[] }[]} notMoved
 * @property {object[]} samples what a dry run shows
 * @property {number} seconds
 */

/**
 * @param {import('../migrate/migration.js').Migration} migration
 * @param {Pick<import('./migrate-plan.js').Plan, 'from' | 'app' | 'mode'>} plan
 * @param {number} seconds
 * @returns {Report}
 */
function reportOf({ done, already, notMoved, samples, isStopped }, { from, app, mode }, seconds) {
  const reasons = [...notMoved].sort().map(([why, { count, keys }]) => {
    return { why, isFault: !(why in NO_FAULT), count, keys };
  });
  return {
    ...{ from, app, mode, complete: !isStopped, moved: done, already, notMoved: reasons },
    samples: samples.map(({ ownerId = null, expiresAt = null, ...rest }) => ({
      ...{ ...rest, ownerId, expiresAt },
    })),
    seconds: Number(seconds.toFixed(3)),
  };
}

/**
 * @param {import('./terminal.js').Terminal} terminal
 * @param {Report} report
 */
function printReport(terminal, report) {
  const { app, mode, complete, moved, already, notMoved, samples, seconds } = report;
  const rows = notMoved.map(({ why, isFault, count, keys }) => {
    const named = keys.length < count ? [...keys, '…'] : keys;
    return { why, count, words: WHY[why], note: isFault ? named.join(' ') : NO_FAULT[why] };
  });
  if (!terminal.isTerminal) {
    terminal.print(`${DONE[mode]}\t${moved}`);
    terminal.print(`already\t${already}`);
    for (const { why, count, note } of rows) terminal.print(`${why}\t${count}\t${note}`);
    return;
  }
  const rate = `${count(rateOf(moved + already, seconds))}/s`;
  const what = `${DONE[mode]} ${countSessions(moved)} of app ${show(app)}`;
  for (const line of wrap(`${what} in ${duration(seconds)} (${rate})`, terminal.width))
    terminal.print(terminal.paint('bold', line));
  if (already > 0) terminal.print(`${count(already)} had been moved by an earlier run`);
  if (!complete) terminal.print(terminal.paint('yellow', 'interrupted: run it again'));
  printTable(
    terminal,
    ['not moved', '', ''],
    rows.map(({ words, count: number, note }) => [words, count(number), note]),
  );
  printTable(
    terminal,
    ['key', 'owner', 'bytes', 'expires'],
    samples.map(({ key, ownerId, bytes, expiresAt }) => [
      ...[key, ownerId === null ? '' : show(ownerId)],
      ...[count(bytes), expiresAt === null ? 'never' : expiresAt.toISOString()],
    ]),
  );
}

/** @param {import('./terminal.js').Terminal} terminal @param {string[]} heading @param {string[][]} rows */
function printTable(terminal, heading, rows) {
  if (rows.length === 0) return;
  terminal.print('');
  for (const line of table(heading, rows, terminal.width)) terminal.print(line);
}

module.exports = { printReport, reportOf };
