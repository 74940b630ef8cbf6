'use strict';

// Reads and writes the result files in results/. The charts and the tables in the docs are made from them.

const { mkdirSync, readFileSync, writeFileSync } = require('node:fs');
const path = require('node:path');

const folder = path.join(__dirname, 'results');

/**
 * @typedef {object} Result
 * @property {Awaited<ReturnType<typeof import('./machine').describe>>} machine
 * @property {{ quick: boolean, subject: string, suites: string[] }} options
 * @property {ReturnType<typeof import('./report').judge>} targets
 * @property {Workload[]} workloads
 *
 * @typedef {object} Workload
 * @property {string} title
 * @property {Record<string, Record<string, import('./statistics').Summary>>} [contestants] by label
 * and quantity
 * @property {Record<string, number>} [values] by label, if each label has a single number
 * @property {string} [operation] only suites/peers.js sets this and the next two
 * @property {string} [size]
 * @property {number} [inFlight]
 */

/** @param {string} name of the file @param {Result} result */
function save(name, result) {
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, name);
  writeFileSync(file, `${compact(JSON.stringify(result, fourDigits, 1))}\n`);
  return file;
}

/** @param {string} [file] the last whole run by default @returns {Result} */
function read(file = path.join(folder, 'latest.json')) {
  return JSON.parse(readFileSync(file, 'utf8'));
}

function fourDigits(_, value) {
  return typeof value === 'number' && !Number.isInteger(value)
    ? Number(value.toPrecision(4))
    : value;
}

/** Puts each list of numbers on one line, and each object that has no nested object and at most one list. */
function compact(json) {
  const join = (text) => text.replace(/\s*\n\s*/g, ' ');
  return json
    .replace(/\[[\s\d.,e+-]*\]/g, (list) => join(list).replace(/ (?=\])|(?<=\[) /g, ''))
    .replace(/\{[^{}[\]]*(?:\[[^{}[\]]*\][^{}[\]]*)?\}/g, join);
}

module.exports = { save, read };
