'use strict';

// The parent's side of a child process: it sends requests and awaits the answers. requests.js is the child's side.

const { once } = require('node:events');
const path = require('node:path');
const { fork } = require('../scripts/children.js');

class Contestant {
  /** @type {string[]} the operations that its peer supports */
  offers = [];

  /** @param {string} label @param {string} script its path, relative to this folder */
  constructor(label, script) {
    this.label = label;
    this.child = fork(path.join(__dirname, script));
  }

  /**
   * Starts a peer's process and connects it.
   *
   * @param {string} peer the name of a file in peers/
   * @param {string} url
   */
  static async open(peer, url) {
    const contestant = new Contestant(require(`./peers/${peer}`).label, 'worker.js');
    contestant.offers = await contestant.ask('open', { peer, url });
    return contestant;
  }

  /**
   * Sends one request and resolves to its result. worker.js and the files of processes/ define the requests.
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
 * The label of a peer among others. If a peer is compared with itself, the second label gets a "(2)".
 *
 * @param {string} peer a file of peers/
 * @param {{ label: string }[]} others
 */
function labelBeside(peer, others) {
  const { label } = require(`./peers/${peer}`);
  return others.some((other) => other.label === label) ? `${label} (2)` : label;
}

module.exports = { Contestant, labelBeside };
