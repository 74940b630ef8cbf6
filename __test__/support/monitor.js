'use strict';

/** Commands of connections and of the tests themselves. */
const OTHERS = ['hello', 'auth', 'client', 'info', 'echo', 'ping', 'select'];

/**
 * The commands that clients sent, in lower case, from MONITOR, without those inside scripts.
 *
 * @param {string} transcript
 */
function commandsIn(transcript) {
  const lines = transcript.split('\n').filter((line) => /^\+?\d+\.\d+ \[\d+ (?!lua)/.test(line));
  return lines
    .map((line) => line.match(/\] "(\w+)"/)[1].toLowerCase())
    .filter((name) => !OTHERS.includes(name));
}

module.exports = { commandsIn };
