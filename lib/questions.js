'use strict';

// The functions among the options, such as a `password` that expires. The engine asks them by an event, and gets the
// answer under the number of the question. The other side is src/question.rs.

const { natMapOfEngine } = require('./nat-map.js');

// Node's own, taken when this module loads, so that a test's fake timers do not stop the answers.
const { setImmediate } = require('node:timers');

/** The most causes that are kept. Not every failure becomes an event, so some causes are never taken. */
const MAX_CAUSES = 64;

/**
 * A function that the engine may ask. What it throws is the `cause` of an `error` event.
 *
 * @typedef {(argument: string) => string | Promise<string>} Answerer
 */

class Questions {
  #functions;
  /** What functions threw, by the number of the question, the oldest first. @type {Map<string, unknown>} */
  #causes = new Map();

  /** @param {Record<string, Answerer>} functions by the name of their option */
  constructor(functions) {
    this.#functions = functions;
  }

  /**
   * Calls a function in a turn of the event loop of its own, because it may throw and take long.
   *
   * @param {string} number
   * @param {string} name
   * @param {string} argument
   * @param {(number: number, text: string | null) => void} answer is called with null if the function failed
   */
  ask(number, name, argument, answer) {
    setImmediate(async () => {
      let text = null;
      try {
        text = await this.#functions[name](argument);
      } catch (cause) {
        this.#keep(number, cause);
      }
      answer(Number(number), text);
    });
  }

  /** @param {string} number @param {unknown} cause */
  #keep(number, cause) {
    this.#causes.set(number, cause);
    if (this.#causes.size <= MAX_CAUSES) return;
    const [oldest] = this.#causes.keys();
    this.#causes.delete(oldest);
  }

  /**
   * Takes what a function threw, as the option of an error. Returns undefined if it is not known any more.
   *
   * @param {string} number of the question
   * @returns {ErrorOptions | undefined}
   */
  takeCause(number) {
    if (!this.#causes.has(number)) return undefined;
    const cause = this.#causes.get(number);
    this.#causes.delete(number);
    return { cause };
  }
}

/**
 * Takes the functions out of the settings, because the engine asks them by their names.
 *
 * @param {Readonly<import('./options.js').Settings>} settings
 * @returns {{ functions: Record<string, Answerer>, engineSettings: object }} `engineSettings` is `EngineSettings` of
 *   binding.d.ts
 */
function takeFunctions(settings) {
  /** @type {Record<string, Answerer>} */
  const functions = {};
  /** @template T @param {string} name @param {T & { password?: unknown }} login */
  const take = (name, login) => {
    const { password } = login;
    if (typeof password !== 'function') return login;
    functions[name] = /** @type {Answerer} */ (password);
    return { ...login, password: undefined, asksPassword: true };
  };
  if (settings.server === null)
    return { functions, engineSettings: { ...settings, server: undefined } };
  const { sentinels, natMap, ...server } = settings.server;
  const isAsked = typeof natMap === 'function';
  if (isAsked) functions.natMap = natMapOfEngine(natMap);
  const engineServer = {
    ...take('password', server),
    ...(isAsked ? { asksNatMap: true } : { natMap }),
    sentinels: sentinels && take('sentinelPassword', sentinels),
  };
  return { functions, engineSettings: { ...settings, server: engineServer } };
}

module.exports = { Questions, takeFunctions };
