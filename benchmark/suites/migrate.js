'use strict';

// `migrate` from version 1, compared with a bare copy of the same sessions in pipelines through ioredis.

const { Contestant } = require('../contestant');

/** @param {import('../bench').Bench} bench */
module.exports = async (bench) => {
  // Other peers migrate nothing.
  if (bench.subject !== 'spots') return;
  const count = bench.choose(50_000, 5000);
  await bench.onServer(async (stage) => {
    const contestants = [
      { label: 'migrate', mover: 'migrate', url: `${stage.server.url}/0` },
      { label: 'bare copy', mover: 'copy', url: `${stage.server.url}/1` },
    ];
    const rounds = await bench.alternate(`migrate of ${count} sessions`, {
      contestants,
      rounds: bench.choose(7, 2),
      async measure({ label, mover, url }) {
        await fill(url, count);
        const child = new Contestant(label, 'processes/migrate.js');
        try {
          const { moved, ...measured } = await child.ask('move', { mover, url });
          if (moved !== count) throw new Error(`${label} moved ${moved} of ${count} sessions`);
          return measured;
        } finally {
          child.end();
        }
      },
    });
    bench.report('migrate', rounds.ratio('migrate', 'bare copy', 'callsPerSecond'));
  });
};

/** In a process of its own. What it runs would be compiled already for the copy, which uses the same ioredis. */
async function fill(url, count) {
  const child = new Contestant('fill', 'processes/migrate.js');
  try {
    await child.ask('fill', { url, count });
  } finally {
    child.end();
  }
}
