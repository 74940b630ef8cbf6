'use strict';

// Histories that are made up, and whether each is possible, for linearizable.test.js.

const BEGUN = { s: { base: 's' }, t: { base: 't' } };

/** `call..end method session answer`, as short as it can be told. */
const op = (call, end, method, session, answer, more) => ({
  ...{ call, end, method, session, answer },
  ...(method === 'update' && { data: { [more]: 1, last: more } }),
  ...(method === 'create' && { data: { base: session }, duration: 1000, maxSessions: more }),
  ...(method === 'refresh' && { duration: more }),
  ...(method === 'rotate' && { fresh: more }),
  ...(method === 'killAll' && { except: more }),
});
const dataOf = (base, ...updates) =>
  updates.reduce((data, u) => Object.assign(data, { [u]: 1, last: u }), { base });
const get = (call, end, ...updates) => op(call, end, 'get', 's', dataOf('s', ...updates));
/** A get under the new token of `s`. */
const getFresh = (call, end, ...updates) => op(call, end, 'get', 's2', dataOf('s', ...updates));
const rotate = (call, end, answer = true) => op(call, end, 'rotate', 's', answer, 's2');
/** A list of names, each with the base of its data and the updates. */
const list = (call, end, ...listed) =>
  op(
    call,
    end,
    'list',
    undefined,
    listed.map(([name, ...data]) => ({ name, data: dataOf(...data) })),
  );
const [S, S2, T, NEW, NEWER] = [
  ['s', 's'],
  ['s2', 's'],
  ['t', 't'],
  ['new', 'new'],
  ['newer', 'newer'],
];
const killAllExcept = (call, end, except, answer = true) =>
  op(call, end, 'killAll', undefined, answer, except);
const absent = (call, end, session = 's') => op(call, end, 'get', session, null);
const update = (call, end, name, answer = true) => op(call, end, 'update', 's', answer, name);
const kill = (call, end, answer = true, session = 's') => op(call, end, 'kill', session, answer);
const killAll = (call, end, answer = true) => op(call, end, 'killAll', undefined, answer);
const refresh = (call, end, answer = true) => op(call, end, 'refresh', 's', answer);
const create = (call, end) => op(call, end, 'create', 'new', 'a token');
/** A create with `maxSessions`. Of the sessions at the start, `s` ends first. */
const createAtMost = (call, end, most, session = 'new') =>
  op(call, end, 'create', session, 'a token', most);
const again = (op) => ({ ...op, again: true });
const inDoubt = (op) => ({ ...op, end: Infinity, answer: undefined, again: true });

