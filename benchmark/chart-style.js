'use strict';

// The style of the charts: two themes, and a colour and a symbol for each peer.

const font = "-apple-system, BlinkMacSystemFont, 'Segoe UI', Helvetica, Arial, sans-serif";

/** Colours after Okabe and Ito, which colour-blind readers can tell apart, adjusted to each background. */
const themes = {
  light: {
    background: '#ffffff',
    text: '#1f2328',
    muted: '#59636e',
    line: '#d1d9e0',
    bar: '#9aa7b4',
    ours: '#d1480a',
    others: ['#0072b2', '#3f9fd8', '#00875f', '#b3588c', '#b87d00', '#6b5bb5', '#59636e'],
  },
  dark: {
    background: '#0d1117',
    text: '#f0f6fc',
    muted: '#9198a1',
    line: '#3d444d',
    bar: '#5b6673',
    ours: '#ff7b3a',
    others: ['#3d9be0', '#8accf5', '#2fc795', '#e08fbf', '#e6b23c', '#a99bf0', '#9198a1'],
  },
};

/** The symbols of the other peers. The first three are filled, the rest are hollow. */
const shapes = ['rect', 'triangle', 'diamond', 'circle', 'rect', 'triangle', 'diamond'];
const filled = 3;

/**
 * The style of one peer's line.
 *
 * @param {typeof themes.light} theme
 * @param {number} place of the peer in the list; place 0 is this package, which stands out
 */
function lineOf(theme, place) {
  return place === 0 ? ourLine(theme) : otherLine(theme, (place - 1) % shapes.length);
}

function ourLine({ ours }) {
  return {
    color: ours,
    symbol: 'circle',
    symbolSize: 9,
    lineStyle: { width: 4, color: ours },
    z: 3,
    endLabel: { color: ours, fontSize: 12, fontWeight: 'bold' },
  };
}

function otherLine({ background, others }, index) {
  const color = others[index];
  const hollow = { color: background, borderColor: color, borderWidth: 1.75 };
  return {
    color,
    symbol: shapes[index],
    symbolSize: 8,
    itemStyle: index < filled ? { color } : hollow,
    lineStyle: { width: 1.75, color },
    z: 2,
    endLabel: { color, fontSize: 12 },
  };
}

module.exports = { font, themes, lineOf };
