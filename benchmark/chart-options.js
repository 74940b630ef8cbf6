'use strict';

// Builds the options of Apache ECharts for each chart.

const { lineOf } = require('./chart-style');
const { short } = require('./numbers');

/** @typedef {import('./results').Workload} Workload @typedef {import('./chart-style').themes.light} Theme */

/**
 * One line per peer: calls per second by calls in flight.
 *
 * @param {Workload[]} workloads of one operation and size, one per number of calls in flight
 * @param {string[]} labels of all peers, so that each has the same style in every chart
 * @param {Theme} theme
 */
function linesByLevel(workloads, labels, theme) {
  const levels = workloads.map(({ inFlight }) => String(inFlight));
  return {
    grid: { left: 66, right: 190, top: 84, bottom: 52 },
    xAxis: {
      type: 'category',
      data: levels,
      boundaryGap: false,
      ...axis(theme),
      ...named('calls in flight', theme),
    },
    yAxis: {
      type: 'log',
      ...axis(theme),
      axisLabel: { color: theme.muted, formatter: brief },
      splitLine: { lineStyle: { color: theme.line } },
    },
    series: labels.map((label, place) => {
      const { endLabel, ...style } = lineOf(theme, place);
      return {
        type: 'line',
        name: label,
        data: workloads.map(({ contestants }) => contestants[label]?.callsPerSecond.median),
        ...style,
        endLabel: { ...endLabel, show: true, formatter: '{a}', distance: 10 },
        labelLayout: { moveOverlap: 'shiftY' },
      };
    }),
  };
}

/**
 * One bar per peer, in panels side by side. Each panel has its own scale.
 *
 * @param {{ title: string, values: Record<string, number | undefined> }[]} panels
 * @param {Theme} theme
 * @param {{ columns: number, width: number, height: number }} layout
 */
function barPanels(panels, theme, { columns, width, height }) {
  const labels = Object.keys(panels[0].values).reverse();
  const [left, top, gap, heading] = [170, 76, 18, 26];
  const rows = Math.ceil(panels.length / columns);
  const panelWidth = (width - left - gap * columns) / columns;
  const panelHeight = (height - top - gap) / rows;
  const place = (index) => ({
    x: left + (index % columns) * (panelWidth + gap),
    y: top + Math.floor(index / columns) * panelHeight,
  });
  return {
    title: panels.map(({ title }, index) => ({
      text: title,
      left: place(index).x - 5,
      top: place(index).y,
      textStyle: { color: theme.text, fontSize: 13, fontWeight: 'bold' },
    })),
    grid: panels.map((_, index) => ({
      left: place(index).x,
      top: place(index).y + heading,
      width: panelWidth - 46,
      height: panelHeight - heading - gap,
    })),
    xAxis: panels.map((_, index) => ({ type: 'value', gridIndex: index, show: false })),
    yAxis: panels.map((_, index) => ({
      type: 'category',
      gridIndex: index,
      data: labels,
      axisTick: { show: false },
      axisLine: { lineStyle: { color: theme.line } },
      axisLabel: { show: index % columns === 0, color: theme.text, fontSize: 12 },
    })),
    series: panels.map(({ values }, index) => ({
      type: 'bar',
      xAxisIndex: index,
      yAxisIndex: index,
      barWidth: '68%',
      data: labels.map((label, row) => ({
        value: values[label] ?? 0,
        itemStyle: { color: row === labels.length - 1 ? theme.ours : theme.bar },
        label: { formatter: values[label] === undefined ? '—' : brief(values[label]) },
      })),
      label: { show: true, position: 'right', color: theme.text, fontSize: 11 },
    })),
  };
}

function axis(theme) {
  return {
    axisLine: { lineStyle: { color: theme.line } },
    axisTick: { lineStyle: { color: theme.line } },
    axisLabel: { color: theme.muted },
  };
}

function named(name, theme) {
  return { name, nameLocation: 'middle', nameGap: 30, nameTextStyle: { color: theme.muted } };
}

/** Thousands as `k`, millions as `M`. @param {number} value */
function brief(value) {
  if (value >= 1e6) return `${short(value / 1e6)}M`;
  return value >= 1000 ? `${short(value / 1000)}k` : short(value);
}

module.exports = { linesByLevel, barPanels };