/** @type {[string, any[], boolean][]} a history, and whether it may have been */
const HISTORIES = [
  ['nothing', [], true],
  ['a get of what is there', [get(0, 1)], true],
  ['a get of nothing', [absent(0, 1)], false],
  ['a get after an update', [update(0, 1, 'a'), get(2, 3, 'a')], true],
  ['a get that misses an update', [update(0, 1, 'a'), get(2, 3)], false],
  ['a get during an update: before it', [update(0, 9, 'a'), get(2, 3)], true],
  ['a get during an update: after it', [update(0, 9, 'a'), get(2, 3, 'a')], true],
  ['a get of an update to come', [get(0, 1, 'a'), update(2, 3, 'a')], false],
  ['two gets: an update is seen, then not', [update(0, 9, 'a'), get(1, 2, 'a'), get(3, 4)], false],
  [
    'two updates at once, in either order',
    [update(0, 9, 'a'), update(0, 9, 'b'), get(10, 11, 'b', 'a')],
    true,
  ],
  ['an update that is lost', [update(0, 9, 'a'), update(0, 9, 'b'), get(10, 11, 'b')], false],
  [
    'two updates in the wrong order',
    [update(0, 1, 'a'), update(2, 3, 'b'), get(4, 5, 'b', 'a')],
    false,
  ],
  [
    'two reads that saw two updates in different orders',
    [update(0, 9, 'a'), update(0, 9, 'b'), get(1, 8, 'a'), get(1, 8, 'b')],
    false,
  ],
  [
    'an update that acted twice',
    [update(0, 3, 'a'), update(4, 5, 'b'), get(6, 7, 'a', 'b', 'a')],
    false,
  ],
  ['a kill', [kill(0, 1), absent(2, 3), update(2, 3, 'a', false), refresh(2, 3, false)], true],
  ['a session that is found after its kill', [kill(0, 1), get(2, 3)], false],
  ['an update that brings a session back', [kill(0, 1), update(2, 3, 'a')], false],
  ['a refresh after a kill that is true', [kill(0, 1), refresh(2, 3)], false],
  ['a kill that found nothing', [kill(0, 1, false)], false],
  ['a killed session that comes back', [kill(0, 9), absent(1, 2), get(3, 4)], false],
  ['two kills at once, of which one is true', [kill(0, 9), kill(0, 9, false)], true],
  ['two kills that are both true', [kill(0, 9), kill(0, 9)], false],
  ['two kills of which none is true', [kill(0, 9, false), kill(0, 9, false)], false],
  ['a killAll ends both', [killAll(0, 1), absent(2, 3), absent(2, 3, 't')], true],
  ['a killAll that forgets one', [killAll(0, 1), absent(2, 3, 't'), get(2, 3)], false],
  ['a killAll of which half is seen', [killAll(0, 9), absent(1, 2, 't'), get(3, 4)], false],
  ['a killAll that found nothing', [kill(0, 1), killAll(2, 3, false)], false],
  ['a killAll that lies', [kill(0, 1), kill(0, 1, true, 't'), killAll(2, 3)], false],
  [
    'a killAll during a create',
    [kill(0, 1), kill(0, 1, true, 't'), create(2, 9), killAll(3, 4)],
    true,
  ],
  [
    'a created session that survives',
    [create(0, 1), killAll(2, 3), kill(4, 5, true, 'new')],
    false,
  ],
  [
    'an update in doubt that acts late',
    [inDoubt(update(0, 1, 'a')), get(2, 3), get(4, 5, 'a')],
    true,
  ],
  ['an update in doubt that never acts', [inDoubt(update(0, 1, 'a')), get(2, 3)], true],
  ['an update in doubt before it was made', [get(0, 1, 'a'), inDoubt(update(2, 3, 'a'))], false],
  [
    'a kill in doubt that acts late',
    [inDoubt(kill(0, 1)), get(2, 3), absent(4, 5), kill(6, 7, false)],
    true,
  ],
  [
    'a kill in doubt, and a session that comes back',
    [inDoubt(kill(0, 1)), absent(2, 3), get(4, 5)],
    false,
  ],
  [
    'an update that is sent again acts again',
    [again(update(0, 9, 'a')), update(1, 2, 'b'), get(3, 4, 'a', 'b'), get(10, 11, 'a', 'b', 'a')],
    true,
  ],
  [
    'an update that is sent once does not',
    [update(0, 9, 'a'), update(1, 2, 'b'), get(3, 4, 'a', 'b'), get(10, 11, 'a', 'b', 'a')],
    false,
  ],
  [
    'an update that is sent again acts once at the end',
    [again(update(0, 9, 'a')), get(10, 11), get(12, 13, 'a')],
    false,
  ],
  ['a kill that is sent again says true', [kill(0, 1), again(kill(2, 3))], true],
  [
    'a kill that is sent again and says false ended nothing',
    [again(kill(0, 9, false)), absent(1, 2)],
    false,
  ],
  ['a killAll that is sent again says true', [killAll(0, 1), again(killAll(2, 3))], true],
  [
    'a create that is sent again, before and after a killAll',
    [again(create(0, 9)), killAll(1, 2), killAll(3, 4), op(10, 11, 'get', 'new', { base: 'new' })],
    true,
  ],
  ['a rotation', [rotate(0, 1), absent(2, 3), getFresh(2, 3), absent(2, 3, 's3')], true],
  ['a rotation that loses an update', [update(0, 1, 'a'), rotate(2, 3), getFresh(4, 5)], false],
  ['a rotated session under its old token', [rotate(0, 1), get(2, 3)], false],
  ['a rotated session under no token', [rotate(0, 9), absent(1, 2), absent(3, 4, 's2')], false],
  ['a rotated session under both tokens', [rotate(0, 9), getFresh(1, 2), get(3, 4)], false],
  ['a rotation of what is there that finds nothing', [rotate(0, 1, false)], false],
  ['a rotation of what was killed', [kill(0, 1), rotate(2, 3)], false],
  [
    'two rotations at once, of which one is true',
    [rotate(0, 9), { ...rotate(0, 9, false), fresh: 's3' }],
    true,
  ],
  [
    'two rotations at once that are both true',
    [rotate(0, 9), { ...rotate(0, 9), fresh: 's3' }],
    false,
  ],
  [
    'a kill during a rotation, and neither finds it',
    [rotate(0, 9, false), kill(0, 9, false)],
    false,
  ],
  ['a killAll ends a rotated session', [rotate(0, 1), killAll(2, 3), absent(4, 5, 's2')], true],
  [
    'a killAll that forgets a rotated session',
    [rotate(0, 1), killAll(2, 3), getFresh(4, 5)],
    false,
  ],
  ['a rotation in doubt that acts late', [inDoubt(rotate(0, 1)), get(2, 3), absent(4, 5)], true],
  ['a rotation in doubt that acts twice', [inDoubt(rotate(0, 1)), absent(2, 3), get(4, 5)], false],
  [
    'a session whose new token nobody was told is killed with all',
    [inDoubt(rotate(0, 1)), absent(2, 3), kill(2, 3, true, 't'), killAll(4, 5)],
    true,
  ],
  ['a rotation that is sent again is true', [again(rotate(0, 9)), absent(1, 2)], true],
  [
    'a rotation that is sent again finds that the session was killed meanwhile',
    [again(rotate(0, 9, false)), absent(1, 2), killAll(3, 4)],
    true,
  ],
  ['a list of all', [list(0, 1, S, T)], true],
  ['a list that misses one', [list(0, 1, S)], false],
  ['a list after a rotation', [rotate(0, 1), list(2, 3, T, S2)], true],
  ['a list with a session under its old id', [rotate(0, 1), list(2, 3, T, S)], false],
  ['a list during a rotation without the session', [rotate(0, 9), list(1, 2, T)], false],
  ['a list during a rotation with the session twice', [rotate(0, 9), list(1, 2, S, S2, T)], false],
  ['a list that is behind', [update(0, 1, 'a'), list(2, 3, S, T)], false],
  [
    'a list with an id that nobody was told',
    [inDoubt(rotate(0, 1)), list(2, 3, T, [undefined, 's'])],
    true,
  ],
  ['a killAll spares the excepted session', [killAllExcept(0, 1, 't'), list(2, 3, T)], true],
  ['a killAll ends the excepted session', [killAllExcept(0, 1, 't'), list(2, 3)], false],
  ['a killAll spares another session', [killAllExcept(0, 1, 't'), list(2, 3, S)], false],
  [
    'a killAll ends what is excepted under its old token',
    [rotate(0, 1), killAllExcept(2, 3, 's'), list(4, 5)],
    true,
  ],
  [
    'a killAll finds the excepted session alone',
    [kill(0, 1), killAllExcept(2, 3, 't', false)],
    true,
  ],
  ['a create above maxSessions', [createAtMost(0, 1, 2), list(2, 3, T, NEW)], true],
  [
    'a create above maxSessions that ends another',
    [createAtMost(0, 1, 2), list(2, 3, S, NEW)],
    false,
  ],
  [
    'a create above maxSessions that ends nobody',
    [createAtMost(0, 1, 2), list(2, 3, S, T, NEW)],
    false,
  ],
  ['a create above maxSessions that ends itself', [createAtMost(0, 1, 2), list(2, 3, S, T)], false],
  [
    'a create above maxSessions that ends too many',
    [createAtMost(0, 1, 2), list(2, 3, NEW)],
    false,
  ],
  ['a create that leaves itself alone', [createAtMost(0, 1, 1), list(2, 3, NEW)], true],
  ['a create at maxSessions', [createAtMost(0, 1, 3), list(2, 3, S, T, NEW)], true],
  [
    'a create above maxSessions behind a refresh of the one that ended first',
    [op(0, 1, 'refresh', 's', true, 4_000_000), createAtMost(2, 3, 2), list(4, 5, S, NEW)],
    true,
  ],
  [
    'a create above maxSessions behind a rotation of the one that ends first',
    [rotate(0, 1), createAtMost(2, 3, 2), list(4, 5, T, NEW)],
    true,
  ],
  [
    'two creates at once, each of which leaves itself alone',
    [createAtMost(0, 9, 1), createAtMost(0, 9, 1, 'newer'), list(10, 11, NEWER)],
    true,
  ],
  [
    'two creates at once that both stay above maxSessions',
    [createAtMost(0, 9, 1), createAtMost(0, 9, 1, 'newer'), list(10, 11, NEW, NEWER)],
    false,
  ],
  [
    'an update of a session that a create has ended',
    [createAtMost(0, 1, 2), update(2, 3, 'a')],
    false,
  ],
  ['a killAll finds others and is false', [killAllExcept(0, 1, 't', false)], false],
];

module.exports = { BEGUN, HISTORIES, absent, get, kill, update };
