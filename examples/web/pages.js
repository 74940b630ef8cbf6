'use strict';

// The pages: the HTML files of pages/ with values. `{{name}}` is escaped, so that no text of a user becomes a tag.
// `{{{name}}}` is HTML that was made here.

const fs = require('node:fs');

const folder = `${__dirname}/pages`;
const files = new Map(
  fs.readdirSync(folder).map((file) => [file, fs.readFileSync(`${folder}/${file}`, 'utf8')]),
);
/** What a page tells, by the key in its address. The text itself is never in an address: it could be anybody's. */
const notes = new Map(Object.entries(require('./notes.json')));

/** @param {unknown} value */
function escapeHtml(value = '') {
  const text = value instanceof Date ? value.toUTCString().slice(5, 22) : String(value);
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** @param {string} name of the file @param {Record<string, unknown>} values @returns {string} */
function fill(name, values) {
  const file = files.get(`${name}.html`) ?? '';
  return file.replace(/{{{(\w+)}}}|{{(\w+)}}/g, (_, html, text) =>
    html ? String(values[html]) : escapeHtml(values[text]),
  );
}

/** @param {string} name of the file @param {Record<string, unknown>} [values] @returns {string} a whole page */
function pageOf(name, { told, ...values } = {}) {
  const content = fill(name, { ...values, note: notes.get(String(told)) });
  return fill('frame', { title: /<h1>(.*)<\/h1>/.exec(content)?.[1], content });
}

module.exports = { fill, pageOf };
