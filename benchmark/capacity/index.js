'use strict';

// `npm run capacity`: simulates and measures many sessions on many shards. Each part prints the tables of
// docs/scale.md.

const parts = [
  ...['slots', 'balance', 'memory', 'connections', 'owners'],
  ...['resharding', 'failover', 'wait'],
];

async function main() {
  const chosen = process.argv.length > 2 ? process.argv.slice(2) : parts;
  const unknown = chosen.find((name) => !parts.includes(name));
  if (unknown) throw new Error(`no part is called ${unknown}; there are ${parts.join(', ')}`);
  for (const name of chosen) await require(`./${name}-part`)();
}

main().catch((error) => {
  process.stderr.write(`\n${error.stack}\n`);
  process.exitCode = 1;
});
