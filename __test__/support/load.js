'use strict';

// Makes calls all the time while servers fail. Each answer is known in advance, and all outcomes are counted.

const assert = require('node:assert/strict');
const { inspect } = require('node:util');
const { setTimeout: sleep } = require('node:timers/promises');
const { settled } = require('./faults.js');
const { idOf } = require('./keys.js');
const { waitUntil } = require('./wait-until.js');

const PAUSE = 5;
/** Seconds. An extension begins in a tenth of `duration`, so some sessions are extended during a long fault. */
const LIMITS = { duration: 120, sliding: true, lifetime: 300, maxSessions: 3 };
/** Clocks count whole milliseconds. */
const ROUNDING = 2;

/**
 * Starts to make calls, until it is stopped or the test ends.
 *
 * @param {import('node:test').TestContext} t
 * @param {import('../../index.js').SpotsSessions} sessions
 * @param {object} options
 * @param {string} options.app
 * @param {number} options.commandTimeout of the instance
 * @param {number} [options.workers]
 * @param {(worker: number, round: number) => string} [options.ownerOf] no two workers' may be alike
 * @param {{ ownerId: string, token: string }} [options.lasting] the one session of an owner, which no fault may lose
 */
function startLoad(t, sessions, options) {
  const load = new Load(sessions, options);
  t.after(() => load.end());
  return load;
}

class Load {
  #sessions;
  #options;
  #stopped = false;
  #mayLose = false;
  /** How often the expectation has changed. It holds for rounds during which it did not change. */
  #changes = 0;
  #work;
  #failure;
  /** The rounds, the calls, and how many calls were rejected, by code. */
  rounds = 0;
  calls = 0;
  /** @type {Record<string, number>} */
  errors = {};

