'use strict';

/** What a person has to mend; it is printed without a stack. */
class Stop extends Error {}

/**
 * Runs a script's main function: a `Stop` is printed as it reads, anything else as the bug it is.
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
