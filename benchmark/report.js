'use strict';

// Formats the tables that the terminal shows.

const { short, spread } = require('./numbers');
const { targets, isMet, wanted } = require('./targets');

/**
 * Joins every measured target with its measurement, and tells whether it was met.
 *
 * @param {Record<string, import('./statistics').Summary>} measured by target id
 */
function judge(measured) {
  return targets
    .filter(({ id }) => id in measured)
    .map((target) => ({
      ...target,
      measured: measured[target.id],
      met: isMet(target, measured[target.id].median),
    }));
}

/** @param {ReturnType<typeof judge>} verdicts */
function targetTable(verdicts) {
  if (verdicts.length === 0) return '';
  const rows = verdicts.map((target) => [
    target.text,
    wanted(target),
    `${short(target.measured.median)} ${target.unit}`,
    spread(target.measured),
    target.met ? 'ok' : 'MISSED',
  ]);
  return table(['target', 'wanted', 'measured', 'spread', ''], rows);
}

const quantities = [
  ['calls/s', 'callsPerSecond'],
  ['p50 ms', 'p50'],
  ['p99 ms', 'p99'],
  ['main µs', 'mainThreadMicros'],
  ['process µs', 'processMicros'],
  ['redis µs', 'redisMicros'],
  ['commands', 'redisCommands'],
];

/** The absolute numbers behind the targets. They are only context, because they depend on the machine. */
function contextTable(workloads) {
  const rows = workloads
    .filter(({ contestants }) => contestants)
    .flatMap(({ title, contestants }) =>
      Object.entries(contestants).map(([label, summaries], index) => [
        index === 0 ? title : '',
        label,
        ...quantities.map(([, name]) => short(summaries[name]?.median)),
        summaries.callsPerSecond ? spread(summaries.callsPerSecond) : '',
      ]),
    );
  if (rows.length === 0) return '';
  const headings = quantities.map(([heading]) => heading);
  return table(['workload', 'contestant', ...headings, 'spread of calls/s'], rows);
}

/** Single numbers, such as bytes per session. */
function valueLines(workloads) {
  return workloads
    .filter(({ values }) => values)
    .map(({ title, values }) => {
      const list = Object.entries(values).map(([label, value]) => `${label} ${short(value)}`);
      return `${title}: ${list.join(', ')}`;
    })
    .join('\n');
}

/** Aligns text columns to the left and numbers to the right. Each column is as wide as its widest cell. */
function table(headings, rows) {
  const widths = headings.map((heading, column) =>
    Math.max(...[headings, ...rows].map((row) => row[column].length), heading.length),
  );
  const line = (row) =>
    row
      .map((cell, column) =>
        (column < 2 && headings.length > 5) || column === 0 || column === headings.length - 1
          ? cell.padEnd(widths[column])
          : cell.padStart(widths[column]),
      )
      .join('  ')
      .trimEnd();
  return [
    line(headings),
    widths.map((width) => '─'.repeat(width)).join('  '),
    ...rows.map(line),
  ].join('\n');
}

module.exports = { judge, targetTable, contextTable, valueLines, quantities };
