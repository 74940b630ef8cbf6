'use strict';

// The process that ends all of an owner's sessions and says how long its event loop was held up.

const { monitorEventLoopDelay, performance } = require('node:perf_hooks');
const { SpotsSessions } = require('../..');
const cpu = require('../cpu');
const { drive } = require('../driver');
const { app, duration, sessionOf } = require('../payload');
const { answer } = require('../requests');

const ownerId = 'the-owner';

/** Milliseconds between two looks at the event loop. */
const resolution = 1;

/** @type {SpotsSessions} */
let sessions;

answer({
  async open({ url }) {
    sessions = new SpotsSessions(url);
  },

  /** Creates the owner's sessions, and one of somebody else, which is to stay. */
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
    // One that ended before the first look held nothing up for as long as that.
    const stall = delays.count === 0 ? 0 : Math.max(0, delays.max / 1e6 - resolution);
    return { ms, mainThreadMicros, stall };
  },
});
