'use strict';

// The tables in the terminal and the JSON beside them.

const { mkdirSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { targets, isMet } = require('./targets');

/**
 * Sets every target beside what was measured.
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
  const rows = verdicts.map(({ text, least, most, unit, measured, met }) => [
    text,
    least === undefined ? `≤ ${most} ${unit}` : `≥ ${least} ${unit}`,
    `${short(measured.median)} ${unit}`,
    measured.min === measured.max ? '' : `${short(measured.min)} … ${short(measured.max)}`,
    met ? 'ok' : 'MISSED',
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

/** The absolute numbers behind the targets: context, as they depend on the machine. */
function contextTable(workloads) {
  const rows = workloads
    .filter(({ contestants }) => contestants)
    .flatMap(({ title, contestants }) =>
      Object.entries(contestants).map(([label, summaries], index) => [
        index === 0 ? title : '',
        label,
        ...quantities.map(([, name]) => short(summaries[name]?.median)),
      ]),
    );
  if (rows.length === 0) return '';
  return table(['workload', 'contestant', ...quantities.map(([heading]) => heading)], rows);
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

/** Three digits that matter; nothing for what this system does not tell. */
function short(value) {
  if (value === undefined || value === null || Number.isNaN(value)) return '';
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return value.toLocaleString('en-US', { maximumSignificantDigits: 3 });
}

/** Columns as wide as their widest cell; the first two to the left, numbers to the right. */
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

/** @param {string} name of the file in results/ @param {object} result */
function save(name, result) {
  const folder = path.join(__dirname, 'results');
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, name);
  const rounded = (_, value) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
  writeFileSync(file, `${JSON.stringify(result, rounded, 2)}\n`);
  return file;
}

module.exports = { judge, targetTable, contextTable, valueLines, save };
