'use strict';

// Shows the progress on stderr: one line that is updated in place, and one permanent line per result.

const { performance } = require('node:perf_hooks');
const { short } = require('./numbers');

class Progress {
  #start = performance.now();
  #moving = Boolean(process.stderr.isTTY);

  /** @param {string} what @param {number} [round] 0 is the warm-up round @param {number} [rounds] */
  show(what, round, rounds) {
    if (!this.#moving && round > 0) return;
    let state = what;
    if (round === 0) state += ' · warming up';
    if (round > 0) state += ` · round ${round} of ${rounds}`;
    this.#write(`${this.#elapsed()}  ${state} …`);
  }

  /** @param {{ title: string, contestants: Record<string, any> }} workload */
  done({ title, contestants }) {
    const rates = Object.entries(contestants)
      .map(([label, { callsPerSecond }]) => `${label} ${short(callsPerSecond.median)}`)
      .join(', ');
    this.#write(`${this.#elapsed()}  ${title}: ${rates} /s`);
    if (this.#moving) process.stderr.write('\n');
  }

  #write(line) {
    process.stderr.write(this.#moving ? `\r\x1b[K${line}` : `${line}\n`);
  }

  #elapsed() {
    const seconds = Math.round((performance.now() - this.#start) / 1000);
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
  }
}

module.exports = { Progress };
