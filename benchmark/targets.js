'use strict';

// The speed targets of the package, one entry per number. A suite reports its measurement under the target's id. docs/
// gives the reasons for the targets.

/**
 * @typedef {object} Target
 * @property {string} id
 * @property {string} text
 * @property {number} [least] met when the measured median is at least this
 * @property {number} [most] met when it is at most this
 * @property {string} unit of what was measured: `×` is a ratio between contestants of one run
 */

/** @type {Target[]} */
const targets = [
  ...perLevel({ 1: 1.0, 16: 1.0, 64: 2.2, 1000: 4.0 }, (level, least) => ({
    id: `get.${level}`,
    text: `get ÷ ioredis get + JSON.parse, calls/s, ${level} in flight`,
    least,
    unit: '×',
  })),
  ...perLevel({ 64: 0.35, 1000: 0.25 }, (level, most) => ({
    id: `get.mainThread.${level}`,
    text: `main-thread time per get ÷ ioredis, ${level} in flight`,
    most,
    unit: '×',
  })),
  ...perLevel({ 64: 0.55, 1000: 0.45 }, (level, most) => ({
    id: `get.process.${level}`,
    text: `whole-process CPU per get ÷ ioredis, ${level} in flight`,
    most,
    unit: '×',
  })),
  ...['create', 'update', 'refresh', 'kill'].map((operation) => ({
    id: `write.${operation}`,
    text: `${operation} ÷ the same script through ioredis, calls/s, 64 in flight`,
    least: 1.5,
    unit: '×',
  })),
  {
    id: 'life.list',
    text: 'list of 10 sessions ÷ an index by hand through ioredis, calls/s, 64 in flight',
    least: 1.5,
    unit: '×',
  },
  {
    id: 'life.rotate',
    text: 'rotate ÷ the same script through ioredis, calls/s, 64 in flight',
    least: 1.5,
    unit: '×',
  },
  {
    id: 'sliding.steady',
    text: 'get of sliding sessions ÷ get of others, calls/s, 64 in flight',
    least: 0.95,
    unit: '×',
  },
  {
    id: 'sliding.first',
    text: 'the same for sessions that a process reads for the first time, 50 processes',
    least: 0.5,
    unit: '×',
  },
  ...perLevel({ 1: 1.0, 8: 1.0, 64: 1.4 }, (level, least) => ({
    id: `http.${level}`,
    text: `node:http server, a session per request ÷ with ioredis, requests/s, connections: ${level}`,
    least,
    unit: '×',
  })),
  {
    id: 'http.none',
    text: 'node:http server, a session per request ÷ without, requests/s, connections: 64',
    least: 0.88,
    unit: '×',
  },
  {
    id: 'http.fastify',
    text: 'Fastify server, a session per request ÷ with ioredis, requests/s, connections: 64',
    least: 1.2,
    unit: '×',
  },
  ...Object.entries({ read: 'read only', change: 'one key changed per request' }).map(
    ([id, text]) => ({
      id: `express.${id}`,
      text: `express-session with SessionStore ÷ with connect-redis, requests/s, 64 connections, ${text}`,
      least: 1.2,
      unit: '×',
    }),
  ),
  {
    id: 'migrate',
    text: 'migrate from version 1 ÷ a bare pipelined copy through ioredis, sessions/s',
    least: 1,
    unit: '×',
  },
  ...perLevel({ 1: 0.97, 16: 0.97, 64: 0.97, 1000: 0.97 }, (level, least) => ({
    id: `builds.${level}`,
    text: `get ÷ of another build of this package, calls/s, ${level} in flight`,
    least,
    unit: '×',
  })),
  ...['create', 'refresh', 'kill'].map((operation) => ({
    id: `builds.${operation}`,
    text: `${operation} ÷ of another build of this package, calls/s, 64 in flight`,
    least: 0.97,
    unit: '×',
  })),
  {
    id: 'get.redisSessions',
    text: 'get ÷ redis-sessions 4 get, calls/s, 64 in flight',
    least: 8,
    unit: '×',
  },
  {
    id: 'get.version1',
    text: 'get ÷ the algorithm of version 1, calls/s, 100,000 sessions, 64 in flight',
    least: 1000,
    unit: '×',
  },
  {
    id: 'get.million',
    text: 'get with 1,000,000 sessions ÷ with 1,000, calls/s, 64 in flight',
    least: 0.9,
    unit: '×',
  },
  { id: 'get.commands', text: 'Redis commands per get', most: 1, unit: '' },
  {
    id: 'memory.redisSessions',
    text: 'Redis memory per session, index included ÷ redis-sessions 4',
    most: 0.42,
    unit: '×',
  },
  {
    id: 'memory.version1',
    text: 'Redis memory per session, index included ÷ version 1',
    most: 1.2,
    unit: '×',
  },
  {
    id: 'owners.wait',
    text: 'longest wait of another client during killAll of 10,000 sessions',
    most: 5,
    unit: 'ms',
  },
  ...Object.entries({
    killAll: 'killAll of an owner of 1,000,000',
    large: 'killAll of 1,000 sessions of 1 MiB',
    expired: 'create on an index of 1,000,000 expired members',
    joined: '32 creates in one script, on such an index',
    list: 'list of 1,000 sessions of 1 KiB',
    listLarge: 'list of 15 sessions of 1 MiB',
    rotate: '32 rotates in one script, of an owner of 1,000,000',
    tied: 'create with maxSessions, 10,000 sessions end at the same time',
  }).map(([id, text]) => ({
    id: `steps.${id}`,
    text: `longest script on the server: ${text}`,
    most: 5,
    unit: 'ms',
  })),
  {
    id: 'burst',
    text: '20,000 updates and gets of one session at once ÷ SET and GET of 1 KiB through ioredis, time',
    most: 2,
    unit: '×',
  },
  ...['read', 'write'].flatMap((direction) =>
    ['string', 'fields', 'nested'].map((shape) => ({
      id: `large.${direction}.${shape}`,
      text: `event loop blocked by a ${direction} of 1 MiB (${shape}) ÷ by ${direction === 'read' ? 'JSON.parse' : 'JSON.stringify'} alone`,
      most: 2,
      unit: '×',
    })),
  ),
  ...['get', 'mix'].flatMap((operation) =>
    perLevel({ 64: 2.0, 1000: 3.0 }, (level, least) =>
      Object.entries({ ioredis: 'ioredis, autopipelining', glide: 'valkey-glide' }).map(
        ([id, peer]) => ({
          id: `cluster.${operation}.${level}.${id}`,
          text: `Cluster: ${operation === 'mix' ? 'the mix' : operation} ÷ ${peer}, calls/s, ${level} in flight`,
          least,
          unit: '×',
        }),
      ),
    ).flat(),
  ),
  // ioredis by hand makes no index, so its SET is not comparable with `create`. The same script is.
  ...perLevel({ 64: 1.6, 1000: 1.9 }, (level, least) => ({
    id: `cluster.create.${level}.scripts`,
    text: `Cluster: create ÷ the same script through ioredis, calls/s, ${level} in flight`,
    least,
    unit: '×',
  })),
  ...['get', 'mix'].flatMap((operation) =>
    perLevel({ 64: 0.95, 1000: 0.95 }, (level, least) => ({
      id: `sentinel.${operation}.${level}`,
      text: `${operation === 'mix' ? 'the mix' : operation} through Sentinel ÷ by the server's address, calls/s, ${level} in flight`,
      least,
      unit: '×',
    })),
  ),
  ...['rss', 'heap'].map((memory) => ({
    id: `endurance.${memory}`,
    text: `${memory === 'rss' ? 'RSS' : 'heap'} of the process during 10,000,000 gets, last third ÷ first third`,
    most: 1.05,
    unit: '×',
  })),
  { id: 'idle.switches', text: 'wake-ups of the idle I/O thread in 2 s', most: 0, unit: '' },
  { id: 'load.time', text: 'loading the package', most: 20, unit: 'ms' },
  { id: 'load.size', text: "the addon's file", most: 5, unit: 'MB' },
];

/**
 * @template T
 * @param {Record<number, number>} wanted
 * @param {(level: number, value: number) => T} target
 */
function perLevel(wanted, target) {
  return Object.entries(wanted).map(([level, value]) => target(Number(level), value));
}

/** @param {Target} target @param {number} measured */
function isMet({ least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY }, measured) {
  return measured >= least && measured <= most;
}

/** @param {Target} target */
function wanted({ least, most, unit }) {
  return `${least === undefined ? `≤ ${most}` : `≥ ${least}`} ${unit}`.trimEnd();
}

module.exports = { targets, isMet, wanted };
