'use strict';

// In each gap between the steps of a call on sessions whose token was not made for their owner, another call runs whole.
// Only this suite finds a session that is left without a pointer, or comes back, because of one such order.

const assert = require('node:assert/strict');
const { before, describe, test } = require('node:test');
const foreign = require('../lib/foreign.js');
const checks = require('./support/foreign-checks.js');
const { inEachGap } = require('./support/foreign-steps.js');
const { forEachTarget, freshName } = require('./support/targets.js');

const { MINUTES, assertFound, make, newToken, opened, openedBy, publicIdOf } = checks;

const patch = { set: {}, deleted: [], durationMs: 10 * MINUTES };

/** Changes the owner of a session. */
const claim =
  (before, after) =>
  (sessions, { app, token }) =>
    foreign.claim(sessions, { app, token, before, after, ...patch });

/** Makes a session under the token that the race is about. */
const create =
  (ownerId, replace) =>
  (sessions, { app, token, made }) =>
    foreign.create(sessions, {
      ...{ app, token, ownerId, replace },
      ...{ data: { made }, durationMs: 10 * MINUTES },
    });

/** The calls that are stopped: who owns the session before, if there is one, and the call. */
const STOPPED = {
  'a create': ['nothing', create('ann', false)],
  'a create in the place of a session of the same owner': ['ann', create('ann', true)],
  "a create in the place of another owner's session": ['bob', create('ann', true)],
  'a create that replaces nothing': ['ann', create('ann', false)],
  'a claim of an anonymous session': [undefined, claim(undefined, 'ann')],
  "a claim of another owner's session": ['bob', claim('bob', 'ann')],
  'a claim that makes it anonymous': ['ann', claim('ann', undefined)],
  'a claim that keeps its owner': ['ann', claim('ann', 'ann')],
  'a rotate': ['ann', (sessions, { app, token }) => sessions.rotate({ app, token })],
  'a rotate of an anonymous session': [
    undefined,
    (sessions, { app, token }) => sessions.rotate({ app, token }),
  ],
  'a refresh that lengthens the pointer': [
    'ann',
    (sessions, { app, token }) => sessions.refresh({ app, token, duration: 3600 }),
  ],
  'a killAll': ['ann', (sessions, { app }) => sessions.killAll({ app, ownerId: 'ann' })],
  'a killAll that spares one': [
    'ann',
    (sessions, { app, spared }) => sessions.killAll({ app, ownerId: 'ann', except: spared }),
  ],
  'a list': ['ann', (sessions, { app }) => sessions.list({ app, ownerId: 'ann' })],
  'a kill by token': ['ann', (sessions, { app, token }) => sessions.kill({ app, token })],
  'a kill by id': [
    'ann',
    (sessions, { app, token }) => sessions.kill({ app, ownerId: 'ann', id: publicIdOf(token) }),
  ],
};

/** The calls that run whole in a gap. */
const MEANWHILE = {
  'a kill by token': (sessions, { app, token }) => sessions.kill({ app, token }),
  'a kill by id': (sessions, { app, token }) =>
    sessions.kill({ app, ownerId: 'ann', id: publicIdOf(token) }),
  'a killAll': (sessions, { app }) => sessions.killAll({ app, ownerId: 'ann' }),
  "a killAll of another owner's sessions": (sessions, { app }) =>
    sessions.killAll({ app, ownerId: 'bob' }),
  'a killAll that spares another session': (sessions, { app, spared }) =>
    sessions.killAll({ app, ownerId: 'ann', except: spared }),
  'a create of the same token': create('ann', true),
  'a create of the same token by another owner': create('bob', true),
  'a create of the same token that replaces nothing': create('ann', false),
  'an anonymous create of the same token': create(undefined, true),
  'a claim by another owner': claim('ann', 'bob'),
  'a claim of a session of another owner': claim('bob', 'ann'),
  'a claim of an anonymous session': claim(undefined, 'ann'),
  'a claim that makes it anonymous': claim('ann', undefined),
  'a claim that keeps its owner': claim('ann', 'ann'),
  'a refresh': (sessions, { app, token }) => sessions.refresh({ app, token, duration: 5400 }),
  'a refresh for ever': (sessions, { app, token }) =>
    sessions.refresh({ app, token, duration: Infinity }),
  'a rotate': (sessions, { app, token }) => sessions.rotate({ app, token }),
  'a list': (sessions, { app }) => sessions.list({ app, ownerId: 'ann' }),
};

