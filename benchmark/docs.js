'use strict';

// Writes the results of the last whole run into README.md and docs/speed.md: `node benchmark/docs.js`. It replaces only
// the text between markers such as `<!-- speed -->` and `<!-- /speed -->`. All other text is written by hand.

const { readFileSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const markdown = require('./markdown');
const { read } = require('./results');

const root = path.join(__dirname, '..');
const typical = { size: '0.2 KiB', inFlight: 64 };

const captions = {
  get: 'get, calls per second by calls in flight',
  operations: 'calls per second with 64 in flight, by operation',
  'main-thread': "the main thread's time per get",
  mix: 'a mix of calls, calls per second by calls in flight',
};

/** The content between the markers, by file and marker. */
const sections = {
  'README.md': {
    speed: (result) => [
      markdown.chart('docs/charts', 'get', captions.get),
      `With 64 calls in flight and sessions of ${typical.size}:`,
      markdown.peerTable(result, typical),
      markdown.provenance(result),
    ],
  },
  'docs/speed.md': {
    machine: (result) => [markdown.provenance(result)],
    targets: (result) => [markdown.targetTable(result, { spreads: true })],
    charts: () =>
      Object.entries(captions).map(([name, text]) => markdown.chart('charts', name, text)),
    peers: (result) => [markdown.peerDetails(result)],
    context: (result) => [markdown.otherDetails(result)],
  },
};

/** @param {import('./results').Result} result @returns {string[]} the files */
function writeDocs(result) {
  return Object.entries(sections).map(([name, parts]) => {
    const file = path.join(root, name);
    let text = readFileSync(file, 'utf8');
    for (const [marker, content] of Object.entries(parts)) {
      text = replaceBetween(text, marker, content(result).join('\n\n'));
    }
    writeFileSync(file, text);
    return file;
  });
}

function replaceBetween(text, marker, content) {
  const [begin, end] = [`<!-- ${marker} -->`, `<!-- /${marker} -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`expected ${begin} and ${end}, in this order`);
  return `${text.slice(0, from)}${begin}\n\n${content}\n\n${text.slice(to)}`;
}

module.exports = { writeDocs };

if (require.main === module) {
  for (const file of writeDocs(read())) console.log(path.relative(process.cwd(), file));
}