  constructor(sessions, { workers = 12, ownerOf = (w, r) => `${w}-${r}`, ...options }) {
    this.#sessions = sessions;
    this.#options = { ...options, ownerOf };
    this.#work = Promise.all(Array.from({ length: workers }, (_, n) => this.#worker(n)));
    this.#work.catch((failure) => {
      this.#failure = failure;
      this.#stopped = true;
    });
  }

  /** From now on acknowledged changes may be lost, because replication is asynchronous. */
  mayLose() {
    this.#mayLose = true;
    this.#changes++;
  }

  /** Rounds that begin from now on lose nothing. */
  losesNothing() {
    this.#mayLose = false;
    this.#changes++;
  }

  /** Resolves after this many more rounds. */
  async goesOn(rounds = 30) {
    const until = this.rounds + rounds;
    await this.sees(() => this.rounds >= until, 'the work to go on');
  }

  /**
   * Waits for an effect of the calls. Rejects if an answer was wrong.
   *
   * @param {() => boolean | Promise<boolean>} condition
   * @param {string} what
   */
  async sees(condition, what) {
    await waitUntil(() => this.#failure !== undefined || condition(), what);
    if (this.#failure) throw this.#failure;
  }

  /** Ends the calls, and rejects if an answer was wrong. */
  async stop() {
    this.#stopped = true;
    await this.#work;
  }

  /** Ends the calls of a test that has ended. */
  end() {
    this.#stopped = true;
  }

  async #worker(worker) {
    for (let round = 0; !this.#stopped; round++) {
      await this.#round(worker, round).catch((error) => {
        if (error !== ABANDONED) throw error;
      });
      this.rounds++;
      await sleep(PAUSE);
    }
  }

  /** The life of one session. */
  async #round(worker, round) {
    const { app } = this.#options;
    const ownerId = this.#options.ownerOf(worker, round);
    const whose = { worker, round };
    const change = this.#changes;
    /** Whether no acknowledged change may be lost. */
    const isExact = () => !this.#mayLose && this.#changes === change;
    const create = (more) =>
      this.#call('create', { app, ownerId, data: { ...whose, step: 0 }, ...more });
    const isLimited = round % 2 === 0;
    let token = await create(isLimited ? LIMITS : {});
    const steps = [0];

    const find = async () => {
      const found = await this.#call('get', { app, token });
      if (found === undefined) {
        assert.ok(!isExact(), `a session of ${ownerId} is lost`);
        return;
      }
      // The data of another session is never returned, whatever was lost.
      const { step, ...rest } = found.data;
      assert.deepEqual([found.ownerId, rest], [ownerId, whose]);
      assert.ok(isExact() ? step === steps.at(-1) : steps.includes(step), inspect({ step, steps }));
    };
    const isOver = async (ended, how) => {
      const found = await this.#call('get', { app, token: ended });
      if (!found) return;
      assert.ok(!isExact(), `a session of ${ownerId} outlived ${how}`);
      assert.deepEqual([found.ownerId, found.data.worker], [ownerId, worker]);
    };
    const acts = async (method, request) => {
      const answer = await this.#call(method, { app, ...request });
      assert.equal(typeof answer, 'boolean');
      assert.ok(answer || !isExact(), `${method} of ${ownerId} said false`);
    };

    await find();
    for (const step of [1, 2]) {
      await acts('update', { token, data: { step } });
      steps.push(step);
    }
    await acts('refresh', { token, duration: 600 });
    await find();
    const old = token;
    const fresh = await this.#call('rotate', { app, token });
    assert.ok(fresh !== undefined || !isExact(), `rotate of ${ownerId} found nothing`);
    token = fresh ?? old;
    await find();
    if (fresh) await isOver(old, 'its rotation');
    const { id, createdAt, expiresAt } = (await this.#call('info', { app, token })) ?? {};
    if (id) assert.equal(id, idOf(token));
    if (id && isLimited) {
      const life = expiresAt - createdAt;
      assert.ok(life <= LIMITS.lifetime * 1000 + ROUNDING, `${ownerId} outlives its lifetime`);
    }
    const all = await this.#call('list', { app, ownerId, token });
    for (const { data } of all) assert.equal(data.worker, worker, `${ownerId} sees others' data`);
    const { current } = all.find((each) => each.id === id) ?? {};
    assert.ok((id !== undefined && current) || !isExact(), `${ownerId} has lost a session`);
    await this.#findLasting();
    assert.equal(await this.#call('ping'), undefined);

    if (round % 4 === 1) {
      const other = await create(LIMITS);
      await acts('killAll', { ownerId, except: token });
      await isOver(other, 'killAll with except');
      await find();
    }
    if (round % 4 === 2) {
      const ended = token;
      // It gets the data of the other one, so that `find` knows it.
      token = await create({ ...LIMITS, data: { ...whose, step: steps.at(-1) }, maxSessions: 1 });
      await isOver(ended, 'a create with maxSessions');
      await find();
    }
    if (round % 3 === 0) await acts('killAll', { ownerId });
    else if (round % 3 === 1) await acts('kill', { ownerId, id: idOf(token) });
    else await acts('kill', { token });
    await isOver(token, 'its end');
  }

  /** The session that no fault may lose is in its owner's list, whatever else is lost. */
  async #findLasting() {
    const { app, lasting } = this.#options;
    if (!lasting) return;
    const all = await this.#call('list', { app, ownerId: lasting.ownerId });
    assert.deepEqual(
      all.map(({ id }) => id),
      [idOf(lasting.token)],
      `the list of ${lasting.ownerId}`,
    );
  }

  /** Makes a call. A rejection is counted, and ends the round. */
  async #call(method, request) {
    const { commandTimeout } = this.#options;
    const { value, error } = await settled(this.#sessions[method](request), commandTimeout);
    this.calls++;
    if (!error) return value;
    const code = error.redisCode ?? error.code;
    this.errors[code] = (this.errors[code] ?? 0) + 1;
    throw ABANDONED;
  }
}

/** Thrown when a call was rejected, so that the state of its session is unknown. */
const ABANDONED = new Error('abandoned');

module.exports = { startLoad };
