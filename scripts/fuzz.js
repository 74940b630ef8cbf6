'use strict';

// `npm run fuzz -- <target> [seconds]`: looks for inputs on which a target fails, by default for 600 seconds.
//
// The targets of the Rust core are in fuzz/. They need cargo-fuzz, and a C++ compiler to build libFuzzer. Inputs that
// cover more code are kept in fuzz/corpus/. The other targets are test files of the JavaScript.

const fs = require('node:fs');
const path = require('node:path');
const { prepare } = require('./prepare.js');
const { outputOf, root, run } = require('./run.js');
const { Stop, runScript } = require('./stop.js');
const { requireRust } = require('./toolchain.js');

/** The longest input of each target of the core, in bytes. @type {Record<string, number>} */
const CORE = { boundary: 1024, record: 1024, token: 4200, wire: 4096 };
const JAVASCRIPT = ['boundary-fuzz', 'connection-string-fuzz'];
const TARGETS = [...Object.keys(CORE), ...JAVASCRIPT];

runScript(async () => {
  const [target = '', seconds = '600'] = process.argv.slice(2);
  if (!TARGETS.includes(target) || !/^\d+$/.test(seconds)) {
    throw new Stop(
      `usage: npm run fuzz -- <target> [seconds]\nThe targets are ${TARGETS.join(', ')}.`,
    );
  }
  if (Object.hasOwn(CORE, target)) return fuzzCore(target, Number(seconds));

  await prepare();
  const env = { ...process.env, FUZZ_SECONDS: seconds };
  const file = path.join('__test__', `${target}.test.js`);
  run(process.execPath, ['--test', '--test-reporter=spec', file], { env });
});

/** @param {string} target @param {number} seconds */
function fuzzCore(target, seconds) {
  requireRust();
  if (!outputOf('cargo', ['fuzz', '--version'])) {
    throw new Stop('cargo-fuzz is missing. Install it: cargo install --locked cargo-fuzz');
  }
  const work = path.join(root, 'fuzz', 'target', target);
  const [found, least] = [path.join(work, 'found'), path.join(work, 'least')];
  fs.rmSync(least, { recursive: true, force: true });
  for (const folder of [found, least]) fs.mkdirSync(folder, { recursive: true });
  const packed = path.join(root, 'fuzz', 'corpus', `${target}.txt`);
  for (const [index, input] of unpack(packed).entries()) {
    fs.writeFileSync(path.join(found, `kept-${index}`), input);
  }

  // Sanitizers need a nightly toolchain, and find faults that safe Rust cannot have.
  const command = ['fuzz', 'run', '--sanitizer=none', target];
  const limits = [`-max_total_time=${seconds}`, `-max_len=${CORE[target]}`, '-print_final_stats=1'];
  run('cargo', [...command, found, '--', ...limits]);
  run('cargo', [...command, least, found, '--', '-merge=1', '-use_counters=0']);
  const inputs = fs.readdirSync(least).map((name) => fs.readFileSync(path.join(least, name)));
  fs.writeFileSync(packed, pack(inputs));
  console.log(`\n${target}: ${inputs.length} inputs are in fuzz/corpus/${target}.txt`);
}

/** Writes each input as a JSON string on a line of its own. @param {Buffer[]} inputs */
function pack(inputs) {
  const lines = inputs.map((input) =>
    JSON.stringify(input.toString('latin1')).replace(
      /[\x7f-\xff]/g,
      (byte) => `\\u00${byte.charCodeAt(0).toString(16)}`,
    ),
  );
  return lines
    .sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
    .map((line) => `${line}\n`)
    .join('');
}

/** Reads the inputs that `pack` has written. @param {string} file */
function unpack(file) {
  if (!fs.existsSync(file)) return [];
  const lines = fs.readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => Buffer.from(JSON.parse(line), 'latin1'));
}
