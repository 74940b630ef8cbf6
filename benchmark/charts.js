'use strict';

// Draws the charts of docs/charts/ from the last whole run, each for light and for dark pages: `node
// benchmark/charts.js`. `npm run bench` does the same after a whole run.

const { mkdirSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { barPanels, linesByLevel } = require('./chart-options');
const { font, themes } = require('./chart-style');
const { inWords } = require('./machine');
const { labelsOf, operations, peersOf, workloadsOf } = require('./peer-results');
const { read } = require('./results');

const folder = path.join(__dirname, '..', 'docs', 'charts');
const size = '0.2 KiB';
const wide = { width: 880, height: 460 };

/** @type {Record<string, (peers: import('./results').Workload[]) => Chart>} by the file's name */
const charts = {
  get: (peers) => ({
    title: 'get: calls per second by calls in flight',
    note: `sessions of ${size}; higher is better; logarithmic`,
    ...wide,
    options: (theme) =>
      linesByLevel(workloadsOf(peers, { operation: 'get', size }), labelsOf(peers), theme),
  }),
  mix: (peers) => ({
    title: 'A mix of calls: calls per second by calls in flight',
    note: `90 get, 4 refresh, 3 update, 2 create, 1 kill; sessions of ${size}; higher is better; logarithmic`,
    ...wide,
    options: (theme) =>
      linesByLevel(workloadsOf(peers, { operation: 'mix', size }), labelsOf(peers), theme),
  }),
  'main-thread': (peers) => {
    const layout = { columns: 3, width: 880, height: 330 };
    const panels = [1, 64, 1000].map((inFlight) => ({
      title: `${inFlight} in flight`,
      values: medians(peers, { operation: 'get', size, inFlight }, 'mainThreadMicros'),
    }));
    return {
      title: "get: the main thread's time per call, in µs",
      note: `sessions of ${size}; lower is better`,
      ...layout,
      options: (theme) => barPanels(panels, theme, layout),
    };
  },
  operations: (peers) => {
    const layout = { columns: 3, width: 880, height: 540 };
    const panels = operations.map((operation) => ({
      title: operation,
      values: medians(peers, { operation, size, inFlight: 64 }, 'callsPerSecond'),
    }));
    return {
      title: 'Calls per second with 64 in flight, by operation',
      note: `sessions of ${size}; higher is better; — where the library has no such thing`,
      ...layout,
      options: (theme) => barPanels(panels, theme, layout),
    };
  },
};

/**
 * @typedef {object} Chart
 * @property {string} title
 * @property {string} note the data, and whether higher or lower is better
 * @property {number} width
 * @property {number} height
 * @property {(theme: typeof themes.light) => object} options of ECharts
 */

/** The median by peer; `undefined` if the peer lacks the operation. */
function medians(peers, workload, quantity) {
  const labels = labelsOf(peers);
  const [{ contestants }] = workloadsOf(peers, workload);
  return Object.fromEntries(labels.map((label) => [label, contestants[label]?.[quantity].median]));
}

/** @param {Chart} chart @param {string} source @param {typeof themes.light} theme */
function draw({ title, note, width, height, options }, source, theme) {
  const echarts = require('echarts');
  const canvas = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
  const { title: titles = [], ...rest } = options(theme);
  const heading = {
    text: title,
    subtext: `${note}\n${source}`,
    left: 14,
    top: 12,
    itemGap: 6,
    textStyle: { color: theme.text, fontSize: 16 },
    subtextStyle: { color: theme.muted, fontSize: 11, lineHeight: 15 },
  };
  canvas.setOption({
    animation: false,
    silent: true,
    backgroundColor: theme.background,
    textStyle: { fontFamily: font },
    title: [heading, ...titles],
    ...rest,
  });
  const svg = canvas.renderToSVGString();
  canvas.dispose();
  return svg;
}

/** @param {import('./results').Result} result @returns {string[]} the files */
function drawAll(result) {
  const peers = peersOf(result);
  const { machine } = result;
  const source = `${inWords(machine)}; ${machine.date.slice(0, 10)}; medians`;
  mkdirSync(folder, { recursive: true });
  return Object.entries(charts).flatMap(([name, chart]) =>
    Object.entries(themes).map(([themeName, theme]) => {
      const file = path.join(folder, `${name}-${themeName}.svg`);
      writeFileSync(file, `${draw(chart(peers), source, theme)}\n`);
      return file;
    }),
  );
}

module.exports = { drawAll };

if (require.main === module) {
  for (const file of drawAll(read())) console.log(path.relative(process.cwd(), file));
}
