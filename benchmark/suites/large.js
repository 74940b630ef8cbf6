'use strict';

// A session of 1 MiB. Measures how long a read and a write block the event loop, compared with JSON.parse and
// JSON.stringify alone, and how long small gets wait behind a large one.

const { Contestant } = require('../contestant');
const { shapes } = require('../large-data');
const { median, ratio } = require('../statistics');

const small = 1000;

/** @param {import('../bench').Bench} bench */
module.exports = (bench) =>
  bench.onServer(async (stage) => {
    const repetitions = bench.choose(40, 20);
    // The targets judge only the first peer. The other is context.
    const peers = bench.choose([bench.subject, 'ioredis'], [bench.subject]);
    for (const [db, peer] of peers.entries()) {
      const { label } = require(`../peers/${peer}`);
      const contestant = new Contestant(label, 'processes/large.js');
      stage.contestants.push(contestant);
      await contestant.ask('open', { peer, url: `${stage.server.url}/${db}` });
    }
    for (const shape of Object.keys(shapes)) {
      for (const [place, contestant] of stage.contestants.entries()) {
        bench.progress.show(`1 MiB (${shape}) · ${contestant.label}`);
        const rounds = await contestant.ask('block', { shape, repetitions });
        reportBlocking(bench, `1 MiB (${shape}) · ${contestant.label}`, rounds);
        if (place > 0) continue;
        bench.report(`large.read.${shape}`, ratio(rounds.read, rounds.parse));
        bench.report(`large.write.${shape}`, ratio(rounds.write, rounds.stringify));
      }
    }
    for (const shape of Object.keys(shapes)) {
      for (const contestant of stage.contestants) {
        const title = `${small} gets beside one of 1 MiB (${shape}) · ${contestant.label}`;
        bench.progress.show(title);
        const asked = { shape, small, repetitions: bench.choose(20, 8) };
        reportBeside(bench, title, await contestant.ask('beside', asked));
      }
    }
  });

function reportBlocking(bench, title, rounds) {
  bench.workloads.push({
    title: `${title}, event loop blocked, ms`,
    values: {
      read: median(rounds.read),
      'JSON.parse': median(rounds.parse),
      'of bytes': median(rounds.parseBytes),
      write: median(rounds.write),
      'JSON.stringify': median(rounds.stringify),
      'to bytes': median(rounds.stringifyBytes),
    },
    rounds,
  });
}

function reportBeside(bench, title, { alone, without, beside }) {
  const middle = (rounds) => median(rounds.map(median));
  const last = (rounds) => median(rounds.map((latencies) => Math.max(...latencies)));
  bench.workloads.push({
    title: `${title}, ms`,
    values: {
      'median without it': middle(without),
      'beside it': middle(beside),
      'last without it': last(without),
      'beside it, last': last(beside),
      'the large one alone': median(alone),
    },
  });
}
