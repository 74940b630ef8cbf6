'use strict';

// How far a migration is: how many sessions, how many in a second, and how long it will take.

/** Before so many seconds have passed, a forecast would be a guess. */
const FORECAST_FROM_SECONDS = 2;

/**
 * Returns the words for how far a migration is: `12,000 sessions, 24,000/s, about 3 s left`.
 *
 * @param {import('./migration.js').Migration} migration
 * @param {number} seconds since it began
 */
function progressOf(migration, seconds) {
  const { done, already } = migration;
  const sessions = done + already;
  const parts = [countSessions(sessions), `${count(rateOf(sessions, seconds))}/s`];
  const left = secondsLeft(migration, seconds);
  if (left !== undefined) parts.push(`about ${duration(left)} left`);
  return parts.join(', ');
}

/** @param {number} sessions @param {number} seconds */
function rateOf(sessions, seconds) {
  return Math.round(sessions / Math.max(seconds, 0.001));
}

/**
 * Forecasts how many seconds a migration still takes. Returns undefined if it is too early for that.
 *
 * The server looks at all its keys. Meanwhile their number grows: a moved session adds itself and its owner's index,
 * and about half of what is added lies where the scan still has to go. So it looks at one more key for each session.
 *
 * @param {{ keys: number, scanned: number, done: number }} migration
 * @param {number} seconds since it began
 */
function secondsLeft({ keys, scanned, done }, seconds) {
  if (seconds < FORECAST_FROM_SECONDS || scanned <= done) return undefined;
  const all = keys / (1 - done / scanned);
  return Math.max(0, (seconds * (all - scanned)) / scanned);
}

/** @param {number} number */
function count(number) {
  return number.toLocaleString('en-US');
}

/** Writes a number of sessions: `1,200 sessions`. @param {number} number */
function countSessions(number) {
  return `${count(number)} session${number === 1 ? '' : 's'}`;
}

/** Writes a duration in two units at most: `1 h 5 min`. @param {number} seconds */
function duration(seconds) {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

module.exports = { count, countSessions, duration, progressOf, rateOf, secondsLeft };
