'use strict';

// A process that loads two builds of the package and makes the same calls with each.

const { drive } = require('../driver');
const { app, duration, sessionOf } = require('../payload');
const { answer } = require('../requests');

const SESSIONS = 1000;
const SIZE = 170;

/** @type {Map<string, Record<string, (index: number) => Promise<void>>>} the operations of each build */
const builds = new Map();

/** The operations of a build. `kill` ends the sessions that `create` has created. */
async function open(folder, url) {
  const { SpotsSessions } = require(folder);
  const sessions = new SpotsSessions(url);
  /** Each session has an owner of its own. */
  let created = 0;
  const create = () => sessions.create(sessionOf(SIZE, created++));
  const staying = await Promise.all(Array.from({ length: SESSIONS }, create));
  const ending = [];
  const token = (index) => staying[index % SESSIONS];
  return {
    get: async (index) => found(await sessions.get({ app, token: token(index) })),
    refresh: async (index) => found(await sessions.refresh({ app, token: token(index), duration })),
    create: async () => void ending.push(await create()),
    kill: async () => found(await sessions.kill({ app, token: ending.pop() })),
  };
}

function found(session) {
  if (!session) throw new Error('a session was not found');
}

answer({
  /** Loads the builds, in this order. Each gets its own database. */
  async open({ builds: wanted, url }) {
    for (const [db, { label, folder }] of wanted.entries()) {
      builds.set(label, await open(folder, `${url}/${db}`));
    }
  },

  run: ({ build, operation, ...run }) => drive(builds.get(build)[operation], run),
});
