'use strict';

// How the examples tell their stories: numbered steps with the calls and their answers, in colours on a terminal.

const { inspect } = require('node:util');
const { SpotsSessions } = require('..');

const colourful = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (/** @type {number} */ code) => (/** @type {string} */ text) =>
  colourful ? `\x1b[${code}m${text}\x1b[0m` : text;
const bold = paint(1);
const faint = paint(2);
const green = paint(32);
const cyan = paint(36);

let steps = 0;

/**
 * Tells a story on the target that the command line names, or in memory.
 *
 * @param {string} command how to run it, for a hint
 * @param {(sessions: SpotsSessions) => Promise<void>} story
 */
async function tell(command, story) {
  const target = process.argv[2] ?? 'memory:';
  // The connection string is not shown, because it may hold a password.
  if (target === 'memory:') {
    console.log(`${bold('@spots-tech/sessions')} in the memory of this process`);
    console.log(faint(`(on a server: ${command} redis://localhost:6379)`));
  } else {
    console.log(`${bold('@spots-tech/sessions')} on a Redis server`);
  }
  try {
    const sessions = new SpotsSessions(target);
    try {
      await story(sessions);
      console.log(`\n${bold('Done')}: ${steps} steps.`);
    } finally {
      await sessions.close();
    }
  } catch (error) {
    console.error(`\n${/** @type {Error} */ (error).message}`);
    process.exitCode = 1;
  }
}

/**
 * Shows what happens, the call, and its answer.
 *
 * @template T
 * @param {string} what what happens
 * @param {string} call the call as a program would write it
 * @param {Promise<T>} answer
 * @param {(answer: T) => string} [show] the lines that show the answer
 * @returns {Promise<T>}
 */
async function step(what, call, answer, show = showValue) {
  steps += 1;
  console.log(`\n${bold(`${steps}. ${what}`)}`);
  console.log(`   ${cyan(call)}`);
  const value = await answer;
  console.log(show(value));
  return value;
}

/** Formats an answer. A string is a token, so its middle is hidden. @param {unknown} value */
function showValue(value) {
  const text =
    typeof value === 'string'
      ? `${green(`'${value.slice(0, 6)}…${value.slice(-4)}'`)}  ${faint(`(${value.length} characters)`)}`
      : green(inspect(value, { breakLength: Number.POSITIVE_INFINITY }));
  return `   ${faint('→')} ${text}`;
}

module.exports = { faint, green, step, tell };
