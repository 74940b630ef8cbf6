'use strict';

// Two calls race thousands of times: those of two instances, and of two instances whose connections are cut. Only the
// suites of races look into Redis after each race. So they find leftovers that no answer shows: a key, a member of an
// index, a record without an expiry. Only this suite aims at rare moments: the expiry of a session, and the time between
// two steps of killAll.
//
//     RACES=20000 node --test __test__/racers.test.js       more rounds of each race

const { RACES } = require('./support/races.js');
const { runRaces } = require('./support/racing.js');

/** Races that take much longer than the others: a round of one of these has hundreds of calls. */
const SHARE = {
  'killAll during a hundred creates leaves no session out of the index': 0.1,
  // Together, the four targets have ROUNDS.
  'killAll in steps ends all sessions that were there at its start, whatever is refreshed and created': 0.25,
};

/** Outcomes that chance decides. Each must have happened, or the calls did not race. */
const MUST_HAPPEN = {
  'killAll in steps ends all sessions that were there at its start, whatever is refreshed and created':
    ['between two steps'],
  'refresh at the expiry resolves to true for a session that lives on, and to false for one that is gone':
    ['in time', 'too late'],
  'update at the expiry does not lengthen the life of the session': ['in time', 'too late'],
};

runRaces(RACES, { share: SHARE, mustHappen: MUST_HAPPEN });
