'use strict';

// Races of two instances and of two instances whose connections are cut, about `maxSessions`, `sliding` and `lifetime`.
// Only this suite finds an owner who has more sessions than allowed after creates at once, and a killed session that its
// own last use brings back.
//
//     RACES=20000 node --test __test__/racers-of-life.test.js       more rounds of each race

const { RACES } = require('./support/races-of-life.js');
const { runRaces } = require('./support/racing.js');

/** Outcomes that chance decides. Each must have happened, or the calls did not race. */
const MUST_HAPPEN = {
  'a kill during a use of a sliding session ends it, and the extension brings nothing back': [
    'used',
  ],
  'a rotation during a use of a sliding session leaves nothing of the old token': ['used'],
  'no session outlives its lifetime by a millisecond, whatever uses and refreshes it': [
    'extended',
    'at the end of its lifetime',
  ],
};

runRaces(RACES, { mustHappen: MUST_HAPPEN });
