'use strict';

// A process of its own as the benchmark sees it: something to ask. requests.js is the other end.

const { once } = require('node:events');
const path = require('node:path');
const { fork } = require('../scripts/children.js');

class Contestant {
  /** @type {string[]} the operations that its peer has */
  offers = [];

  /** @param {string} label @param {string} script a file of this folder */
  constructor(label, script) {
    this.label = label;
    this.child = fork(path.join(__dirname, script));
  }

  /**
   * Starts a peer's process and connects it.
   *
   * @param {string} peer a file of peers/
   * @param {string} url
   */
  static async open(peer, url) {
    const contestant = new Contestant(require(`./peers/${peer}`).label, 'worker.js');
    contestant.offers = await contestant.ask('open', { peer, url });
    return contestant;
  }

  /**
   * Asks for one thing. The requests are those of worker.js or of a file of processes/.
   *
   * @param {string} request
   * @param {object} [argument]
   */
  async ask(request, argument = {}) {
    const settled = new AbortController();
    const { signal } = settled;
    this.child.send({ request, argument });
    const exit = once(this.child, 'exit', { signal }).then(([code, name]) => {
      throw new Error(`${this.label}: the process ended (${name ?? code}) during ${request}`);
    });
    try {
      const [answer] = await Promise.race([once(this.child, 'message', { signal }), exit]);
      if (answer.error) throw new Error(`${this.label}: ${request} failed: ${answer.error}`);
      return answer.result;
    } finally {
      exit.catch(() => {});
      settled.abort();
    }
  }

  end() {
    this.child.kill();
  }
}

/**
 * The label of a peer beside others, as it can be set against itself.
 *
 * @param {string} peer a file of peers/
 * @param {{ label: string }[]} others
 */
function labelBeside(peer, others) {
  const { label } = require(`./peers/${peer}`);
  return others.some((other) => other.label === label) ? `${label} (2)` : label;
}

module.exports = { Contestant, labelBeside };
