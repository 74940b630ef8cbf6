'use strict';

// Runs `doctor` of the command line, and reads what it finds.

const assert = require('node:assert/strict');
const { noTerminal, runCli, runInTerminal } = require('./command-line.js');
const { waitUntil } = require('./wait-until.js');

/**
 * @typedef {{ check: string, status: string, message: string, remedy?: string, command?: string }} Check
 *
 * @param {string} url
 * @param {...string} args
 * @returns {Promise<{ code: number | null, ok: boolean, checks: Check[], of: (check: string) => Check | undefined, stdout: string }>}
 */
async function diagnose(url, ...args) {
  const { code, stdout, stderr } = await runCli(['doctor', '--json', ...args], {
    env: { REDIS_URL: url },
  });
  assert.equal(stderr, '');
  const { ok, checks } = JSON.parse(stdout);
  return { code, ok, checks, of: (name) => checks.find(({ check }) => check === name), stdout };
}

/**
 * Runs `doctor` as programs, scripts and people do: with `--json`, on a pipe, in a terminal of 80 columns, and there with
 * NO_COLOR. Checks that all of them tell the same. Resolves to what `diagnose` resolves to; `stdout` is that of all.
 *
 * @param {Parameters<typeof diagnose>} args
 */
async function diagnoseInEachForm(...args) {
  const result = await diagnose(...args);
  const [url, ...options] = args;
  const command = ['doctor', ...options];
  const env = { REDIS_URL: url };
  const piped = await runCli(command, { env });
  assert.equal(piped.stderr, '');
  assert.ok(!piped.stdout.includes(ESC), piped.stdout);
  const forms = [{ ...piped, checks: readFields(piped.stdout) }];
  for (const more of noTerminal ? [] : [{}, { NO_COLOR: '1' }]) {
    const shown = await runInTerminal(command, { env: { ...env, ...more }, columns: COLUMNS });
    const { checks, sum } = readScreen(shown.stdout.replace(PAINTED, '$<text>'));
    assert.equal(sum, sumOf(checks));
    assert.deepEqual(
      [...shown.stdout.matchAll(PAINTED)].map(({ groups: { code, text } }) => [Number(code), text]),
      more.NO_COLOR ? [] : [...checks.flatMap(paintedOf), [BOLD, sum]],
    );
    forms.push({ ...shown, checks });
  }
  for (const { code, checks } of forms) {
    assert.deepEqual(checks.map(withoutTime), result.checks.map(withoutTime));
    assert.equal(code, result.code);
  }
  return { ...result, stdout: [result, ...forms].map(({ stdout }) => stdout).join('\n') };
}

const COLUMNS = 80;
/** Where the name of the check and its text begin. */
const [CHECK_AT, TEXT_AT] = [9, 22];
const ESC = String.fromCharCode(27);
/** A text in a colour, or in bold. */
const PAINTED = new RegExp(`${ESC}\\[(?<code>\\d+)m(?<text>.*?)${ESC}\\[0m`, 'g');
/** Green, yellow, red and dim. */
const COLOURS = { ok: 32, warning: 33, problem: 31, unknown: 2 };
const BOLD = 1;

/** Reads lines with tabs between the fields. @param {string} text @returns {Check[]} */
function readFields(text) {
  const lines = text.split('\n');
  assert.equal(lines.pop(), '');
  return lines.map((line) => {
    const [status, check, message, remedy, command, ...more] = line.split('\t');
    assert.deepEqual(more, []);
    return { check, status, message, ...(remedy && { remedy }), ...(command && { command }) };
  });
}

/** Reads what a terminal shows, without colours. @param {string} text @returns {{ checks: Check[], sum: string }} */
function readScreen(text) {
  assert.ok(!text.includes(ESC), text);
  const lines = text.split('\r\n');
  const [blank, sum, end] = lines.splice(-3);
  assert.deepEqual([blank, end], ['', '']);
  const checks = [];
  for (const line of lines) {
    const last = checks.at(-1);
    if (/^ {4}\S/.test(line)) {
      last.command = line.slice(4);
      continue;
    }
    assert.ok(line.length <= COLUMNS, line);
    const [head, said] = [line.slice(0, TEXT_AT), line.slice(TEXT_AT)];
    const [status, check] = [head.slice(0, CHECK_AT), head.slice(CHECK_AT)].map((x) => x.trim());
    if (status) checks.push({ check, status, message: said });
    else if (said.startsWith('→ ')) last.remedy = said.slice(2);
    else last[last.remedy === undefined ? 'message' : 'remedy'] += ` ${said}`;
    if (!status) assert.equal(head.trim(), '', line);
  }
  return { checks, sum };
}

/** What is painted of a finding, in its order. @param {Check} check @returns {[code: number, text: string][]} */
function paintedOf({ status, command }) {
  return [[COLOURS[status], status], ...(command ? [[BOLD, command]] : [])];
}

/** The last line in a terminal. @param {Check[]} checks */
function sumOf(checks) {
  const count = (word) => {
    const number = checks.filter(({ status }) => status === word).length;
    return `${number} ${word}${number === 1 ? '' : 's'}`;
  };
  const sum = `${count('problem')}, ${count('warning')}`;
  return sum === '0 problems, 0 warnings' ? 'all is well' : sum;
}

/** Leaves out what each run measures anew. @param {Check} check @returns {Partial<Check>} */
function withoutTime(check) {
  return check.check === 'round trip' ? { check: check.check } : check;
}

/** The configuration of a Cluster for `replicasToBeTold`. */
const TELLS_REPLICAS_SOON = { 'repl-ping-replica-period': 1 };

/**
 * Resolves when CLUSTER SLOTS names the replicas of a Cluster. It does not before their primary has sent them something.
 *
 * @param {{ nodes: { cluster: (...words: string[]) => Promise<any> }[] }} cluster
 */
async function replicasToBeTold({ nodes }) {
  await waitUntil(async () => {
    const views = await Promise.all(nodes.map((node) => node.cluster('SLOTS')));
    return views.flat().every((range) => range.length > 3);
  }, 'the replicas to be told');
}

module.exports = { TELLS_REPLICAS_SOON, diagnose, diagnoseInEachForm, replicasToBeTold };
