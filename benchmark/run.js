'use strict';

// `npm run bench`: runs the suites, prints the measurements beside the targets of targets.js, and saves the result.

const { execFileSync } = require('node:child_process');
const { statSync } = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');

const suites = [
  'get',
  'write',
  'life',
  'sliding',
  'peers',
  'http',
  'express',
  'migrate',
  'builds',
  'version-1',
  'scale',
  'owners',
  'steps',
  'memory',
  'cluster',
  'sentinel',
  'endurance',
  'large',
  'load',
  'idle',
];

const help = `npm run bench -- [options]

  --quick            fewer and shorter rounds: two minutes instead of twenty-five
  --only <suites>    some of ${suites.join(', ')}; comma-separated
  --before <folder>  another build of this package, for example of an older commit, to compare
                     \`get\`, \`create\`, \`refresh\` and \`kill\` with
  --subject <peer>   judges another file of peers/: \`--subject ioredis\` compares ioredis with
                     itself, so every ratio shows how far noise alone moves it from 1
  --help             shows this`;

/** Installs the peers' packages, unless they were installed after the last change of package-lock.json. */
function installPeers() {
  const changed = (file) =>
    statSync(path.join(__dirname, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (changed('node_modules/.package-lock.json') >= changed('package-lock.json')) return;
  process.stderr.write('installing the packages to compare with (once) …\n');
  execFileSync('npm', ['ci', '--ignore-scripts', '--no-fund', '--no-audit', '--loglevel=error'], {
    cwd: __dirname,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  });
}

async function main() {
  const { values: options } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: suites.join(',') },
      before: { type: 'string' },
      subject: { type: 'string', default: 'spots' },
      help: { type: 'boolean', default: false },
    },
  });
  if (options.help) {
    process.stdout.write(`${help}\n`);
    return;
  }
  const chosen = options.only.split(',');
  const unknown = chosen.find((name) => !suites.includes(name));
  if (unknown) throw new Error(`no suite is called ${unknown}; there are ${suites.join(', ')}`);

  installPeers();
  const { Bench } = require('./bench');
  const { describe, inWords } = require('./machine');
  const report = require('./report');
  const results = require('./results');

  const bench = new Bench(options);
  let machine;
  await bench.onServer(async ({ redis }) => {
    machine = await describe(redis);
  });
  for (const name of chosen) await require(`./suites/${name}`)(bench);

  const verdicts = report.judge(bench.measured);
  const complete = chosen.length === suites.length && options.subject === 'spots';
  const name = complete ? (options.quick ? 'quick.json' : 'latest.json') : 'partial.json';
  const { quick, subject } = options;
  const file = results.save(name, {
    machine,
    options: { quick, subject, suites: chosen },
    targets: verdicts,
    workloads: bench.workloads,
  });
  if (complete && !quick) {
    const result = results.read(file);
    require('./charts').drawAll(result);
    require('./docs').writeDocs(result);
  }
  const missed = verdicts.filter(({ met }) => !met).length;
  const sections = [
    report.contextTable(bench.workloads),
    report.valueLines(bench.workloads),
    report.targetTable(verdicts),
    verdicts.length > 0 &&
      `${bench.subjectLabel}: ${verdicts.length - missed} of ${verdicts.length} targets met`,
    `Medians of rounds; spread: least … most. ${inWords(machine)}; saved in ${path.relative(process.cwd(), file)}`,
    complete && !quick && 'README.md, docs/speed.md and docs/charts/ show this run now.',
    quick &&
      'A quick run measures fewer workloads, sizes and rounds than a whole one: see the titles.',
    // The load was read before the first measurement, so other programs caused it.
    machine.loadAverage > machine.cores / 4 &&
      `The machine was busy when this began (load average ${machine.loadAverage.toFixed(1)}): do not trust these numbers; run it on an idle machine.`,
  ];
  process.stdout.write(`\n${sections.filter(Boolean).join('\n\n')}\n`);
}

main().catch((error) => {
  process.stderr.write(`\n${error.stack}\n`);
  process.exitCode = 1;
});
