'use strict';

/** A problem that the user has to solve. It is printed without a stack. */
class Stop extends Error {}

/**
 * Runs a script's main function. Prints only the message of a `Stop`. Any other error is a bug, and is printed with its
 * stack.
 *
 * @param {() => Promise<void> | void} main
 */
async function runScript(main) {
  try {
    await main();
  } catch (error) {
    console.error(error instanceof Stop ? `\n${error.message}\n` : error);
    process.exitCode = 1;
  }
}

module.exports = { Stop, runScript };