/** Whether a session must have ended when these calls have resolved: a kill may find that it was moved. */
const ENDS = {
  'a kill by token': (_, found) => found,
  'a kill by id': ({ ownerId }, found) => ownerId === 'ann' && found,
  'a killAll': ({ ownerId }) => ownerId === 'ann',
  "a killAll of another owner's sessions": ({ ownerId }) => ownerId === 'bob',
  'a killAll that spares another session': ({ ownerId }) => ownerId === 'ann',
  'a killAll that spares one': ({ ownerId }) => ownerId === 'ann',
};

/**
 * Asserts what a list shows although another call runs between its steps: the owner's sessions that lived before it and
 * live after it, and no other owner's, and each once.
 */
function assertListed(listed, { before, after }) {
  const made = listed.map(({ data }) => data.made);
  assert.equal(new Set(listed.map(({ id }) => id)).size, made.length, 'an id is listed twice');
  const ofAnn = (sessions) => sessions.filter((session) => session?.ownerId === 'ann');
  const own = [...ofAnn(before), ...ofAnn(after)].map((session) => session.made);
  assert.deepEqual(
    made.filter((each) => !own.includes(each)),
    [],
    'sessions of others',
  );
  for (const session of ofAnn(before)) {
    const isSame = (each) => each.made === session.made && each.token === session.token;
    const lives = ofAnn(after).some(isSame);
    if (lives) assert.ok(made.includes(session.made), `${session.made} is not listed`);
  }
}

forEachTarget((_target, open) => {
  let sessions;
  let redis;
  before(() => {
    ({ sessions, redis } = open());
  });

  /** A session to race about, one to spare, and one of an owner whom nobody names. */
  async function raceAbout(owner) {
    const app = freshName();
    const place = { sessions, redis, app };
    const [spared, others] = [await make(place), await make(place, { ownerId: 'cid' })];
    const token = owner === 'nothing' ? newToken() : await make(place, { ownerId: owner });
    return { place, given: { app, token, spared }, tokens: [token, spared, others] };
  }

  for (const [label, [owner, stopped]] of Object.entries(STOPPED)) {
    describe(label, { concurrency: 8 }, () => {
      for (const [name, meanwhile] of Object.entries(MEANWHILE)) {
        test(`leaves nothing wrong if ${name} runs between its steps`, () =>
          inEachGap(async (gap) => {
            const { place, given, tokens } = await raceAbout(owner);
            const { token, spared } = given;
            const [before, kept, other] = await Promise.all(
              tokens.map((each) => opened(place, each)),
            );
            const [first, second] = [`${gap} stopped`, `${gap} meanwhile`];
            const ended = new Set();
            /** Makes a call, and notes which session must have ended when it has resolved. */
            async function watched(call, title, stillOwned) {
              const session = await opened(place, token);
              const value = await call();
              const isHeld = session && ENDS[title]?.(session, value) && stillOwned(session);
              if (isHeld) ended.add(session.made);
              if (typeof value === 'string') tokens.push(value);
              return value;
            }
            let value;
            return {
              sessions,
              call: (stepped) =>
                watched(
                  () => stopped(stepped, { ...given, made: first }),
                  label,
                  // Another call may have given it to another owner before it was looked for.
                  () => !name.includes('claim'),
                ),
              act: async () => {
                const call = () => meanwhile(sessions, { ...given, made: second });
                value = await watched(call, name, () => true);
              },
              check: async (end) => {
                const found = await openedBy(place, tokens);
                for (const { made } of found)
                  assert.ok(!ended.has(made), `${made} is back, in gap ${gap} of ${end.steps}`);
                assert.deepEqual(
                  found.find(({ made }) => made === other.made),
                  other,
                  "another owner's session",
                );
                const sparing = [label, name].every((each) => !/killAll$/.test(each));
                if (sparing) assert.deepEqual(await opened(place, spared), kept);
                const lists = [label === 'a list' && end.value, name === 'a list' && value];
                for (const listed of lists.filter(Boolean)) {
                  assertListed(listed, { before: [before, kept], after: found });
                }
                const rotated = [end.value, value].some((each) => typeof each === 'string');
                const made = [label, name].some((each) => each.includes('create'));
                if (rotated && !made) assert.equal(await opened(place, token), undefined);
                try {
                  await assertFound(place, tokens);
                } catch (error) {
                  error.message = `gap ${gap} of ${end.steps}: ${error.message}`;
                  throw error;
                }
              },
            };
          }));
      }
    });
  }
});
