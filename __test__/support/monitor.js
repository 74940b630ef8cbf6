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

/**
 * The commands of an app that a server carries out while something is done: the name of each with its keys, and whether a
 * client sent it or a script.
 *
 * @param {any} server as startRedis gives it
 * @param {string} app
 * @param {() => Promise<any>} act
 */
async function commandsDuring(server, app, act) {
  const watching = await server.monitor();
  let transcript;
  try {
    await act();
  } finally {
    transcript = await watching.stop(); // An open connection would keep the process.
  }
  const lines = [...transcript.matchAll(/^\+?\d+\.\d+ \[\d+ (lua)?[^\]]*\] "(\w+)"(.*)$/gm)];
  const ours = lines.filter(([, lua, , args]) => args.includes(app) || (lua && args === ''));
  return ours.map(([, lua, name, args]) => {
    const keys = [...args.matchAll(/"(spots:[^"]*)"/g)].map(([, key]) => key);
    return { sent: lua === undefined, name: name.toLowerCase(), keys };
  });
}

module.exports = { commandsDuring, commandsIn };
