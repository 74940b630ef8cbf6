'use strict';

// Measures RSS and heap of the process during ten million gets. Neither should grow.

const { median } = require('../statistics');

const size = 170;
const sessions = 1000;
const inFlight = 1000;

/** The suite compares the last third of the samples with the first third. One more sample before them is warm-up. */
const samples = 9;

/** @param {import('../bench').Bench} bench */
module.exports = (bench) =>
  bench.onServer(async (stage) => {
    const contestant = await stage.open(bench.subject);
    await contestant.ask('fill', { count: sessions, size });
    const calls = bench.choose(1000000, 100000);
    const taken = [];
    for (let sample = 0; sample <= samples; sample++) {
      bench.progress.show(`memory of the process after ${sample * calls} gets`, sample, samples);
      await contestant.ask('run', { operation: 'get', inFlight, calls, size });
      taken.push(await contestant.ask('memory'));
    }

    const total = ((samples + 1) * calls).toLocaleString('en-US');
    for (const [quantity, name] of Object.entries({ rss: 'RSS', heap: 'heap' })) {
      const [warm, ...values] = taken.map((memory) => memory[quantity]);
      const first = median(values.slice(0, samples / 3));
      const last = median(values.slice(-samples / 3));
      const ratio = last / first;
      // A quick run makes a tenth of the calls, which is too few to judge.
      if (!bench.quick) {
        bench.report(`endurance.${quantity}`, { median: ratio, min: ratio, max: ratio });
      }
      bench.workloads.push({
        title: `${name} of the process during ${total} gets, MB`,
        values: {
          'warmed up': warm,
          'first third': first,
          'last third': last,
          // Divided by the calls between the middles of the two thirds.
          'growth per million gets': ((last - first) / ((samples * 2) / 3) / calls) * 1e6,
        },
        rounds: values,
      });
    }
  });
