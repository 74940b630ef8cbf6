'use strict';

// Races of two instances and of two instances whose connections are cut, about `rotate`, `kill` by id, and `killAll` with
// an exception. Only this suite finds a session that a rotation leaves under both tokens or under none, and one that a
// list shows twice.
//
//     RACES=20000 node --test __test__/racers-of-rotate.test.js       more rounds of each race

const { RACES } = require('./support/races-of-rotate.js');
const { runRaces } = require('./support/racing.js');

/** Races that take much longer than the others. */
const SHARE = {
  'a list in steps shows each session at most once, whatever is rotated': 0.02,
  // Together, the four targets have a tenth of the rounds.
  'killAll in steps ends all sessions but the excepted one, whatever is rotated and created': 0.025,
};

/** Outcomes that chance decides. Each must have happened, or the calls did not race. */
const MUST_HAPPEN = {
  'an update during a rotation is in the data under the new token exactly if it resolves to true': [
    'updated',
    'rotated first',
  ],
  'a refresh during a rotation is kept under the new token exactly if it resolves to true': [
    'refreshed',
    'rotated first',
  ],
  'of a rotation and a kill, exactly one finds the session': ['killed', 'rotated'],
  'of a rotation and a kill by id, exactly one finds the session': ['killed', 'rotated'],
  'killAll during a rotation ends the session under either token': [
    'killed first',
    'rotated first',
  ],
  'a list during a rotation shows the session once, and to its owner alone': [
    'the old id',
    'the new id',
  ],
  'a list in steps shows each session at most once, whatever is rotated': ['between two steps'],
  'killAll with an exception spares what is created meanwhile or ends it, and ends all others': [
    'created after it',
    'ended',
  ],
  'killAll during a rotation of the excepted session spares it or ends it, and ends all others': [
    'spared',
    'ended',
  ],
  'killAll in steps ends all sessions but the excepted one, whatever is rotated and created': [
    'between two steps',
  ],
};

runRaces(RACES, { share: SHARE, mustHappen: MUST_HAPPEN });
