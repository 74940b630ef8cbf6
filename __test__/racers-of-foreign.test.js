'use strict';

// Races of two instances and of two instances whose connections are cut, about sessions whose token was not made for their
// owner. Only this suite aims at two steps of different calls that reach the servers at once.
//
//     RACES=20000 node --test __test__/racers-of-foreign.test.js       more rounds of each race

const { LIMITED, RACES } = require('./support/races-of-foreign.js');
const { runRaces } = require('./support/racing.js');

/** Outcomes that chance decides. Each must have happened, or the calls did not race. */
const MUST_HAPPEN = {
  'killAll ends what was there, whatever is rotated, refreshed and claimed': [
    'killed first',
    'rotated first',
  ],
  'a create of the same token during killAll is ended by the next one at the latest': [
    'created after it',
    'ended',
  ],
};

/** Races that take much longer than the others. */
const SHARE = {
  'killAll ends what was there, whatever is rotated, refreshed and claimed': 0.25,
  'of many logins with maxSessions as many stay, the last one among them': 0.1,
};

runRaces(RACES, { share: SHARE, mustHappen: MUST_HAPPEN });
runRaces(LIMITED, { share: SHARE, mustHappen: {}, options: { maxSessions: 3 } });
