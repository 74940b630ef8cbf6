'use strict';

// Names and tokens that are nearly equal. Code that uses patterns, delimiters, normalisation or lossy conversions could
// confuse them.

/** Changes of a text that keep it unique. */
const TWISTS = {
  'one more before': (text) => `x${text}`,
  'one more behind': (text) => `${text}x`,
  'without the first': (text) => text.slice(1),
  'without the last': (text) => text.slice(0, -1),
  'a wildcard behind': (text) => `${text}*`,
  'a wildcard in the middle': (text) => `${text.slice(0, 5)}*${text.slice(6)}`,
  'a question mark for one': (text) => `${text.slice(0, -1)}?`,
  'a class for the first': (text) => `[${text[0]}]${text.slice(1)}`,
  'a backslash before': (text) => `\\${text}`,
  'a colon behind': (text) => `${text}:`,
  'the middle of a key behind': (text) => `${text}}:s:`,
  'braces around': (text) => `{${text}}`,
  'a brace behind': (text) => `${text}}`,
  'a bar behind': (text) => `${text}|token:`,
  'quotes around': (text) => JSON.stringify(text),
  'a quote before': (text) => `"${text}`,
  'a newline before': (text) => `\n${text}`,
  'a newline behind': (text) => `${text}\n`,
  'a newline within': (text) => `${text.slice(0, 3)}\n${text.slice(3)}`,
  'CRLF and a command behind': (text) => `${text}\r\nFLUSHALL\r\n`,
  'a space before': (text) => ` ${text}`,
  'a space behind': (text) => `${text} `,
  'in capitals': (text) => text.toUpperCase(),
  'in small letters': (text) => text.toLowerCase(),
  'a Cyrillic a': (text) => text.replace(/a/i, 'а'),
  'full width': (text) =>
    text.replace(/[!-~]/, (c) => String.fromCharCode(c.charCodeAt(0) + 65248)),
  'é in one': (text) => `${text}\u00e9`,
  'é in two': (text) => `${text}e\u0301`,
  'a space of no width': (text) => `${text}\u200b`,
  'a byte order mark': (text) => `\ufeff${text}`,
  'half a surrogate pair': (text) => `${text}\ud83d`,
  'the other half': (text) => `${text}\ude00`,
  'the whole pair': (text) => `${text}\ud83d\ude00`,
  'half a pair before': (text) => `\udc00${text}`,
  'a replacement character': (text) => `${text}\ufffd`,
  'NUL before': (text) => `\0${text}`,
  'NUL behind': (text) => `${text}\0`,
  'percent-encoded': (text) => encodeURIComponent(text.toWellFormed()).replace(/-/g, '%2D'),
  'without padding': (text) => text.replace(/=+$/, ''),
  'the other base64': (text) => text.replace(/\+/g, '-').replace(/\//g, '_'),
  'its bytes in hex': (text) => Buffer.from(text, 'base64').toString('hex'),
};

/** Changes that make a text a mere pattern, which is not unique. No session may have such a name. */
const PATTERNS = {
  'a wildcard': () => '*',
  'the first and a wildcard': (text) => `${text[0]}*`,
  'a question mark for each': (text) => '?'.repeat(text.length),
};

const ALL = { ...TWISTS, ...PATTERNS };

/**
 * @param {string | undefined} label none: the name itself
 * @param {string | number | bigint} name
 */
const twisted = (label, name) =>
  label === undefined ? name : ALL[label](String(name)) || 'nothing is left';

module.exports = { PATTERNS: Object.keys(PATTERNS), TWISTS: Object.keys(TWISTS), twisted };
