'use strict';

// `get` of sliding sessions, compared with `get` of others: in the steady state, in which an instance has read all of
// them before, and by 50 instances, one after the other, that read each session for the first time. Behind each first
// read, an extension is sent. It finds that nine tenths of the duration are left, and writes nothing.

const { Contestant } = require('../contestant');

const size = 170;
const inFlight = 64;

/** The suite `get` reads as many in turn. */
const steadyCount = 1000;

/** An extension that writes nothing runs at least this many commands: a PTTL. */
const commandsOfExtension = 1;

/** @param {import('../bench').Bench} bench */
module.exports = async (bench) => {
  // Other peers have no sliding sessions.
  if (bench.subject !== 'spots') return;
  await bench.onServer(async (stage) => {
    const reader = new Contestant(bench.subjectLabel, 'processes/sliding.js');
    stage.contestants.push(reader);
    const firstCount = bench.choose(20000, 5000);
    await reader.ask('open', { url: stage.server.url, count: firstCount, size });
    const sides = ['sliding', 'others'].map((kind) => ({
      label: kind === 'sliding' ? 'sliding sessions' : 'other sessions',
      ask: (request, run) => reader.ask(request, { ...run, kind }),
    }));

    const compare = async (title, rounds, run) => {
      const measured = await bench.alternate(`${title}, ${inFlight} in flight`, {
        contestants: sides,
        rounds,
        measure: (side) => stage.measure(side, { inFlight, ...run }),
      });
      const [sliding, others] = sides.map(({ label }) => label);
      return {
        ratio: measured.ratio(sliding, others, 'callsPerSecond'),
        commands: measured.summaries()[sliding].redisCommands,
      };
    };
    const steady = await compare('get of sliding sessions', bench.choose(40, 10), {
      ms: bench.choose(250, 150),
      count: steadyCount,
    });
    const first = await compare('first get of each sliding session', bench.choose(50, 10), {
      count: firstCount,
      isFirst: true,
    });
    if (first.commands.min < 1 + commandsOfExtension) {
      throw new Error('not every first get was followed by an extension');
    }
    bench.report('sliding.steady', steady.ratio);
    bench.report('sliding.first', first.ratio);
  });
};
