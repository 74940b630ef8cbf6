'use strict';

// The tracing channel of calls, for monitoring: `diagnostics_channel.tracingChannel('spots-sessions:call')`. Node's own
// `tracePromise` is not used, because it publishes the results of calls: tokens and data.

const { tracingChannel } = require('node:diagnostics_channel');
const { performance } = require('node:perf_hooks');
const { checkName } = require('./arguments.js');

const { start, end, asyncStart, asyncEnd, error } = tracingChannel('spots-sessions:call');

// Node's own, taken when this module loads, so that a test's fake timers do not change it.
const now = performance.now.bind(performance);

/** Whether the channel has subscribers. It has a property of its own for this only from Node 20.13 on. */
function isTraced() {
  return (
    asyncEnd.hasSubscribers ||
    error.hasSubscribers ||
    start.hasSubscribers ||
    end.hasSubscribers ||
    asyncStart.hasSubscribers
  );
}

/**
 * Makes a call and publishes its start and its end, in the same order as Node's `tracePromise`.
 *
 * @template T
 * @param {string} method
 * @param {{ app: unknown }} request
 * @param {() => Promise<T>} run must not throw
 * @returns {Promise<T>}
 */
function trace(method, request, run) {
  /** @type {{ method: string, app?: string, duration?: number, error?: unknown }} */
  const message = { method, app: readApp(request) };
  const begun = now();
  const settle = () => {
    asyncStart.publish(message);
    asyncEnd.publish(message);
  };
  return start.runStores(message, () => {
    // The caller gets the promise of `then`. If it got the promise of `run`, the handler below would count as the
    // caller's, and Node would report no unhandled rejection.
    const promise = run().then(
      (value) => {
        message.duration = now() - begun;
        settle();
        return value;
      },
      (reason) => {
        message.duration = now() - begun;
        message.error = reason;
        error.publish(message);
        settle();
        throw reason;
      },
    );
    end.publish(message);
    return promise;
  });
}

/** Returns the app of a call, or undefined if the app is wrong. @param {{ app: unknown }} request */
function readApp(request) {
  try {
    return checkName('app', request.app);
  } catch {
    return undefined;
  }
}

module.exports = { isTraced, trace };
