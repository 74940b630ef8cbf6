'use strict';

// What the suites share: a server each, contestants on it, measuring, and where results go.

const { startRedis } = require('../__test__/support/redis-server');
const { Contestant, labelBeside } = require('./contestant');
const { Progress } = require('./progress');
const { usage } = require('./redis-usage');
const { alternate } = require('./rounds');

class Bench {
  /** @type {Record<string, import('./statistics').Summary>} by the id of a target */
  measured = {};
  /** Everything that was measured, in the order of measuring. */
  workloads = [];
  progress = new Progress();

  /**
   * @param {object} options
   * @param {boolean} options.quick
   * @param {string} options.subject the peer that the targets are about
   * @param {string} [options.before] the folder of another build of this package
   */
  constructor({ quick, subject, before }) {
    this.quick = quick;
    this.before = before;
    this.subject = subject;
    this.subjectLabel = require(`./peers/${subject}`).label;
  }

  /** One of two numbers, by how much time there is. */
  choose(whole, quick) {
    return this.quick ? quick : whole;
  }

  /**
   * Runs `use` with a fresh server and ends what it left open, also when it fails.
   *
   * @param {(stage: Stage) => Promise<void>} use
   * @param {() => Promise<object>} [start] starts a cluster instead
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

  /** @param {string} id of a target @param {import('./statistics').Summary} summary */
  report(id, summary) {
    this.measured[id] = summary;
  }

  /**
   * Alternates between contestants and keeps what was measured.
   *
   * @param {string} title
   * @param {Omit<Parameters<typeof alternate>[0], 'progress'>} settings
   * @param {Record<string, unknown>} [about] what a chart or a table has to know of it
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

/** A server or a cluster, the contestants on it and our own connections to its nodes. */
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
   * @param {string} peer a file of peers/
   * @param {number} [db] its database on the server
   * @param {string} [url] another way to it
   */
  async open(peer, db = 0, url = `${this.server.url}/${db}`) {
    const contestant = await Contestant.open(peer, url);
    contestant.label = labelBeside(peer, this.contestants);
    this.contestants.push(contestant);
    this.#databases.set(contestant, db);
    return contestant;
  }

  /** Opens the peers one by one, each with a database of its own. */
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
   * Lets a contestant run, and asks the server what that cost it.
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

  /** What all nodes spent. */
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
