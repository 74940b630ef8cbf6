'use strict';

// Formats a result as Markdown tables for README.md and docs/speed.md.

const { inWords } = require('./machine');
const { short, spread } = require('./numbers');
const { labelsOf, operations, peersOf, sizesOf, workloadsOf } = require('./peer-results');
const { quantities } = require('./report');
const { wanted } = require('./targets');

/** @typedef {import('./results').Result} Result */

/** @param {string[]} headings @param {string[][]} rows the first column is left-aligned, the others right */
function table(headings, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const rule = headings.map((_, column) => (column === 0 ? '---' : '---:'));
  return [line(headings), line(rule), ...rows.map(line)].join('\n');
}

/** @param {Result} result @param {{ spreads: boolean }} options `spreads` adds the minimum and the maximum */
function targetTable({ targets }, { spreads }) {
  const rows = targets.map((target) => [
    target.text,
    wanted(target),
    `${short(target.measured.median)} ${target.unit}`.trimEnd(),
    ...(spreads ? [spread(target.measured)] : []),
    target.met ? '' : '**missed**',
  ]);
  return table(['', 'wanted', 'measured', ...(spreads ? ['least … most'] : []), ''], rows);
}

/** Every peer in one line: calls per second of each operation. @param {Result} result */
function peerTable(result, { size, inFlight }) {
  const chosen = workloadsOf(peersOf(result), { size, inFlight });
  const rate = (operation, label) =>
    workloadsOf(chosen, { operation })[0]?.contestants[label]?.callsPerSecond.median;
  const rows = labelsOf(chosen).map((label) => [
    label,
    ...operations.map((operation) => short(rate(operation, label)) || '—'),
  ]);
  return table(['calls/s', ...operations], rows);
}

/** All measurements of the suite `peers`, in collapsed sections. @param {Result} result */
function peerDetails(result) {
  const peers = peersOf(result);
  const all = labelsOf(peers);
  return sizesOf(peers)
    .flatMap((size) =>
      operations.map((operation) => {
        const levels = workloadsOf(peers, { size, operation });
        if (levels.length === 0) return '';
        const rows = levels.flatMap((workload) => detailRows(workload, all));
        const headings = [
          '',
          'in flight',
          ...quantities.map(([name]) => name),
          'calls/s, least … most',
        ];
        return fold(`${operation}, ${size}`, table(headings, rows));
      }),
    )
    .filter(Boolean)
    .join('\n\n');
}

function detailRows({ inFlight, contestants }, labels) {
  return labels.map((label) => [
    label,
    String(inFlight),
    ...quantities.map(([, name]) => short(contestants[label]?.[name]?.median) || '—'),
    contestants[label] ? spread(contestants[label].callsPerSecond) : '—',
  ]);
}

/** All other measurements, in collapsed sections. @param {Result} result */
function otherDetails({ workloads }) {
  return workloads
    .filter(({ operation }) => operation === undefined)
    .map(({ title, contestants, values }) =>
      fold(title, values ? valueTable(values) : contextTable(contestants)),
    )
    .join('\n\n');
}

function valueTable(values) {
  return table(
    ['', ''],
    Object.entries(values).map(([label, value]) => [label, short(value)]),
  );
}

function contextTable(contestants) {
  const rows = Object.entries(contestants).map(([label, summaries]) => [
    label,
    ...quantities.map(([, name]) => short(summaries[name]?.median) || '—'),
  ]);
  return table(['', ...quantities.map(([name]) => name)], rows);
}

function fold(title, body) {
  return `<details><summary>${title}</summary>\n\n${body}\n\n</details>`;
}

/** A chart for light and for dark pages. @param {string} folder relative to the document */
function chart(folder, name, text) {
  return `<picture>
  <source media="(prefers-color-scheme: dark)" srcset="${folder}/${name}-dark.svg">
  <img alt="${text}" src="${folder}/${name}-light.svg" width="880">
</picture>`;
}

/** @param {Result} result */
function provenance({ machine }) {
  const [date] = machine.date.split('T');
  const peers = Object.entries(machine.peers)
    .filter(([name]) => name !== 'echarts')
    .map(([name, version]) => `${name} ${version}`);
  return `Measured on ${date}: ${inWords(machine)}, on the same machine as the server; ${peers.join(', ')}.`;
}

module.exports = {
  targetTable,
  peerTable,
  peerDetails,
  otherDetails,
  chart,
  provenance,
};
