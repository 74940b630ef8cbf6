'use strict';

// A process that calls killAll for an owner and measures how long its event loop is blocked.

const { monitorEventLoopDelay, performance } = require('node:perf_hooks');
const { SpotsSessions } = require('../..');
const cpu = require('../cpu');
const { drive } = require('../driver');
const { app, duration, sessionOf } = require('../payload');
const { answer } = require('../requests');

const ownerId = 'the-owner';

/** The sampling interval of the event-loop delay, in milliseconds. */
const resolution = 1;

/** @type {SpotsSessions} */
let sessions;

answer({
  async open({ url }) {
    sessions = new SpotsSessions(url);
  },

  /** Creates the owner's sessions, and one session of another owner, which killAll must keep. */
  async create({ count, size }) {
    const { data } = sessionOf(size, 0);
    const create = (owner) => sessions.create({ app, ownerId: owner, data, duration });
    await create('another');
    await drive(() => create(ownerId), { inFlight: 256, calls: count });
  },

  async killAll() {
    const delays = monitorEventLoopDelay({ resolution });
    delays.enable();
    const from = performance.now();
    const before = cpu.mainThreadMicros();
    const killed = await sessions.killAll({ app, ownerId });
    const mainThreadMicros = cpu.mainThreadMicros() - before;
    const ms = performance.now() - from;
    delays.disable();
    if (!killed) throw new Error('the owner had no sessions');
    // No sample means that killAll finished within one interval, so it blocked the loop for less than that.
    const stall = delays.count === 0 ? 0 : Math.max(0, delays.max / 1e6 - resolution);
    return { ms, mainThreadMicros, stall };
  },
});
