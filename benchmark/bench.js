'use strict';

// The context that run.js passes to every suite. It starts servers and contestants, measures in rounds and collects the
// results.

const { startRedis } = require('../__test__/support/redis-server');
const { Contestant, labelBeside } = require('./contestant');
const { Progress } = require('./progress');
const { usage } = require('./redis-usage');
const { alternate } = require('./rounds');

class Bench {
  /** @type {Record<string, import('./statistics').Summary>} by target id */
  measured = {};
  /** All measured workloads, in the order in which they were measured. */
  workloads = [];
  progress = new Progress();

  /**
   * @param {object} options
   * @param {boolean} options.quick
   * @param {string} options.subject the peer that the targets judge
   * @param {string} [options.before] the folder of another build of this package
   */
  constructor({ quick, subject, before }) {
    this.quick = quick;
    this.before = before;
    this.subject = subject;
    this.subjectLabel = require(`./peers/${subject}`).label;
  }

  /** Returns `quick` in a quick run, otherwise `whole`. */
  choose(whole, quick) {
    return this.quick ? quick : whole;
  }

  /**
   * Runs `use` with a fresh server, then stops its contestants and the server, even if `use` fails.
   *
   * @param {(stage: Stage) => Promise<void>} use
   * @param {() => Promise<object>} [start] starts the server, or a cluster instead
   */
  async onServer(use, start = startRedis) {
    const server = await start();
    const stage = new Stage(this, server);
    try {
      await use(stage);
    } finally {
      for (const contestant of stage.contestants) contestant.end();
      await server.stop();
    }
  }

  /** Stores the measurement of a target. @param {string} id @param {import('./statistics').Summary} summary */
  report(id, summary) {
    this.measured[id] = summary;
  }

  /**
   * Measures the contestants in alternating rounds and stores the result as a workload.
   *
   * @param {string} title
   * @param {Omit<Parameters<typeof alternate>[0], 'progress'>} settings
   * @param {Record<string, unknown>} [about] properties of the workload that charts and tables need
   */
  async alternate(title, settings, about) {
    const rounds = await alternate({
      ...settings,
      progress: (round) => this.progress.show(title, round, settings.rounds),
    });
    const workload = { title, ...about, contestants: rounds.summaries() };
    this.workloads.push(workload);
    this.progress.done(workload);
    return rounds;
  }
}

/** A server or a cluster, its contestants, and the benchmark's own connections to the nodes. */
class Stage {
  /** @type {Contestant[]} */
  contestants = [];
  #databases = new Map();

  constructor(bench, server) {
    this.bench = bench;
    this.server = server;
    this.nodes = (server.nodes ?? [server]).map((node) => node.client());
    this.redis = this.nodes[0];
  }

  /**
   * @param {string} peer the name of a file in peers/
   * @param {number} [db] the peer's database on the server
   * @param {string} [url] another connection string to the same database
   */
  async open(peer, db = 0, url = `${this.server.url}/${db}`) {
    const contestant = await Contestant.open(peer, url);
    contestant.label = labelBeside(peer, this.contestants);
    this.contestants.push(contestant);
    this.#databases.set(contestant, db);
    return contestant;
  }

  /** Opens the peers one after the other. Each gets its own database. */
  async openAll(peers) {
    const opened = [];
    for (const peer of peers) opened.push(await this.open(peer, this.contestants.length));
    return opened;
  }

  /** Empties a contestant's database. @param {Contestant} contestant */
  async clear(contestant) {
    await this.redis.select(this.#databases.get(contestant));
    await this.redis.flushdb();
  }

  /**
   * Runs a workload in a contestant and adds the CPU time and the commands that the server spent per call.
   *
   * @param {Contestant} contestant
   * @param {object} run see worker.js
   */
  async measure(contestant, run) {
    const before = await this.#usage();
    const { calls: _, allCalls, ...measured } = await contestant.ask('run', run);
    const after = await this.#usage();
    return {
      ...measured,
      redisMicros: (after.micros - before.micros) / allCalls,
      redisCommands: (after.commands - before.commands) / allCalls,
    };
  }

  /** The sum over all nodes. */
  async #usage() {
    const total = { micros: 0, commands: 0 };
    for (const { micros, commands } of await Promise.all(this.nodes.map(usage))) {
      total.micros += micros;
      total.commands += commands;
    }
    return total;
  }
}

module.exports = { Bench };
